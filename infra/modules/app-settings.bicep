// The function app's settings: all the handler knows, but for the connection string of runs on one's own machine, and the
// host's own. A deployment sets them all; changes by hand do not outlive it.

@description('The function app.')
param functionAppName string

@description('Client id of the app\'s identity.')
param identityClientId string

@description('Address of the storage account\'s blobs, with a slash at the end.')
param blobEndpoint string

@description('Address of the storage account\'s queues.')
param queueEndpoint string

@description('Address of the storage account\'s tables.')
param tableEndpoint string

@description('Host name of the Event Hubs namespace.')
param eventHubsHostName string

@description('The event hub.')
param eventHubName string

@description('Consumer group of the app.')
param consumerGroupName string

@description('The Application Insights component.')
param appInsightsName string

@description('Host name of the IoT hub.')
param iotHubHostName string

@description('Tier of the IoT hub, for its limits.')
param iotHubSku string

@description('Units of the tier, for its limits.')
param iotHubUnits int

@description('Shared access policy of the handler.')
param devicePolicyName string

@description('Key Vault reference of the policy\'s key.')
param devicePolicyKeyReference string

@description('What devices are called in the hub.')
param iotHubDeviceIdTemplate string

@description('Address of The Things Stack.')
param stackClusterAddress string

@description('Application in The Things Stack.')
param stackApplicationId string

@description('Key Vault reference of the API key of The Things Stack.')
param stackKeyReference string

@description('How hub events reach The Things Stack.')
@allowed([
  'api'
  'package'
])
param ttsDelivery string

@description('Key Vault reference of the webhook\'s shared secrets; empty: none.')
param webhookReference string

@description('Further settings of the handler by name, as handler/SETTINGS.md lists them.')
param handlerSettings object

// What the tier allows the whole hub. The HTTP functions run on one instance most of the time; with more, the hub itself
// says 429 and messages are parked.
var standardLimits = {
  registryCallsPerMinute: 100 * iotHubUnits
  connectionsPerSecond: max(100, 12 * iotHubUnits)
  twinUpdatesPerSecond: max(50, 5 * iotHubUnits)
}
var limitsOfTiers = {
  F1: standardLimits
  S1: standardLimits
  S2: {
    registryCallsPerMinute: 100 * iotHubUnits
    connectionsPerSecond: 120 * iotHubUnits
    twinUpdatesPerSecond: max(50, 5 * iotHubUnits)
  }
  S3: {
    registryCallsPerMinute: 5000 * iotHubUnits
    connectionsPerSecond: 6000 * iotHubUnits
    twinUpdatesPerSecond: 250 * iotHubUnits
  }
}
var limits = limitsOfTiers[iotHubSku]

// May be changed by handlerSettings.
var tunableSettings = {
  IOT_HUB_HTTPS_PORT: '443'
  IOT_HUB_MQTT_PORT: '8883'
  IOT_HUB_CA_FILE: ''
  IOT_HUB_REGISTRY_CALLS_PER_MINUTE: string(limits.registryCallsPerMinute)
  IOT_HUB_CONNECTIONS_PER_SECOND: string(limits.connectionsPerSecond)
  IOT_HUB_CONNECTION_IDLE_SECONDS: '5'
  IOT_HUB_TWIN_UPDATES_PER_SECOND: string(limits.twinUpdatesPerSecond)
  IOT_HUB_TWIN_UNCHANGED_SECONDS: '0'
  IOT_HUB_TWIN_RADIO_STATE: 'on'
  IOT_HUB_TWIN_DECODED_PAYLOAD: 'merge'
  TTS_IDENTITY_SERVER_URL: ''
  TTS_FURTHER_APPLICATION_IDS: ''
  TTS_ON_DEVICE_DELETION: 'delete'
  WEBHOOK_MESSAGE_TYPES: 'all'
  WEBHOOK_TWIN_TYPES: 'all'
  WEBHOOK_ANSWER_WITHIN_SECONDS: '4'
  LOG_LEVEL: 'info'
}

// Follow from the deployment.
var wiredSettings = {
  AZURE_CLIENT_ID: identityClientId
  IOT_HUB_HOST_NAME: iotHubHostName
  IOT_HUB_DEVICE_POLICY_NAME: devicePolicyName
  IOT_HUB_DEVICE_POLICY_KEY: devicePolicyKeyReference
  IOT_HUB_DEVICE_ID_TEMPLATE: iotHubDeviceIdTemplate
  TTS_BASE_URL: stackClusterAddress
  TTS_APPLICATION_ID: stackApplicationId
  TTS_API_KEY: stackKeyReference
  TTS_DELIVERY: ttsDelivery
  WEBHOOK_SECRETS: webhookReference
}

// Settings of the host and of glibc, whose default would let resident memory grow far above 20 MB.
var hostSettings = {
  AzureWebJobsStorage__blobServiceUri: blobEndpoint
  AzureWebJobsStorage__queueServiceUri: queueEndpoint
  AzureWebJobsStorage__tableServiceUri: tableEndpoint
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  PARKED_QUEUE_NAME: 'parked'
  DEAD_LETTER_QUEUE_NAME: 'dead-letter'
  EVENT_HUB__fullyQualifiedNamespace: eventHubsHostName
  EVENT_HUB__credential: 'managedidentity'
  EVENT_HUB__clientId: identityClientId
  EVENT_HUB_NAME: eventHubName
  EVENT_HUB_CONSUMER_GROUP: consumerGroupName
  APPLICATIONINSIGHTS_CONNECTION_STRING: appInsights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  MALLOC_MMAP_THRESHOLD_: '65536'
}

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: appInsightsName
}

resource site 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionAppName
}

resource settings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: site
  name: 'appsettings'
  properties: union(tunableSettings, handlerSettings, wiredSettings, hostSettings)
}
