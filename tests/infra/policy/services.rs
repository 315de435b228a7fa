//! Storage, Event Hubs, Key Vault and what logs go to.

use super::{FALSE, TRUE, broken};
use crate::deployment::{Deployment, Value};
use crate::problem::Problem;

pub(super) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = storage(deployment);
    problems.extend(event_hubs(deployment));
    problems.extend(key_vault(deployment));
    problems.extend(monitoring(deployment));
    problems.extend(workbook(deployment));
    problems.extend(untagged(deployment));
    problems
}

fn storage(deployment: &Deployment) -> Vec<Problem> {
    let account = [
        ("properties.minimumTlsVersion", Value::text("TLS1_2")),
        ("properties.supportsHttpsTrafficOnly", TRUE),
        ("properties.allowBlobPublicAccess", FALSE),
        ("properties.allowSharedKeyAccess", FALSE),
        ("properties.allowCrossTenantReplication", FALSE),
        ("properties.defaultToOAuthAuthentication", TRUE),
    ];
    let mut problems = broken(deployment, "Microsoft.Storage/storageAccounts", &account);
    let blobs = [
        ("properties.deleteRetentionPolicy.enabled", TRUE),
        ("properties.containerDeleteRetentionPolicy.enabled", TRUE),
    ];
    problems.extend(broken(deployment, "Microsoft.Storage/storageAccounts/blobServices", &blobs));
    let containers = [("properties.publicAccess", Value::text("None"))];
    problems.extend(broken(deployment, "Microsoft.Storage/storageAccounts/blobServices/containers", &containers));
    problems
}

fn event_hubs(deployment: &Deployment) -> Vec<Problem> {
    let namespace = [("properties.minimumTlsVersion", Value::text("1.2")), ("properties.disableLocalAuth", TRUE)];
    let mut problems = broken(deployment, "Microsoft.EventHub/namespaces", &namespace);
    let rules = deployment.items.iter().filter(|item| item.kind.to_lowercase().ends_with("/authorizationrules"));
    problems.extend(rules.map(|item| item.problem("an authorization rule has keys; give an identity a role")));
    problems
}

fn key_vault(deployment: &Deployment) -> Vec<Problem> {
    let vault = [
        ("properties.enableRbacAuthorization", TRUE),
        ("properties.enableSoftDelete", TRUE),
        ("properties.enablePurgeProtection", TRUE),
        ("properties.accessPolicies", Value::Null),
    ];
    broken(deployment, "Microsoft.KeyVault/vaults", &vault)
}

fn monitoring(deployment: &Deployment) -> Vec<Problem> {
    let local_auth = [("properties.DisableLocalAuth", TRUE)];
    let mut problems = broken(deployment, "Microsoft.Insights/components", &local_auth);
    let classic = deployment.of_kind("Microsoft.Insights/components");
    let classic = classic.filter(|item| !item.get("properties.WorkspaceResourceId").is_unknown());
    problems
        .extend(classic.map(|item| item.problem("properties.WorkspaceResourceId is not set: classic mode is retired")));
    let workspace = [("properties.features.disableLocalAuth", TRUE)];
    problems.extend(broken(deployment, "Microsoft.OperationalInsights/workspaces", &workspace));
    let unset = |path: &'static str| {
        let workspaces = deployment.of_kind("Microsoft.OperationalInsights/workspaces");
        let unset = workspaces.filter(move |item| !matches!(item.get(path), Value::Number(_)));
        unset.map(move |item| item.problem(&format!("{path} is {}, expected a number", item.get(path))))
    };
    problems.extend(unset("properties.retentionInDays"));
    problems.extend(unset("properties.workspaceCapping.dailyQuotaGb"));
    problems
}

fn workbook(deployment: &Deployment) -> Vec<Problem> {
    let rules = [
        ("kind", Value::text("shared")),
        ("properties.category", Value::text("workbook")),
        ("properties.version", Value::text("Notebook/1.0")),
    ];
    let mut problems = broken(deployment, "Microsoft.Insights/workbooks", &rules);
    for item in deployment.of_kind("Microsoft.Insights/workbooks") {
        if !item.get("properties.sourceId").is_unknown() {
            problems.push(item.problem("properties.sourceId is not the workspace"));
        }
        let content = item.get("properties.serializedData").to_string();
        if !content.contains("Notebook/1.0") {
            problems.push(item.problem("properties.serializedData is not a workbook"));
        }
    }
    problems
}

/// Types that take tags.
const TAGGED: [&str; 13] = [
    "Microsoft.Devices/IotHubs",
    "Microsoft.EventHub/namespaces",
    "Microsoft.Insights/actionGroups",
    "Microsoft.Insights/components",
    "Microsoft.Insights/metricAlerts",
    "Microsoft.Insights/scheduledQueryRules",
    "Microsoft.Insights/workbooks",
    "Microsoft.KeyVault/vaults",
    "Microsoft.ManagedIdentity/userAssignedIdentities",
    "Microsoft.OperationalInsights/workspaces",
    "Microsoft.Storage/storageAccounts",
    "Microsoft.Web/serverfarms",
    "Microsoft.Web/sites",
];

fn untagged(deployment: &Deployment) -> Vec<Problem> {
    let untagged = |kind| deployment.of_kind(kind).filter(|item| *item.get("tags") == Value::Null);
    TAGGED.into_iter().flat_map(untagged).map(|item| item.problem("has no tags")).collect()
}
