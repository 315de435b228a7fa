// The Things Stack and Azure IoT Hub: everything one application of The Things Stack needs, in one resource group.
// This file only wires; each concern is a module.

targetScope = 'resourceGroup'

// Parameters of the vendor's template, with their meaning.

@description('Region of every resource. Flex Consumption has to be offered there.')
param location string = resourceGroup().location

@description('Last part of every name.')
@minLength(3)
@maxLength(20)
param nameSuffix string = uniqueString(resourceGroup().id)

@description('Address of the cluster of The Things Stack, with or without /api/v3, e.g. https://tenant.eu1.cloud.thethings.industries.')
@minLength(10)
@maxLength(250)
param stackClusterAddress string

@description('Id of the application in The Things Stack.')
@minLength(3)
@maxLength(36)
param stackApplicationID string

@description('API key of the application (NNSXS.…). It goes to the vault and nowhere else.')
@minLength(20)
@secure()
param stackAPIKey string

@description('Whether telemetry stays readable at the hub\'s built-in endpoint.')
param enableFallbackRoute bool = true

// IoT Hub

@description('Tier of the hub. F1 is free: 8,000 messages of 0.5 KB a day, 500 devices, one per subscription.')
@allowed([
  'F1'
  'S1'
  'S2'
  'S3'
])
param iotHubSku string = 'S1'

@description('Units of the tier: F1 1, S1 and S2 up to 200, S3 up to 10.')
@minValue(1)
@maxValue(200)
param iotHubUnits int = 1

@description('A hub that is there already; empty: one is created. Its routes, policies and identity are left to deploy.sh, and the device policy has to be there first.')
@maxLength(50)
param existingIotHubName string = ''

@description('Resource group of the hub that is there already.')
@minLength(1)
@maxLength(90)
param existingIotHubResourceGroup string = resourceGroup().name

@description('Shared access policy of the handler; it may only connect as a device.')
@minLength(1)
@maxLength(64)
param devicePolicyName string = 'device-connect'

@description('Rights of the policy iothubowner, for those who also run the vendor\'s own integration; empty: no such policy.')
@allowed([
  ''
  'RegistryRead, RegistryWrite, DeviceConnect'
  'RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect'
])
param vendorPolicyRights string = ''

@description('Policies of a hub of our own beside the bridge\'s, each { keyName, rights }. Their keys are new with each deployment.')
@maxLength(14)
param furtherPolicies array = []

@description('Endpoints of a hub of our own beside the bridge\'s, by kind (eventHubs, serviceBusQueues, serviceBusTopics, storageContainers), each as in Azure but for its identity, which is the hub\'s.')
param furtherEndpoints object = {}

@description('Routes of a hub of our own beside the bridge\'s, each { name, source, condition, endpointNames, isEnabled }.')
param furtherRoutes array = []

@description('What devices are called in the hub: text around {device_id} and, before it, {application_id}.')
@minLength(11)
@maxLength(128)
param iotHubDeviceIdTemplate string = '{device_id}'

@description('Whether device-to-cloud messages are archived in storage as well. Not on F1, which has one endpoint only. A hub that is there already gets no endpoint for it.')
param enableColdPath bool = false

@description('Encoding of archived messages. Cannot be changed later.')
@allowed([
  'JSON'
  'Avro'
])
param coldPathEncoding string = 'JSON'

@description('Days after which archived messages are deleted.')
@minValue(31)
@maxValue(3650)
param coldPathRetentionDays int = 365

@description('Bytes of an ordinary uplink, for the output uplinksPerDay. Each gateway that hears it adds about 500.')
@minValue(256)
@maxValue(262144)
param uplinkBytes int = 2560

// Storage, Event Hubs and Functions

@description('Redundancy of the storage account: copies in one data centre, or in three zones where the region has them.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
])
param storageSku string = 'Standard_LRS'

@description('Tier of the Event Hubs namespace. Basic has only the consumer group $Default and keeps events for one day.')
@allowed([
  'Basic'
  'Standard'
])
param eventHubsSku string = 'Standard'

@description('Partitions of the event hub, hence the most instances that take hub events side by side. Cannot be changed later.')
@minValue(1)
@maxValue(32)
param eventHubPartitions int = 4

