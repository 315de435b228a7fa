// For operation: about 60 USD a month and 200,000 uplinks a day per unit of the hub.
using 'main.bicep'

param stackClusterAddress = readEnvironmentVariable('STACK_CLUSTER_ADDRESS')
param stackApplicationID = readEnvironmentVariable('STACK_APPLICATION_ID')
param stackAPIKey = readEnvironmentVariable('STACK_API_KEY')
param webhookSecret = readEnvironmentVariable('WEBHOOK_SECRET', '')
param alertEmail = readEnvironmentVariable('ALERT_EMAIL', '')

param iotHubSku = 'S1'
param iotHubUnits = 1

param eventHubsSku = 'Standard'
param eventHubPartitions = 4

// The Things Stack gives up after 5 s, and the open-source one never sends again, so a message that meets a cold start may
// be lost. One instance of 512 MB that is always ready spares the webhook that, for about 5 USD a month and its execution
// time.
param alwaysReadyInstances = 1
