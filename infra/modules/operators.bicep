// Who hears of alerts.

@description('Last part of their names.')
@minLength(3)
@maxLength(20)
param nameSuffix string

@description('Who gets mail; empty: nobody, alerts are seen in the portal.')
param alertEmail string

@description('Tags of every resource.')
param tags object

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(alertEmail)) {
  name: 'ag-${nameSuffix}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'tts-iot-hub'
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

@description('Resource ids of the action groups that hear of alerts.')
output actionGroupIds array = empty(alertEmail) ? [] : [
  operators.id
]
