//! The function app.

use super::{FALSE, TRUE, broken};
use crate::deployment::{Deployment, Item, Value};
use crate::problem::Problem;

const SITE: &str = "Microsoft.Web/sites";
const APP: &str = "infra/modules/identities.bicep:app.id";
/// Where the app is told which identity to use.
const OWN_IDENTITY: [&str; 2] = [
    "properties.keyVaultReferenceIdentity",
    "properties.functionAppConfig.deployment.storage.authentication.userAssignedIdentityResourceId",
];

/// Site configuration of other plans, for which Flex Consumption refuses the whole app.
const NOT_ON_FLEX: [&str; 6] = [
    "alwaysOn",
    "ftpsState",
    "functionAppScaleLimit",
    "linuxFxVersion",
    "minimumElasticInstanceCount",
    "preWarmedInstanceCount",
];
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
        ("kind", Value::text("functionapp,linux")),
        ("properties.httpsOnly", TRUE),
        // The Things Stack calls from the internet.
        ("properties.publicNetworkAccess", Value::text("Enabled")),
        ("properties.functionAppConfig.deployment.storage.type", Value::text("blobContainer")),
        ("properties.functionAppConfig.scaleAndConcurrency.instanceMemoryMB", Value::Number(512)),
        ("properties.siteConfig.minTlsVersion", Value::text("1.2")),
        ("properties.siteConfig.scmMinTlsVersion", Value::text("1.2")),
        ("properties.siteConfig.http20Enabled", TRUE),
        ("properties.siteConfig.remoteDebuggingEnabled", FALSE),
        ("identity.type", Value::text("UserAssigned")),
        ("properties.functionAppConfig.deployment.storage.authentication.type", Value::text("UserAssignedIdentity")),
    ];
    let mut problems = broken(deployment, SITE, &rules);
    problems.extend(deployment.of_kind(SITE).flat_map(other_plans));
    problems.extend(plan(deployment));
    problems.extend(deployment.of_kind(SITE).flat_map(|site| identity(site, deployment)));
    problems.extend(settings(deployment));
    problems.extend(deployment.of_kind(SITE).flat_map(|site| callers(site, deployment)));
    problems
}

fn other_plans(site: &Item) -> Vec<Problem> {
    let present = |name: &&str| *site.get(&format!("properties.siteConfig.{name}")) != Value::Null;
    let refused = |name: &str| site.problem(&format!("Flex Consumption refuses properties.siteConfig.{name}"));
    NOT_ON_FLEX.into_iter().filter(present).map(refused).collect()
}

fn plan(deployment: &Deployment) -> Vec<Problem> {
    let rules = [
        ("kind", Value::text("functionapp")),
        ("sku.name", Value::text("FC1")),
        ("sku.tier", Value::text("FlexConsumption")),
        ("properties.reserved", TRUE),
    ];
    broken(deployment, "Microsoft.Web/serverfarms", &rules)
}

/// The app is itself, and nobody else by password.
fn identity(site: &Item, deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(OWN_IDENTITY.into_iter().filter_map(|path| site.expect(path, &Value::Unknown(APP.to_owned()))));
    let identities = site.get("identity.userAssignedIdentities").properties();
    if identities.len() != 1 || identities[0].0 != format!("‹{APP}›") {
        problems.push(site.problem("identity.userAssignedIdentities is not the app's identity alone"));
    }
    if !site.get("properties.serverFarmId").is_unknown() {
        problems.push(site.problem("properties.serverFarmId is not the plan"));
    }
    problems.extend(["ftp", "scm"].into_iter().filter_map(|way| {
        let policies = deployment.of_kind("Microsoft.Web/sites/basicPublishingCredentialsPolicies");
        let mut off = policies.filter(|item| *item.get("properties.allow") == FALSE && item.name == way);
        let found = off.any(|item| item.parent.as_ref().is_some_and(|(_, parent)| *parent == site.name));
        (!found).then(|| site.problem(&format!("basic authentication of {way} is not switched off")))
    }));
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

/// With a list of addresses, nobody else may call.
fn callers(site: &Item, deployment: &Deployment) -> Vec<Problem> {
    let limited = deployment.title.contains("webhookAllowedIpRanges");
    let others = Value::text(if limited { "Deny" } else { "Allow" });
    let mut problems: Vec<_> =
        site.expect("properties.siteConfig.ipSecurityRestrictionsDefaultAction", &others).into_iter().collect();
    let rules = site.get("properties.siteConfig.ipSecurityRestrictions").items();
    if limited != (rules.len() == 1) {
        problems.push(site.problem(&format!("has {} rules about addresses", rules.len())));
    }
    for rule in rules {
        let unset = ["name", "priority"].into_iter().filter(|name| *rule.get(name) == Value::Null);
        problems.extend(unset.map(|name| site.problem(&format!("a rule about addresses has no {name}"))));
        let (action, address) = (rule.get("action").to_string(), rule.get("ipAddress").to_string());
        if action != "Allow" || address != "192.0.2.0/24" {
            problems.push(site.problem(&format!("a rule about addresses says {action} {address}")));
        }
    }
    problems
}
