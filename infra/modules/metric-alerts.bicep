// Alerts on the platform's own metrics.

@description('Last part of their names.')
@minLength(3)
@maxLength(20)
param nameSuffix string

@description('Resource ids of the action groups that hear of alerts.')
param actionGroupIds array

@description('Resource id of the IoT hub.')
param iotHubId string

@description('Messages the hub takes a day.')
param messagesPerDay int

@description('Resource id of the storage account\'s queue service.')
param queueServiceId string

@description('Tags of every resource.')
param tags object

resource throttled 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'hub-throttled-${nameSuffix}'
  location: 'global'
  tags: tags
  properties: {
    description: 'The hub throttles device-to-cloud messages; they are parked and delivered later. More units: deploy.sh with --parameter iotHubUnits=N, each time.'
    severity: 2
    enabled: true
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    scopes: [
      iotHubId
    ]
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'throttled'
          metricNamespace: 'Microsoft.Devices/IotHubs'
          metricName: 'd2c.telemetry.ingress.sendThrottle'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    autoMitigate: true
    actions: [for group in actionGroupIds: {
      actionGroupId: group
    }]
  }
}

resource quota 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'hub-quota-${nameSuffix}'
  location: 'global'
  tags: tags
  properties: {
    description: 'Four fifths of the daily message quota are used. Beyond it the hub takes nothing until midnight UTC; what comes is parked. More units: deploy.sh with --parameter iotHubUnits=N, each time.'
    severity: 2
    enabled: true
    evaluationFrequency: 'PT15M'
    windowSize: 'PT1H'
    scopes: [
      iotHubId
    ]
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'quota'
          metricNamespace: 'Microsoft.Devices/IotHubs'
          metricName: 'dailyMessageQuotaUsed'
          timeAggregation: 'Maximum'
          operator: 'GreaterThanOrEqual'
          threshold: messagesPerDay / 5 * 4
        }
      ]
    }
    autoMitigate: true
    actions: [for group in actionGroupIds: {
      actionGroupId: group
    }]
  }
}

// The account's own count, which Azure takes once a day or so: it also tells when nobody takes parked items, and
// reminds of dead letters before the seven days of a queue message are over.
resource leftovers 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'queues-not-empty-${nameSuffix}'
  location: 'global'
  tags: tags
  properties: {
    description: 'Messages have been in the queues parked, parked-poison or dead-letter for a day. They are gone after seven.'
    severity: 2
    enabled: true
    evaluationFrequency: 'PT1H'
    windowSize: 'P1D'
    scopes: [
      queueServiceId
    ]
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'messages'
          metricNamespace: 'Microsoft.Storage/storageAccounts/queueServices'
          metricName: 'QueueMessageCount'
          timeAggregation: 'Average'
          operator: 'GreaterThanOrEqual'
          threshold: 1
        }
      ]
    }
    autoMitigate: true
    actions: [for group in actionGroupIds: {
      actionGroupId: group
    }]
  }
}
