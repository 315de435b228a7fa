// The function host's storage: the package, its leases and checkpoints, the queues, and the cold path if wanted.
// No keys: everything comes with a token.

@description('Where it is created.')
param location string

@description('Last part of its name; dashes and capitals are left out.')
@minLength(3)
@maxLength(20)
param nameSuffix string

@description('Redundancy of the account.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
])
param sku string

@description('Whether device-to-cloud messages are archived here.')
param enableColdPath bool

@description('Days after which archived messages are deleted.')
@minValue(31)
@maxValue(3650)
param coldPathRetentionDays int

@description('Resource id of the workspace for metrics and logs.')
param workspaceId string

@description('Tags of every resource.')
param tags object

var coldPathContainerName = 'cold-path'
var queueNames = [
  'parked'
  'parked-poison'
  'dead-letter'
]

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: take('sto${replace(toLower(nameSuffix), '-', '')}', 24)
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: 'Enabled'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: 7
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 7
    }
  }
}

resource package 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: 'app-package'
  properties: {
    publicAccess: 'None'
  }
}

resource coldPath 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = if (enableColdPath) {
  parent: blobs
  name: coldPathContainerName
  properties: {
    publicAccess: 'None'
  }
}

resource coldPathLifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-01-01' = if (enableColdPath) {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'cold-path'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${coldPathContainerName}/'
              ]
            }
            actions: {
              baseBlob: {
                tierToCool: {
                  daysAfterModificationGreaterThan: 30
                }
                delete: {
                  daysAfterModificationGreaterThan: coldPathRetentionDays
                }
              }
            }
          }
        }
      ]
    }
  }
  // A policy is refused while the account has no blob service.
  dependsOn: [
    blobs
  ]
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-01-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' = [for name in queueNames: {
  parent: queueService
  name: name
}]

// Writes are left out: leases and checkpoints are written every few seconds.
resource blobDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: blobs
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'StorageDelete'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

// Reads are left out: the host asks for messages all the time.
resource queueDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: queueService
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'StorageWrite'
        enabled: true
      }
      {
        category: 'StorageDelete'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

@description('Name of the account.')
output name string = account.name

@description('Address of its blobs, with a slash at the end.')
output blobEndpoint string = account.properties.primaryEndpoints.blob

@description('Address of its queues.')
output queueEndpoint string = account.properties.primaryEndpoints.queue

@description('Address of its tables.')
output tableEndpoint string = account.properties.primaryEndpoints.table

@description('Resource id of its queue service.')
output queueServiceId string = queueService.id

@description('Container of the function app\'s package.')
output packageContainerName string = package.name

@description('Container of archived messages; empty: none.')
output coldPathContainerName string = enableColdPath ? coldPathContainerName : ''
