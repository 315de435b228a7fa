//! Who may do what.

use crate::deployment::{Deployment, Item, Value};
use crate::problem::Problem;

const HUB: &str = "infra/modules/identities.bicep:hub";
const APP: &str = "infra/modules/identities.bicep:app";
const ACCOUNT: &str = "Microsoft.Storage/storageAccounts";
const CONTAINER: &str = "Microsoft.Storage/storageAccounts/blobServices/containers";
const EVENT_HUB: &str = "Microsoft.EventHub/namespaces/eventhubs";
const IOT_HUB: &str = "Microsoft.Devices/IotHubs";

/// A role: its name and id, whose it may be, and on what.
type Role = (&'static str, &'static str, &'static str, &'static str);

/// All roles there may be. Only the archivist's depends on a parameter.
const ROLES: [Role; 10] = [
    ("Azure Event Hubs Data Sender", "2b629674-e913-4c01-ae53-ef4638d8f975", HUB, EVENT_HUB),
    ("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", HUB, CONTAINER),
    ("Azure Event Hubs Data Receiver", "a638d3c7-ab3a-418d-83e6-5f17a39d4fde", APP, EVENT_HUB),
    ("IoT Hub Registry Contributor", "4ea46cd5-c1b2-4a8e-910b-273211f9ce47", APP, IOT_HUB),
    ("IoT Hub Twin Contributor", "494bdba2-168f-4f31-a0a1-191d2f7c028c", APP, IOT_HUB),
    ("Key Vault Secrets User", "4633458b-17de-408a-b874-0445c86b69e6", APP, "Microsoft.KeyVault/vaults/secrets"),
    ("Monitoring Metrics Publisher", "3913510d-42f4-4e42-8a64-420c390055eb", APP, "Microsoft.Insights/components"),
    ("Storage Blob Data Owner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", APP, ACCOUNT),
    ("Storage Queue Data Contributor", "974c5e8b-45b9-4653-ba55-5f855dd0fb88", APP, ACCOUNT),
    ("Storage Table Data Contributor", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", APP, ACCOUNT),
];

pub(super) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let assignments: Vec<_> = deployment.of_kind("Microsoft.Authorization/roleAssignments").collect();
    let mut problems: Vec<_> = assignments.iter().flat_map(|item| of_assignment(item)).collect();
    // Rights on a hub that is there already are given in its group.
    let theirs = if deployment.title.contains("existingIotHubName") { "theirs" } else { "resourceGroup().name" };
    let theirs = Value::Unknown(format!("resourceGroup({theirs})"));
    for item in assignments.iter().filter(|item| item.scope.as_ref().is_some_and(|(on, _)| on == IOT_HUB)) {
        if item.group.as_ref() != Some(&theirs) {
            problems.push(item.problem(&format!("is not in the hub's resource group, {theirs}")));
        }
    }
    let cold_path = deployment.of_kind(CONTAINER).any(|item| item.name == "cold-path");
    for (name, id, _, scope) in ROLES.iter().filter(|(.., scope)| *scope != CONTAINER || cold_path) {
        if !assignments.iter().any(|item| role_of(item).ends_with(id)) {
            let anywhere = deployment.items.first();
            problems.extend(
                anywhere
                    .map(|item| Problem::new(&item.file, item.at, format!("nobody has the role {name} on a {scope}"))),
            );
        }
    }
    problems
}

fn role_of(item: &Item) -> String {
    item.get("properties.roleDefinitionId").to_string()
}

fn of_assignment(item: &Item) -> Vec<Problem> {
    let id = role_of(item);
    let Some((name, _, owner, on)) = ROLES.iter().find(|(_, role, ..)| id.ends_with(role)) else {
        return vec![item.problem(&format!("the role {id} is not in the list of roles anybody needs"))];
    };
    let mut problems = Vec::new();
    let principal = item.get("properties.principalId").to_string();
    if principal != format!("‹{owner}.properties.principalId›") {
        problems.push(item.problem(&format!("{name} is given to {principal}, expected {owner}")));
    }
    if item.get("properties.principalType").as_text() != Some("ServicePrincipal") {
        problems.push(
            item.problem("properties.principalType is not ServicePrincipal: new identities are not found without it"),
        );
    }
    match &item.scope {
        Some((scope, _)) if scope == on => {}
        Some((scope, _)) => problems.push(item.problem(&format!("{name} is given on a {scope}, expected a {on}"))),
        None => problems.push(item.problem(&format!("{name} is given on the resource group, expected a {on}"))),
    }
    problems
}
