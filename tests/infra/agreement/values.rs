//! Values of app settings that have to be the same as something deployed beside them.

use super::settings::{of_app, setting};
use crate::deployment::{Deployment, Item, Value};
use crate::problem::Problem;

const CLIENT: &str = "‹infra/modules/identities.bicep:app.properties.clientId›";

/// Settings with one right value.
const FIXED: [(&str, &str); 6] = [
    ("AZURE_CLIENT_ID", CLIENT),
    ("AzureWebJobsStorage__clientId", CLIENT),
    ("AzureWebJobsStorage__credential", "managedidentity"),
    ("EVENT_HUB__clientId", CLIENT),
    ("EVENT_HUB__credential", "managedidentity"),
    // Below this size glibc keeps what was freed, and resident memory stays high.
    ("MALLOC_MMAP_THRESHOLD_", "65536"),
];

/// Settings that refer to a secret, and what that secret is made of.
const SECRETS: [(&str, &str); 3] =
    [("TTS_API_KEY", "stackAPIKey"), ("WEBHOOK_SECRETS", "webhookSecret"), ("IOT_HUB_DEVICE_POLICY_KEY", "listKeys")];

pub(super) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let Some(app) = of_app(deployment) else { return Vec::new() };
    let mut problems = Vec::new();
    let mut same = |name: &str, expected: &str| {
        let found = setting(app, name).to_string();
        if found != expected {
            problems.push(app.problem(&format!("the setting {name} is {found}, expected {expected}")));
        }
    };
    FIXED.iter().for_each(|(name, expected)| same(name, expected));
    same("APPLICATIONINSIGHTS_AUTHENTICATION_STRING", &format!("ClientId={CLIENT};Authorization=AAD"));
    problems.extend(SECRETS.iter().filter_map(|(name, source)| secret(deployment, app, name, source)));
    for hub in deployment.of_kind("Microsoft.Devices/IotHubs") {
        problems.extend(addresses(deployment, hub, app));
        problems.extend(device_policy(hub, app));
    }
    problems
}

/// A reference leads to a secret of ours, and to the right one.
fn secret(deployment: &Deployment, app: &Item, name: &str, source: &str) -> Option<Problem> {
    let reference = setting(app, name).to_string();
    if reference.is_empty() && name == "WEBHOOK_SECRETS" && !deployment.title.contains("webhookSecret") {
        return None;
    }
    let mut secrets = deployment.of_kind("Microsoft.KeyVault/vaults/secrets");
    let leads = |item: &Item| reference.contains(&format!("‹{}:{}.properties.secretUri", item.file, item.symbol));
    let found = secrets.find(|item| leads(item)).map(|item| item.get("properties.value").to_string());
    match found {
        Some(value) if value.contains(source) => None,
        Some(value) => Some(app.problem(&format!("the setting {name} leads to {value}, expected {source}"))),
        None => Some(app.problem(&format!("the setting {name} is {reference}, which leads to no secret of ours"))),
    }
}

/// Hub and host reach the same event hub and the same account.
fn addresses(deployment: &Deployment, hub: &Item, app: &Item) -> Vec<Problem> {
    let event_hubs = format!("sb://{}", setting(app, "EVENT_HUB__fullyQualifiedNamespace"));
    let blobs = setting(app, "AzureWebJobsStorage__blobServiceUri").to_string();
    let mut problems = Vec::new();
    for (kind, expected) in [("eventHubs", event_hubs), ("storageContainers", blobs)] {
        let endpoints = hub.get("properties.routing.endpoints").get(kind).items();
        for endpoint in endpoints.iter().filter(|endpoint| !deployment.is_further(endpoint.get("name"))) {
            let found = endpoint.get("endpointUri").to_string();
            if found != expected {
                problems.push(hub.problem(&format!("endpointUri is {found}, the app has {expected}")));
            }
        }
    }
    problems
}

/// The policy whose key the handler has is one of the hub's.
fn device_policy(hub: &Item, app: &Item) -> Option<Problem> {
    let name = setting(app, "IOT_HUB_DEVICE_POLICY_NAME");
    let policies = hub.get("properties.authorizationPolicies").items();
    let there = policies.iter().any(|policy| policy.get("keyName") == name);
    (!there && *name != Value::Null)
        .then(|| hub.problem(&format!("has no policy {name}, which the handler signs with")))
}
