// To try it: the free hub and the smallest of everything else. About 13 USD a month, for Event Hubs and alerts.
//
// An uplink of 2.5 KB is 5 messages of 0.5 KB and its twin update 2: about 1,100 uplinks a day, see the output
// uplinksPerDay. Other message types of the webhook count like uplinks.
using 'main.bicep'

param stackClusterAddress = readEnvironmentVariable('STACK_CLUSTER_ADDRESS')
param stackApplicationID = readEnvironmentVariable('STACK_APPLICATION_ID')
param stackAPIKey = readEnvironmentVariable('STACK_API_KEY')
param webhookSecret = readEnvironmentVariable('WEBHOOK_SECRET', '')
param alertEmail = readEnvironmentVariable('ALERT_EMAIL', '')

param iotHubSku = 'F1'
param iotHubUnits = 1

// Basic: one consumer group, $Default, which is the handler's then.
param eventHubsSku = 'Basic'
param eventHubPartitions = 1

// The first message after a pause meets a cold start, which may take longer than the 5 s The Things Stack waits.
param alwaysReadyInstances = 0

// A free hub has one endpoint: lifecycle and twin-change events need it.
param enableColdPath = false
