//! The function app.

use super::{FALSE, TRUE, broken};
use crate::deployment::{Deployment, Value};
use crate::problem::Problem;

const SITE: &str = "Microsoft.Web/sites";

/// Settings that Flex Consumption refuses, or that hold keys.
const FORBIDDEN: [&str; 9] = [
    "AzureWebJobsStorage",
    "EVENT_HUB",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_RUNTIME",
    "IOT_HUB_CONNECTION_STRING",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_RUN_FROM_PACKAGE",
    "APPINSIGHTS_INSTRUMENTATIONKEY",
];
/// Secrets of the handler: references to the vault, or empty.
const REFERENCES: [&str; 3] = ["TTS_API_KEY", "WEBHOOK_SECRETS", "IOT_HUB_DEVICE_POLICY_KEY"];

pub(super) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let rules = [
        ("properties.httpsOnly", TRUE),
        ("properties.siteConfig.minTlsVersion", Value::text("1.2")),
        ("properties.siteConfig.scmMinTlsVersion", Value::text("1.2")),
        ("properties.siteConfig.ftpsState", Value::text("Disabled")),
        ("properties.siteConfig.http20Enabled", TRUE),
        ("properties.siteConfig.remoteDebuggingEnabled", FALSE),
        ("identity.type", Value::text("UserAssigned")),
        ("properties.functionAppConfig.deployment.storage.authentication.type", Value::text("UserAssignedIdentity")),
    ];
    let mut problems = broken(deployment, SITE, &rules);
    for site in deployment.of_kind(SITE) {
        if !site.get("properties.keyVaultReferenceIdentity").is_unknown() {
            problems.push(site.problem("properties.keyVaultReferenceIdentity is not the app's identity"));
        }
        problems.extend(["ftp", "scm"].into_iter().filter_map(|way| {
            let policies = deployment.of_kind("Microsoft.Web/sites/basicPublishingCredentialsPolicies");
            let mut off = policies.filter(|item| *item.get("properties.allow") == FALSE && item.name == way);
            let found = off.any(|item| item.parent.as_deref() == Some(&site.name));
            (!found).then(|| site.problem(&format!("basic authentication of {way} is not switched off")))
        }));
    }
    problems.extend(settings(deployment));
    problems
}

fn settings(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let of_app = deployment.of_kind("Microsoft.Web/sites/config").filter(|item| item.name == "appsettings");
    for item in of_app {
        for (name, value) in item.get("properties").properties() {
            if FORBIDDEN.contains(&name.as_str()) {
                problems.push(item.problem(&format!("the setting {name} has no place in Azure")));
            }
            let text = value.to_string();
            let referred = text.is_empty() || text.starts_with("@Microsoft.KeyVault(SecretUri=");
            if REFERENCES.contains(&name.as_str()) && !referred {
                problems.push(item.problem(&format!("the setting {name} is {text}, expected a Key Vault reference")));
            }
        }
    }
    problems
}
