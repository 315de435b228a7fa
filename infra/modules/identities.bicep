// Two user-assigned identities: they exist, and hold their roles, before what uses them.

@description('Where they are created.')
param location string

@description('Last part of their names.')
@minLength(3)
@maxLength(20)
param nameSuffix string

@description('Tags of every resource.')
param tags object

resource app 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-app-${nameSuffix}'
  location: location
  tags: tags
}

resource hub 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-hub-${nameSuffix}'
  location: location
  tags: tags
}

@description('Resource id of the function app\'s identity.')
output appId string = app.id

@description('Client id of the function app\'s identity.')
output appClientId string = app.properties.clientId

@description('Object id of the function app\'s identity.')
output appPrincipalId string = app.properties.principalId

@description('Resource id of the identity by which the IoT hub reaches its endpoints.')
output hubId string = hub.id

@description('Object id of the identity by which the IoT hub reaches its endpoints.')
output hubPrincipalId string = hub.properties.principalId
