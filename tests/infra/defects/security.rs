//! Settings that work and are not safe.

use super::{Defect, all_are_found, defect};

const STORAGE: &str = "infra/modules/storage.bicep";
const HUB: &str = "infra/modules/iot-hub.bicep";
const EVENTS: &str = "infra/modules/event-hubs.bicep";
const VAULT: &str = "infra/modules/key-vault.bicep";
const APP: &str = "infra/modules/function-app.bicep";
const ROLES: &str = "infra/modules/iot-hub-access.bicep";

const DEFECTS: [Defect; 38] = [
    defect("S old TLS to storage", STORAGE, "'TLS1_2'", "'TLS1_0'", "minimumTlsVersion is TLS1_0, expected TLS1_2"),
    defect(
        "S plain HTTP to storage",
        STORAGE,
        "supportsHttpsTrafficOnly: true",
        "supportsHttpsTrafficOnly: false",
        "supportsHttpsTrafficOnly is false",
    ),
    defect(
        "S public blobs",
        STORAGE,
        "allowBlobPublicAccess: false",
        "allowBlobPublicAccess: true",
        "allowBlobPublicAccess is true",
    ),
    defect(
        "S shared keys of storage",
        STORAGE,
        "    allowSharedKeyAccess: false\n",
        "",
        "allowSharedKeyAccess is not set, expected false",
    ),
    defect(
        "S public container",
        STORAGE,
        "name: 'app-package'\n  properties: {\n    publicAccess: 'None'",
        "name: 'app-package'\n  properties: {\n    publicAccess: 'Blob'",
        "publicAccess is Blob, expected None",
    ),
    defect(
        "S old TLS to Event Hubs",
        EVENTS,
        "minimumTlsVersion: '1.2'",
        "minimumTlsVersion: '1.0'",
        "minimumTlsVersion is 1.0",
    ),
    defect(
        "S keys of Event Hubs",
        EVENTS,
        "disableLocalAuth: true",
        "disableLocalAuth: false",
        "disableLocalAuth is false, expected true",
    ),
    defect("S vault can be purged", VAULT, "    enablePurgeProtection: true\n", "", "enablePurgeProtection is not set"),
    defect("S plain HTTP to the app", APP, "httpsOnly: true", "httpsOnly: false", "httpsOnly is false"),
    defect(
        "S plain FTP to the app",
        APP,
        "  parent: site\n  name: 'ftp'\n  properties: {\n    allow: false",
        "  parent: site\n  name: 'ftp'\n  properties: {\n    allow: true",
        "basic authentication of ftp is not switched off",
    ),
    defect(
        "what Flex Consumption refuses",
        APP,
        "      http20Enabled: true\n",
        "      http20Enabled: true\n      ftpsState: 'Disabled'\n",
        "Flex Consumption refuses properties.siteConfig.ftpsState",
    ),
    defect(
        "old TLS to the hub",
        HUB,
        "minTlsVersion: '1.2'",
        "minTlsVersion: '1.0'",
        "minTlsVersion is 1.0, expected 1.2",
    ),
    defect(
        "old TLS to the app",
        APP,
        "      minTlsVersion: '1.2'",
        "      minTlsVersion: '1.1'",
        "minTlsVersion is 1.1",
    ),
    defect(
        "access policies in the vault",
        VAULT,
        "enableRbacAuthorization: true",
        "enableRbacAuthorization: false",
        "enableRbacAuthorization is false",
    ),
    defect(
        "password for deployment",
        APP,
        "name: 'scm'\n  properties: {\n    allow: false",
        "name: 'scm'\n  properties: {\n    allow: true",
        "basic authentication of scm is not switched off",
    ),
    defect(
        "remote debugging",
        APP,
        "remoteDebuggingEnabled: false",
        "remoteDebuggingEnabled: true",
        "remoteDebuggingEnabled is true",
    ),
    defect(
        "keys of Application Insights",
        "infra/modules/monitoring.bicep",
        "DisableLocalAuth: true",
        "DisableLocalAuth: false",
        "DisableLocalAuth is false",
    ),
    defect(
        "no daily cap",
        "infra/modules/monitoring.bicep",
        "      dailyQuotaGb: dailyLogCapGb\n",
        "",
        "dailyQuotaGb is not set",
    ),
    defect(
        "policy with more rights",
        HUB,
        "rights: 'DeviceConnect'",
        "rights: 'ServiceConnect, DeviceConnect'",
        "expected DeviceConnect alone",
    ),
    defect(
        "the service's own policies",
        HUB,
        "    authorizationPolicies: concat(devicePolicy, empty(vendorPolicyRights) ? [] : vendorPolicy, furtherPolicies)\n",
        "    authorizationPolicies: []\n",
        "so the service makes its own",
    ),
    defect(
        "vendor's policy without being asked",
        HUB,
        "empty(vendorPolicyRights) ? [] : vendorPolicy",
        "vendorPolicy",
        "the policy iothubowner has the rights",
    ),
    defect(
        "endpoint with a key",
        HUB,
        "    name: eventsEndpoint\n    authenticationType: 'identityBased'",
        "    name: eventsEndpoint\n    authenticationType: 'keyBased'",
        "is not identityBased",
    ),
    defect(
        "further endpoint that is left to its key",
        HUB,
        "[for endpoint in furtherByKind.eventHubs: union(endpoint, byIdentity)]",
        "furtherByKind.eventHubs",
        "the endpoint consumer is not identityBased",
    ),
    defect(
        "further policies that are not deployed as they are given",
        HUB,
        "vendorPolicy, furtherPolicies)",
        "vendorPolicy, [{ keyName: 'readers', rights: 'ServiceConnect' }])",
        "the policy readers has the rights ServiceConnect",
    ),
    defect(
        "device login switched off",
        HUB,
        "disableDeviceSAS: false",
        "disableDeviceSAS: true",
        "disableDeviceSAS is true, expected false",
    ),
    defect(
        "authorization rule",
        EVENTS,
        "resource diagnostics ",
        "resource keys 'Microsoft.EventHub/namespaces/authorizationRules@2024-01-01' = {\n  parent: namespace\n  name: 'listen'\n}\n\nresource diagnostics ",
        "an authorization rule has keys",
    ),
    defect(
        "role nobody needs",
        "infra/modules/roles.json",
        "4ea46cd5-c1b2-4a8e-910b-273211f9ce47",
        "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
        "is not in the list of roles",
    ),
    defect(
        "role on the whole resource group",
        ROLES,
        "resource twinContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n  scope: hub\n",
        "resource twinContributor 'Microsoft.Authorization/roleAssignments@2022-04-01' = {\n",
        "is given on the resource group, expected a Microsoft.Devices/IotHubs",
    ),
    defect(
        "role on the whole namespace",
        "infra/modules/app-roles.bicep",
        "  scope: events\n",
        "  scope: namespace\n",
        "is given on a Microsoft.EventHub/namespaces, expected",
    ),
    defect(
        "role for the wrong identity",
        "infra/main.bicep",
        "    principalId: identities.outputs.hubPrincipalId",
        "    principalId: identities.outputs.appPrincipalId",
        "Azure Event Hubs Data Sender is given to",
    ),
    defect(
        "role forgotten",
        "infra/modules/app-roles.bicep",
        "  roles.storageTableDataContributor\n",
        "",
        "nobody has the role Storage Table Data Contributor",
    ),
    defect("unobserved vault", VAULT, "  scope: vault\n", "", "has no diagnostic setting"),
    defect(
        "preview",
        "infra/modules/workbook.bicep",
        "workbooks@2023-06-01",
        "workbooks@2023-06-01-preview",
        "is a preview",
    ),
    defect(
        "list of callers that lets everybody in",
        APP,
        "empty(webhookAllowedIpRanges) ? 'Allow' : 'Deny'",
        "'Allow'",
        "ipSecurityRestrictionsDefaultAction is Allow, expected Deny",
    ),
    defect(
        "diagnostic category that does not exist",
        VAULT,
        "category: 'AuditEvent'",
        "category: 'AuditEvents'",
        "there is no log category AuditEvents",
    ),
    defect(
        "metric that does not exist",
        "infra/modules/metric-alerts.bicep",
        "'dailyMessageQuotaUsed'",
        "'dailyMessageQuotaUsage'",
        "there is no metric dailyMessageQuotaUsage",
    ),
    defect(
        "alert that is never looked at in time",
        "infra/modules/log-alerts.bicep",
        "windowSize: 'PT15M'",
        "windowSize: 'PT5M'",
        "a window is no shorter",
    ),
    defect(
        "rights on a hub in another resource group",
        "infra/main.bicep",
        "  scope: resourceGroup(iotHubResourceGroup)\n",
        "",
        "is not in the hub's resource group",
    ),
];

#[test]
fn insecure_settings_are_found() {
    all_are_found(&DEFECTS);
}