@description('Instances that always run for the webhook; each costs about 5 USD a month and its execution time.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 1

@description('Most instances of the function app at once.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 40

// The handler

@description('Shared secrets of the webhook beside the function key, joined by commas, at least 16 characters each; empty: none.')
@maxLength(1024)
@secure()
param webhookSecret string = ''

@description('Address ranges that may call the webhook, in CIDR notation; none: every address.')
param webhookAllowedIpRanges array = []

@description('How hub events reach The Things Stack: its ordinary API, or the vendor\'s application package (Cloud and Enterprise).')
@allowed([
  'api'
  'package'
])
param ttsDelivery string = 'api'

@description('Further settings of the handler by name, e.g. { LOG_LEVEL: \'debug\' }. handler/SETTINGS.md lists them.')
param handlerSettings object = {}

// Operation

@description('Who gets mail when an alert fires; empty: nobody, alerts are seen in the portal.')
@maxLength(254)
param alertEmail string = ''

@description('Days that logs are kept. 30 are in the price of ingestion.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('GB of logs a day after which ingestion stops until the next day; -1: never. Alerts on logs stop with it.')
@minValue(-1)
@maxValue(1000)
param dailyLogCapGb int = 1

@description('Tags of every resource.')
param tags object = {}

@description('Names of what deploy.sh was given beside the profile: its next run must be given them too.')
@maxLength(2000)
param givenParameters string = ''

var ownsIotHub = empty(existingIotHubName)
var iotHubName = ownsIotHub ? 'iothub-${nameSuffix}' : existingIotHubName
var iotHubResourceGroup = ownsIotHub ? resourceGroup().name : existingIotHubResourceGroup

module identities 'modules/identities.bicep' = {
  params: {
    location: location
    nameSuffix: nameSuffix
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    location: location
    nameSuffix: nameSuffix
    logRetentionDays: logRetentionDays
    dailyLogCapGb: dailyLogCapGb
    tags: tags
  }
}

module workbook 'modules/workbook.bicep' = {
  params: {
    location: location
    workspaceId: monitoring.outputs.workspaceId
    tags: tags
  }
}

module storage 'modules/storage.bicep' = {
  params: {
    location: location
    nameSuffix: nameSuffix
    sku: storageSku
    enableColdPath: enableColdPath
    coldPathRetentionDays: coldPathRetentionDays
    workspaceId: monitoring.outputs.workspaceId
    tags: tags
  }
}

module eventHubs 'modules/event-hubs.bicep' = {
  params: {
    location: location
    nameSuffix: nameSuffix
    sku: eventHubsSku
    partitions: eventHubPartitions
    workspaceId: monitoring.outputs.workspaceId
    tags: tags
  }
}

module keyVault 'modules/key-vault.bicep' = {
  params: {
    location: location
    nameSuffix: nameSuffix
    workspaceId: monitoring.outputs.workspaceId
    tags: tags
  }
}

// The hub checks its endpoints when it is written: its identity has to hold its roles before.
module hubRoles 'modules/hub-roles.bicep' = {
  params: {
    principalId: identities.outputs.hubPrincipalId
    eventHubsNamespaceName: eventHubs.outputs.namespaceName
    eventHubName: eventHubs.outputs.eventHubName
    storageAccountName: storage.outputs.name
    coldPathContainerName: storage.outputs.coldPathContainerName
  }
}

module iotHub 'modules/iot-hub.bicep' = if (ownsIotHub) {
  params: {
    location: location
    name: iotHubName
    sku: iotHubSku
    units: iotHubUnits
    devicePolicyName: devicePolicyName
    vendorPolicyRights: vendorPolicyRights
    furtherPolicies: furtherPolicies
    furtherEndpoints: furtherEndpoints
    furtherRoutes: furtherRoutes
    enableFallbackRoute: enableFallbackRoute
    identityId: identities.outputs.hubId
    eventHubsHostName: eventHubs.outputs.hostName
    eventHubName: eventHubs.outputs.eventHubName
    blobEndpoint: storage.outputs.blobEndpoint
    coldPathContainerName: storage.outputs.coldPathContainerName
    coldPathEncoding: coldPathEncoding
    workspaceId: monitoring.outputs.workspaceId
    tags: tags
  }
  dependsOn: [
    hubRoles
  ]
}

module iotHubAccess 'modules/iot-hub-access.bicep' = {
  scope: resourceGroup(iotHubResourceGroup)
  params: {
    iotHubName: iotHubName
    appPrincipalId: identities.outputs.appPrincipalId
    uplinkBytes: uplinkBytes
  }
  dependsOn: [
    iotHub
  ]
}

module secrets 'modules/secrets.bicep' = {
  params: {
    keyVaultName: keyVault.outputs.name
    appPrincipalId: identities.outputs.appPrincipalId
    stackApiKey: stackAPIKey
    webhookSecret: webhookSecret
    hasWebhookSecret: !empty(webhookSecret)
    iotHubName: iotHubName
    iotHubResourceGroup: iotHubResourceGroup
    devicePolicyName: devicePolicyName
  }
  dependsOn: [
    iotHub
  ]
}

module appRoles 'modules/app-roles.bicep' = {
  params: {
    principalId: identities.outputs.appPrincipalId
    eventHubsNamespaceName: eventHubs.outputs.namespaceName
    eventHubName: eventHubs.outputs.eventHubName
    storageAccountName: storage.outputs.name
    appInsightsName: monitoring.outputs.appInsightsName
  }
}

module functionApp 'modules/function-app.bicep' = {
  params: {
    location: location
    nameSuffix: nameSuffix
    identityId: identities.outputs.appId
    alwaysReadyInstances: alwaysReadyInstances
    maximumInstances: maximumInstances
    webhookAllowedIpRanges: webhookAllowedIpRanges
    blobEndpoint: storage.outputs.blobEndpoint
    packageContainerName: storage.outputs.packageContainerName
    workspaceId: monitoring.outputs.workspaceId
    tags: tags
  }
  dependsOn: [
    appRoles
  ]
}

module appSettings 'modules/app-settings.bicep' = {
  params: {
    functionAppName: functionApp.outputs.name
    identityClientId: identities.outputs.appClientId
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    tableEndpoint: storage.outputs.tableEndpoint
    eventHubsHostName: eventHubs.outputs.hostName
    eventHubName: eventHubs.outputs.eventHubName
    consumerGroupName: eventHubs.outputs.consumerGroupName
    appInsightsName: monitoring.outputs.appInsightsName
    iotHubHostName: iotHubAccess.outputs.hostName
    iotHubSku: iotHubAccess.outputs.sku
    iotHubUnits: iotHubAccess.outputs.units
    devicePolicyName: devicePolicyName
    devicePolicyKeyReference: secrets.outputs.devicePolicyKeyReference
    iotHubDeviceIdTemplate: iotHubDeviceIdTemplate
    stackClusterAddress: stackClusterAddress
    stackApplicationId: stackApplicationID
    stackKeyReference: secrets.outputs.stackKeyReference
    ttsDelivery: ttsDelivery
    webhookReference: secrets.outputs.webhookReference
    handlerSettings: handlerSettings
  }
}

module operators 'modules/operators.bicep' = {
  params: {
    nameSuffix: nameSuffix
    alertEmail: alertEmail
    tags: tags
  }
}

module logAlerts 'modules/log-alerts.bicep' = {
  params: {
    location: location
    nameSuffix: nameSuffix
    actionGroupIds: operators.outputs.actionGroupIds
    workspaceId: monitoring.outputs.workspaceId
    tags: tags
  }
}

module metricAlerts 'modules/metric-alerts.bicep' = {
  params: {
    nameSuffix: nameSuffix
    actionGroupIds: operators.outputs.actionGroupIds
    iotHubId: iotHubAccess.outputs.id
    messagesPerDay: iotHubAccess.outputs.messagesPerDay
    queueServiceId: storage.outputs.queueServiceId
    tags: tags
  }
}

@description('Name of the function app.')
output functionAppName string = functionApp.outputs.name

@description('Host name of the function app.')
output functionAppHostName string = functionApp.outputs.hostName

@description('Base URL of the webhook in The Things Stack.')
output webhookBaseUrl string = 'https://${functionApp.outputs.hostName}/api/tts'

@description('Name of the IoT hub.')
output iotHubName string = iotHubName

@description('Resource group of the IoT hub.')
output iotHubResourceGroup string = iotHubResourceGroup

@description('Host name of the IoT hub.')
output iotHubHostName string = iotHubAccess.outputs.hostName

@description('Name of the Event Hubs namespace.')
output eventHubsNamespaceName string = eventHubs.outputs.namespaceName

@description('Host name of the Event Hubs namespace, for the endpoint of a hub that is there already.')
output eventHubsHostName string = eventHubs.outputs.hostName

@description('Name of the event hub.')
output eventHubName string = eventHubs.outputs.eventHubName

@description('Name of the storage account.')
output storageAccountName string = storage.outputs.name

@description('Address of the account\'s blobs, for the cold path of a hub that is there already.')
output blobEndpoint string = storage.outputs.blobEndpoint

@description('Name of the key vault.')
output keyVaultName string = keyVault.outputs.name

@description('Container of the function app\'s package.')
output deploymentContainerName string = storage.outputs.packageContainerName

@description('Container of archived messages; empty: none.')
output coldPathContainerName string = storage.outputs.coldPathContainerName

@description('Resource id of the identity by which the hub reaches its endpoints.')
output hubIdentityId string = identities.outputs.hubId

@description('Resource id of the workspace with logs and workbook.')
output workspaceId string = monitoring.outputs.workspaceId

@description('Uplinks the hub carries a day: its daily messages by those of one uplink, which are its own and its twin update\'s.')
output uplinksPerDay int = iotHubAccess.outputs.uplinksPerDay

@description('Names of what deploy.sh was given beside the profile.')
output givenParameters string = givenParameters
