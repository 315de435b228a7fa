//! The hub: few rights, and endpoints without keys.

use super::{FALSE, broken};
use crate::deployment::{Deployment, Item, Value};
use crate::problem::Problem;

const HUB: &str = "Microsoft.Devices/IotHubs";
const IDENTITY: &str = "infra/modules/identities.bicep:hub.id";
/// The name that the vendor's own integration signs with.
const VENDOR_POLICY: &str = "iothubowner";

pub(super) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let rules = [
        ("properties.minTlsVersion", Value::text("1.2")),
        ("identity.type", Value::text("UserAssigned")),
        // Entra ID has no tokens for devices: the handler signs with the device policy's key.
        ("properties.disableLocalAuth", FALSE),
        ("properties.disableDeviceSAS", FALSE),
        // The handler has no fixed address.
        ("properties.publicNetworkAccess", Value::text("Enabled")),
    ];
    let mut problems = broken(deployment, HUB, &rules);
    for hub in deployment.of_kind(HUB) {
        problems.extend(policies(hub, deployment));
        problems.extend(endpoints(hub));
        let identities = hub.get("identity.userAssignedIdentities").properties();
        if identities.len() != 1 || identities[0].0 != format!("‹{IDENTITY}›") {
            problems.push(hub.problem("identity.userAssignedIdentities is not the hub's identity alone"));
        }
    }
    problems
}

/// Without a list of policies the service makes five, one of them with all rights.
fn policies(hub: &Item, deployment: &Deployment) -> Vec<Problem> {
    let policies = hub.get("properties.authorizationPolicies").items();
    let mut problems = Vec::new();
    if policies.is_empty() {
        problems
            .push(hub.problem("has no list of authorizationPolicies, so the service makes its own, with all rights"));
    }
    for policy in policies {
        let (name, rights) = (policy.get("keyName"), policy.get("rights"));
        let wanted_for_vendor = deployment.title.contains("vendorPolicyRights");
        let allowed = match name.as_text() {
            Some(VENDOR_POLICY) => wanted_for_vendor,
            _ if deployment.is_further(name) => true,
            _ => rights.as_text() == Some("DeviceConnect"),
        };
        if !allowed {
            problems
                .push(hub.problem(&format!("the policy {name} has the rights {rights}, expected DeviceConnect alone")));
        }
        if *policy.get("primaryKey") != Value::Null || *policy.get("secondaryKey") != Value::Null {
            problems
                .push(hub.problem(&format!("the policy {name} has a key from the template; the service makes them")));
        }
    }
    problems
}

fn endpoints(hub: &Item) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (kind, endpoints) in hub.get("properties.routing.endpoints").properties() {
        for endpoint in endpoints.items() {
            let name = endpoint.get("name");
            let mut complain = |message: &str| problems.push(hub.problem(&format!("the endpoint {name} {message}")));
            if endpoint.get("authenticationType").as_text() != Some("identityBased") {
                complain("is not identityBased");
            }
            if *endpoint.get("connectionString") != Value::Null {
                complain("has a connection string");
            }
            if *endpoint.get("identity").get("userAssignedIdentity") != Value::Unknown(IDENTITY.to_owned()) {
                complain("does not name the hub's identity");
            }
            let scheme = if kind == "storageContainers" { "https://" } else { "sb://" };
            let address = endpoint.get("endpointUri").to_string();
            if !address.starts_with(scheme) && !address.starts_with('‹') {
                complain(&format!("has the address {address}, expected {scheme}…"));
            }
        }
    }
    problems
}
