// What the function app may do with the hub's service API, and what there is to know about the hub, whether it is ours
// or was there before. Deployed into the hub's resource group.

@description('The hub.')
param iotHubName string

@description('Object id of the function app\'s identity.')
param appPrincipalId string

@description('Bytes of an ordinary uplink as The Things Stack sends it, properties included.')
@minValue(256)
@maxValue(262144)
param uplinkBytes int

// Reported properties of an ordinary uplink: decoded payload, radio state, times.
var twinUpdateBytes = 1024
var messagesPerUnit = {
  F1: 8000
  S1: 400000
  S2: 6000000
  S3: 300000000
}
var meter = hub.sku.name == 'F1' ? 512 : 4096
var messagesPerUplink = (uplinkBytes + meter - 1) / meter + (twinUpdateBytes + meter - 1) / meter

var roles = loadJsonContent('roles.json')

resource hub 'Microsoft.Devices/IotHubs@2023-06-30' existing = {
  name: iotHubName
}

// Creates devices on first sight.
resource registryContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hub
  name: guid(hub.id, appPrincipalId, roles.iotHubRegistryContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.iotHubRegistryContributor)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// Reads twins and writes tags.lorawanStatus.
resource twinContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: hub
  name: guid(hub.id, appPrincipalId, roles.iotHubTwinContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.iotHubTwinContributor)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

@description('Resource id of the hub.')
output id string = hub.id

@description('Host name of the hub.')
output hostName string = hub.properties.hostName

@description('Tier of the hub.')
output sku string = hub.sku.name

@description('Units of the tier.')
output units int = hub.sku.capacity

@description('Messages the hub takes a day; then it takes nothing until midnight UTC.')
output messagesPerDay int = messagesPerUnit[hub.sku.name] * hub.sku.capacity

@description('Uplinks the hub carries a day. An uplink and its twin update are metered each by itself, in started 4 KB, on F1 0.5 KB.')
output uplinksPerDay int = messagesPerUnit[hub.sku.name] * hub.sku.capacity / messagesPerUplink
