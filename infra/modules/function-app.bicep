// The handler's host: a function app on Flex Consumption with a custom handler, one user-assigned identity and no keys.

@description('Where it is created.')
param location string

@description('Last part of its name.')
@minLength(3)
@maxLength(20)
param nameSuffix string

@description('Resource id of the app\'s identity. It must hold its roles already.')
param identityId string

@description('Instances that always run for the HTTP functions.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int

@description('Most instances at once, each function group by itself.')
@minValue(40)
@maxValue(1000)
param maximumInstances int

@description('Address ranges that may call the app, in CIDR notation; none: every address.')
param webhookAllowedIpRanges array

@description('Address of the storage account\'s blobs, with a slash at the end.')
param blobEndpoint string

@description('Container of the app\'s package.')
param packageContainerName string

@description('Resource id of the workspace for metrics.')
param workspaceId string

@description('Tags of every resource.')
param tags object

// TTS waits five seconds for an answer, and open-source TTS never sends again: a running instance spares it cold starts.
var httpAlwaysReady = [
  {
    name: 'http'
    instanceCount: alwaysReadyInstances
  }
]

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${nameSuffix}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: false
  }
}

resource site 'Microsoft.Web/sites@2024-11-01' = {
  name: 'func-${nameSuffix}'
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    clientAffinityEnabled: false
    keyVaultReferenceIdentity: identityId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}${packageContainerName}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'custom'
        version: '1.0'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 512
        maximumInstanceCount: maximumInstances
        alwaysReady: alwaysReadyInstances == 0 ? [] : httpAlwaysReady
        triggers: {
          http: {
            // One instance carries hundreds of uplinks at once; the platform's own number starts a second one much earlier.
            perInstanceConcurrency: 100
          }
        }
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      remoteDebuggingEnabled: false
      ipSecurityRestrictionsDefaultAction: empty(webhookAllowedIpRanges) ? 'Allow' : 'Deny'
      ipSecurityRestrictions: [for (range, i) in webhookAllowedIpRanges: {
        name: 'webhook-${i}'
        action: 'Allow'
        ipAddress: range
        priority: 100 + i
      }]
    }
  }
}

resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: site
  name: 'scm'
  properties: {
    allow: false
  }
}

// Metrics only: its logs are in Application Insights, and FunctionAppLogs would be the same lines paid twice.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: site
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

@description('Name of the function app.')
output name string = site.name

@description('Host name of the function app.')
output hostName string = site.properties.defaultHostName
