// A hub of our own. One that is there already is not declared here: ARM replaces lists as a whole, so its routes and
// policies would be lost.

@description('Where it is created.')
param location string

@description('Its name.')
@minLength(3)
@maxLength(50)
param name string

@description('Tier.')
@allowed([
  'F1'
  'S1'
  'S2'
  'S3'
])
param sku string

@description('Units of the tier: F1 1, S1 and S2 up to 200, S3 up to 10.')
@minValue(1)
@maxValue(200)
param units int

@description('Shared access policy of the handler; it may only connect as a device.')
param devicePolicyName string

@description('Rights of the policy iothubowner, for the vendor\'s own integration; empty: no such policy.')
param vendorPolicyRights string

@description('Policies beside the bridge\'s, each { keyName, rights }.')
param furtherPolicies array

@description('Endpoints beside the bridge\'s, by kind: { eventHubs: [{ name, endpointUri, entityPath }] }. The hub reaches them by its identity.')
param furtherEndpoints object

@description('Routes beside the bridge\'s, each { name, source, condition, endpointNames, isEnabled }.')
param furtherRoutes array

@description('Whether messages that no route takes stay readable at the built-in endpoint.')
param enableFallbackRoute bool

@description('Resource id of the identity by which the hub reaches its endpoints. It must hold its roles already.')
param identityId string

@description('Host name of the Event Hubs namespace.')
param eventHubsHostName string

@description('The event hub that takes lifecycle and twin-change events.')
param eventHubName string

@description('Address of the storage account\'s blobs, with a slash at the end.')
param blobEndpoint string

@description('Container of archived messages; empty: none.')
param coldPathContainerName string

@description('Encoding of archived messages. Cannot be changed later.')
@allowed([
  'JSON'
  'Avro'
])
param coldPathEncoding string

@description('Resource id of the workspace for metrics and logs.')
param workspaceId string

@description('Tags of every resource.')
param tags object

var eventsEndpoint = 'bridge-events'
var coldPathEndpoint = 'cold-path'
var builtInEndpoint = 'events'
var hasColdPath = !empty(coldPathContainerName)

// Policies come without keys: the service makes them, anew with each deployment. secrets.bicep then fetches the new one.
var devicePolicy = [
  {
    keyName: devicePolicyName
    rights: 'DeviceConnect'
  }
]
var vendorPolicy = [
  {
    keyName: 'iothubowner'
    rights: vendorPolicyRights
  }
]

// Whatever the handler writes itself, reported properties and tags.lorawanStatus, causes no event.
var eventRoutes = [
  {
    name: 'lifecycle'
    source: 'DeviceLifecycleEvents'
    condition: 'true'
    endpointNames: [
      eventsEndpoint
    ]
    isEnabled: true
  }
  {
    name: 'twin-changes'
    source: 'TwinChangeEvents'
    condition: 'IS_OBJECT($body.properties.desired) OR IS_OBJECT($body.tags.lorawan)'
    endpointNames: [
      eventsEndpoint
    ]
    isEnabled: true
  }
]

// What a route takes never reaches the fallback route: with a cold path the built-in endpoint needs a route as well.
var coldPathRoutes = [
  {
    name: 'cold-path'
    source: 'DeviceMessages'
    condition: 'true'
    endpointNames: [
      coldPathEndpoint
    ]
    isEnabled: true
  }
  {
    name: 'built-in'
    source: 'DeviceMessages'
    condition: 'true'
    endpointNames: [
      builtInEndpoint
    ]
    isEnabled: enableFallbackRoute
  }
]

var coldPathEndpoints = [
  {
    name: coldPathEndpoint
    authenticationType: 'identityBased'
    identity: {
      userAssignedIdentity: identityId
    }
    endpointUri: blobEndpoint
    containerName: coldPathContainerName
    encoding: coldPathEncoding
    fileNameFormat: '{iothub}/{YYYY}/{MM}/{DD}/{HH}/{mm}/{partition}'
    batchFrequencyInSeconds: 300
    maxChunkSizeInBytes: 104857600
  }
]

// Lists are deployed as a whole: what an operator needs beside the bridge's own comes by parameters, or it would be lost.
var noEndpoints = {
  eventHubs: []
  serviceBusQueues: []
  serviceBusTopics: []
  storageContainers: []
}
var furtherByKind = union(noEndpoints, furtherEndpoints)
var byIdentity = {
  authenticationType: 'identityBased'
  identity: {
    userAssignedIdentity: identityId
  }
}
var furtherEventHubs = [for endpoint in furtherByKind.eventHubs: union(endpoint, byIdentity)]
var furtherQueues = [for endpoint in furtherByKind.serviceBusQueues: union(endpoint, byIdentity)]
var furtherTopics = [for endpoint in furtherByKind.serviceBusTopics: union(endpoint, byIdentity)]
var furtherContainers = [for endpoint in furtherByKind.storageContainers: union(endpoint, byIdentity)]

var bridgeEndpoints = [
  {
    name: eventsEndpoint
    authenticationType: 'identityBased'
    identity: {
      userAssignedIdentity: identityId
    }
    endpointUri: 'sb://${eventHubsHostName}'
    entityPath: eventHubName
  }
]

resource hub 'Microsoft.Devices/IotHubs@2023-06-30' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
    capacity: units
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    minTlsVersion: '1.2'
    // Devices have no tokens of Entra ID: the handler signs for them with the device policy's key.
    disableLocalAuth: false
    disableDeviceSAS: false
    publicNetworkAccess: 'Enabled'
    authorizationPolicies: concat(devicePolicy, empty(vendorPolicyRights) ? [] : vendorPolicy, furtherPolicies)
    eventHubEndpoints: {
      events: {
        retentionTimeInDays: 1
        partitionCount: sku == 'F1' ? 2 : 4
      }
    }
    routing: {
      endpoints: {
        eventHubs: concat(bridgeEndpoints, furtherEventHubs)
        serviceBusQueues: furtherQueues
        serviceBusTopics: furtherTopics
        storageContainers: concat(hasColdPath ? coldPathEndpoints : [], furtherContainers)
      }
      routes: concat(eventRoutes, hasColdPath ? coldPathRoutes : [], furtherRoutes)
      fallbackRoute: {
        name: 'fallback'
        source: 'DeviceMessages'
        condition: 'true'
        endpointNames: [
          builtInEndpoint
        ]
        isEnabled: enableFallbackRoute
      }
    }
  }
}

// The categories that hold errors only. Connections and twin operations would be two or more lines for each uplink.
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: hub
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'Routes'
        enabled: true
      }
      {
        category: 'DeviceTelemetry'
        enabled: true
      }
      {
        category: 'DeviceIdentityOperations'
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
