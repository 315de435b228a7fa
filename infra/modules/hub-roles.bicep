// What the IoT hub may do with its identity: send to the event hub, and write to the cold path's container.

@description('Object id of the hub\'s identity.')
param principalId string

@description('Namespace of the event hub.')
param eventHubsNamespaceName string

@description('The event hub.')
param eventHubName string

@description('Account of the cold path\'s container.')
param storageAccountName string

@description('Container of archived messages; empty: none.')
param coldPathContainerName string

var roles = loadJsonContent('roles.json')

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' existing = {
  name: eventHubsNamespaceName
}

resource events 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' existing = {
  parent: namespace
  name: eventHubName
}

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageAccountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' existing = {
  parent: account
  name: 'default'
}

resource coldPath 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: blobs
  name: empty(coldPathContainerName) ? 'none' : coldPathContainerName
}

resource sender 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: events
  name: guid(events.id, principalId, roles.eventHubsDataSender)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.eventHubsDataSender)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource archivist 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(coldPathContainerName)) {
  scope: coldPath
  name: guid(coldPath.id, principalId, roles.storageBlobDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
