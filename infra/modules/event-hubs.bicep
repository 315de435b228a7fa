// The stream of hub events between IoT Hub and the function app. No keys: sender and receiver come with tokens.

@description('Where it is created.')
param location string

@description('Last part of its name.')
@minLength(3)
@maxLength(20)
param nameSuffix string

@description('Tier of the namespace. Basic has only the consumer group $Default and keeps events for one day.')
@allowed([
  'Basic'
  'Standard'
])
param sku string

@description('Partitions, hence the most instances that take hub events side by side. Cannot be changed later.')
@minValue(1)
@maxValue(32)
param partitions int

@description('Resource id of the workspace for metrics and logs.')
param workspaceId string

@description('Tags of every resource.')
param tags object

var isBasic = sku == 'Basic'
var ownConsumerGroupName = 'handler'

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: 'evhubns-${nameSuffix}'
  location: location
  tags: tags
  sku: {
    name: sku
    tier: sku
    capacity: 1
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource events 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = {
  parent: namespace
  name: 'events'
  properties: {
    partitionCount: partitions
    messageRetentionInDays: isBasic ? 1 : 7
  }
}

resource handlerGroup 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2024-01-01' = if (!isBasic) {
  parent: events
  name: ownConsumerGroupName
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: namespace
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'OperationalLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

@description('Name of the namespace.')
output namespaceName string = namespace.name

@description('Host name of the namespace.')
output hostName string = split(split(namespace.properties.serviceBusEndpoint, '/')[2], ':')[0]

@description('Name of the event hub.')
output eventHubName string = events.name

@description('Consumer group of the function app.')
output consumerGroupName string = isBasic ? '$Default' : ownConsumerGroupName
