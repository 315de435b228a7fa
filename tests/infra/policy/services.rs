//! Storage, Event Hubs, Key Vault and what logs go to.

use super::{FALSE, TRUE, broken};
use crate::deployment::{Deployment, Value};
use crate::problem::Problem;

pub(super) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = storage(deployment);
    problems.extend(event_hubs(deployment));
    problems.extend(key_vault(deployment));
    problems.extend(monitoring(deployment));
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
    let blobs = [("properties.deleteRetentionPolicy.enabled", TRUE)];
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
    let unset = |path: &'static str| {
        let workspaces = deployment.of_kind("Microsoft.OperationalInsights/workspaces");
        let unset = workspaces.filter(move |item| !matches!(item.get(path), Value::Number(_)));
        unset.map(move |item| item.problem(&format!("{path} is {}, expected a number", item.get(path))))
    };
    problems.extend(unset("properties.retentionInDays"));
    problems.extend(unset("properties.workspaceCapping.dailyQuotaGb"));
    problems
}

/// Types that take tags, by what stands after the provider's name.
const TAGGED: [&str; 12] = [
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
    "Microsoft.Web/sites",
];

fn untagged(deployment: &Deployment) -> Vec<Problem> {
    let untagged = |kind| deployment.of_kind(kind).filter(|item| *item.get("tags") == Value::Null);
    TAGGED.into_iter().flat_map(untagged).map(|item| item.problem("has no tags")).collect()
}
