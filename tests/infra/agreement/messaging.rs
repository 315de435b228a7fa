//! Queues, the event hub, the package's container and the webhook's address.

use super::settings::{bindings, of_app, setting};
use super::{differences, only};
use crate::deployment::{Deployment, Item, Value};
use crate::problem::{At, Problem};
use crate::sources::Sources;

const QUEUE: &str = "Microsoft.Storage/storageAccounts/queueServices/queues";
const CONSUMER_GROUP: &str = "Microsoft.EventHub/namespaces/eventhubs/consumergroups";

pub(super) fn problems(sources: &Sources, deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some(app) = of_app(deployment) else { return problems };
    problems.extend(queues(sources, deployment, app));
    problems.extend(event_hub(deployment, app));
    problems.extend(package(deployment));
    problems.extend(webhook(sources, deployment));
    problems.extend(asked_about(sources, deployment));
    problems
}

/// Functions that alerts and workbook ask about, `Name == "uplink"`, are there.
fn asked_about(sources: &Sources, deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    for item in &deployment.items {
        item.body.leaves("", &mut |_, value| {
            let text = value.to_string().replace('\\', "");
            let names = text.split(" Name == \"").skip(1).filter_map(|rest| rest.split('"').next().map(str::to_owned));
            let unknown =
                names.filter(|name| !sources.paths().any(|path| path == format!("functions/{name}/function.json")));
            problems
                .extend(unknown.map(|name| item.problem(&format!("asks about a function {name}, which is not there"))));
        });
    }
    problems
}

/// Every queue a binding names is made, and for each trigger the one that the host moves hopeless items to.
fn queues(sources: &Sources, deployment: &Deployment, app: &Item) -> Vec<Problem> {
    let mut expected = Vec::new();
    for (_, binding) in bindings(sources) {
        let Some(name) = binding["queueName"].as_str() else { continue };
        let queue = setting(app, name.trim_matches('%')).to_string();
        expected.extend((binding["type"] == "queueTrigger").then(|| format!("{queue}-poison")));
        expected.push(queue);
    }
    let found: Vec<_> = deployment.of_kind(QUEUE).map(|item| item.name.clone()).collect();
    deployment.of_kind(QUEUE).take(1).flat_map(|item| differences(item, "queue", &found, &expected)).collect()
}

fn event_hub(deployment: &Deployment, app: &Item) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some(hub) = only(deployment, "Microsoft.EventHub/namespaces/eventhubs", &mut problems) else { return problems };
    let Some(namespace) = only(deployment, "Microsoft.EventHub/namespaces", &mut problems) else { return problems };
    if setting(app, "EVENT_HUB_NAME").to_string() != hub.name {
        let found = setting(app, "EVENT_HUB_NAME");
        problems.push(app.problem(&format!("the setting EVENT_HUB_NAME is {found}, the event hub is {}", hub.name)));
    }
    let basic = namespace.get("sku.name").as_text() == Some("Basic");
    let group = setting(app, "EVENT_HUB_CONSUMER_GROUP").to_string();
    let groups: Vec<_> = deployment.of_kind(CONSUMER_GROUP).collect();
    if basic {
        problems.extend(groups.iter().map(|item| item.problem("the tier Basic has $Default alone")));
        problems.extend(hub.expect("properties.messageRetentionInDays", &Value::Number(1)));
    }
    let there = if basic { group == "$Default" } else { groups.iter().any(|item| item.name == group) };
    if !there {
        problems.push(app.problem(&format!("the setting EVENT_HUB_CONSUMER_GROUP is {group}, which is not there")));
    }
    problems
}

fn package(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some(site) = only(deployment, "Microsoft.Web/sites", &mut problems) else { return problems };
    let address = site.get("properties.functionAppConfig.deployment.storage.value").to_string();
    let mut containers = deployment.of_kind("Microsoft.Storage/storageAccounts/blobServices/containers");
    if !containers.any(|item| address.ends_with(&item.name)) {
        problems.push(site.problem(&format!("the package goes to {address}, which is not a container of ours")));
    }
    problems.extend(site.expect("properties.functionAppConfig.runtime.name", &Value::text("custom")));
    problems.extend(site.expect("properties.functionAppConfig.runtime.version", &Value::text("1.0")));
    for ready in site.get("properties.functionAppConfig.scaleAndConcurrency.alwaysReady").items() {
        let (name, count) = (ready.get("name"), ready.get("instanceCount"));
        if name.as_text() != Some("http") || *count == Value::Number(0) {
            problems
                .push(site.problem(&format!("{count} instances are always ready for {name}, expected some for http")));
        }
    }
    problems
}

/// The address that is pasted into The Things Stack is where the host listens.
fn webhook(sources: &Sources, deployment: &Deployment) -> Vec<Problem> {
    let prefix = sources.json("host.json")["extensions"]["http"]["routePrefix"].as_str().unwrap_or("api").to_owned();
    let uplink = sources.json("functions/uplink/function.json");
    let route = uplink["bindings"][0]["route"].as_str().unwrap_or_default();
    let expected = format!("/{prefix}/{}", route.trim_end_matches("/{*rest}"));
    let found = deployment.outputs.get("webhookBaseUrl").cloned().unwrap_or(Value::Null).to_string();
    let fits = found.starts_with("https://") && found.ends_with(&expected);
    let message = format!("the output webhookBaseUrl is {found}, but the function listens on {expected}");
    (!fits).then(|| Problem::new("infra/main.bicep", At { line: 1, column: 1 }, message)).into_iter().collect()
}
