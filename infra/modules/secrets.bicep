// The three secrets, each readable by the function app alone. Settings refer to versions: a deployment with a new value
// changes the setting, and the app has it at once.

@description('The vault.')
param keyVaultName string

@description('Object id of the function app\'s identity.')
param appPrincipalId string

@description('API key of The Things Stack.')
@secure()
param stackApiKey string

@description('Shared secrets of the webhook, joined by commas; empty: none.')
@secure()
param webhookSecret string

@description('Whether the webhook has shared secrets.')
param hasWebhookSecret bool

@description('The hub.')
param iotHubName string

@description('The hub\'s resource group.')
param iotHubResourceGroup string

@description('Shared access policy of the handler. Its key goes from the hub to the vault and nowhere else.')
param devicePolicyName string

var roles = loadJsonContent('roles.json')
var secretsUser = subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: keyVaultName
}

resource hub 'Microsoft.Devices/IotHubs@2023-06-30' existing = {
  scope: resourceGroup(iotHubResourceGroup)
  name: iotHubName
}

resource stackKey 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: 'tts-api-key'
  properties: {
    value: stackApiKey
    contentType: 'API key of The Things Stack'
  }
}

resource devicePolicyKey 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: 'iot-hub-device-policy-key'
  properties: {
    value: listKeys('${hub.id}/IotHubKeys/${devicePolicyName}', '2023-06-30').primaryKey
    contentType: 'Key of a shared access policy with DeviceConnect'
  }
}

resource webhookSecrets 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = if (hasWebhookSecret) {
  parent: vault
  name: 'webhook-secrets'
  properties: {
    value: webhookSecret
    contentType: 'Shared secrets of the webhook'
  }
}

resource stackKeyUser 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: stackKey
  name: guid(stackKey.id, appPrincipalId, roles.keyVaultSecretsUser)
  properties: {
    roleDefinitionId: secretsUser
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource devicePolicyKeyUser 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: devicePolicyKey
  name: guid(devicePolicyKey.id, appPrincipalId, roles.keyVaultSecretsUser)
  properties: {
    roleDefinitionId: secretsUser
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

resource webhookSecretsUser 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (hasWebhookSecret) {
  scope: webhookSecrets
  name: guid(webhookSecrets.id, appPrincipalId, roles.keyVaultSecretsUser)
  properties: {
    roleDefinitionId: secretsUser
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

@description('Reference for TTS_API_KEY.')
output stackKeyReference string = '@Microsoft.KeyVault(SecretUri=${stackKey.properties.secretUriWithVersion})'

@description('Reference for IOT_HUB_DEVICE_POLICY_KEY.')
output devicePolicyKeyReference string = '@Microsoft.KeyVault(SecretUri=${devicePolicyKey.properties.secretUriWithVersion})'

@description('Reference for WEBHOOK_SECRETS; empty: none.')
output webhookReference string = hasWebhookSecret ? '@Microsoft.KeyVault(SecretUri=${webhookSecrets!.properties.secretUriWithVersion})' : ''
