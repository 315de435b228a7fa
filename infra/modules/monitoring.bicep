// Where logs and metrics go: one workspace, and Application Insights on top of it, which takes only tokens.

@description('Where they are created.')
param location string

@description('Last part of their names.')
@minLength(3)
@maxLength(20)
param nameSuffix string

@description('Days that logs are kept. 30 are in the price of ingestion.')
@minValue(30)
@maxValue(730)
param logRetentionDays int

@description('GB of logs a day after which ingestion stops until the next day; -1: never. Alerts on logs stop with it.')
@minValue(-1)
@maxValue(1000)
param dailyLogCapGb int

@description('Tags of every resource.')
param tags object

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${nameSuffix}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: logRetentionDays
    workspaceCapping: {
      dailyQuotaGb: dailyLogCapGb
    }
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource appInsights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${nameSuffix}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

@description('Resource id of the workspace.')
output workspaceId string = workspace.id

@description('Name of the Application Insights component.')
output appInsightsName string = appInsights.name
