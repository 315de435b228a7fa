//! App settings: those of the handler and of the host, and every one a binding refers to.

use serde_json::Value as Json;

use super::{differences, only};
use crate::deployment::{Deployment, Item, Value};
use crate::problem::Problem;
use crate::sources::Sources;

/// Of the host on one's own machine; SETTINGS.md and sample list them beside the handler's.
const OF_THE_LOCAL_HOST: [&str; 8] = [
    "AzureWebJobs.hub_events.Disabled",
    "AzureWebJobsStorage",
    "DEAD_LETTER_QUEUE_NAME",
    "EVENT_HUB",
    "EVENT_HUB_CONSUMER_GROUP",
    "EVENT_HUB_NAME",
    "FUNCTIONS_WORKER_RUNTIME",
    "PARKED_QUEUE_NAME",
];
/// Of the host and the platform in Azure.
const OF_THE_HOST_IN_AZURE: [&str; 15] = [
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__clientId",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__tableServiceUri",
    "DEAD_LETTER_QUEUE_NAME",
    "EVENT_HUB_CONSUMER_GROUP",
    "EVENT_HUB_NAME",
    "EVENT_HUB__clientId",
    "EVENT_HUB__credential",
    "EVENT_HUB__fullyQualifiedNamespace",
    "MALLOC_MMAP_THRESHOLD_",
    "PARKED_QUEUE_NAME",
];
/// Of the handler, for machines that have no managed identity.
const NOT_IN_AZURE: [&str; 1] = ["IOT_HUB_CONNECTION_STRING"];
/// The settings of the function app.
pub(super) fn of_app(deployment: &Deployment) -> Option<&Item> {
    deployment.of_kind("Microsoft.Web/sites/config").find(|item| item.name == "appsettings")
}

pub(super) fn problems(sources: &Sources, deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let Some(app) = of_app(deployment) else {
        only(deployment, "Microsoft.Web/sites/config", &mut problems);
        return problems;
    };
    let found: Vec<String> = app.get("properties").properties().iter().map(|(name, _)| name.clone()).collect();
    problems.extend(differences(app, "setting", &found, &expected(sources)));
    problems.extend(defaults(sources, app));
    for (_, binding) in bindings(sources) {
        problems.extend(unresolved(&binding, &found).into_iter().map(|message| app.problem(&message)));
    }
    problems
}

fn expected(sources: &Sources) -> Vec<String> {
    let rows = sources.text("handler/SETTINGS.md").lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let names = rows.map(|(name, _)| name).filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    let elsewhere = |name: &&str| OF_THE_LOCAL_HOST.contains(name) || NOT_IN_AZURE.contains(name);
    let mut expected: Vec<_> = names.filter(|name| !elsewhere(name)).map(str::to_owned).collect();
    expected.extend(OF_THE_HOST_IN_AZURE.into_iter().map(str::to_owned));
    expected.sort();
    expected.dedup();
    expected
}

/// What the template sets without need is what the sample has, which the handler's own tests read.
fn defaults(sources: &Sources, app: &Item) -> Vec<Problem> {
    let sample = sources.json("local.settings.sample.json");
    let decided_by_deployment = |name: &str| {
        let follows = ["IOT_HUB_DEVICE_POLICY_NAME", "TTS_APPLICATION_ID", "TTS_BASE_URL"];
        OF_THE_HOST_IN_AZURE.contains(&name) || follows.contains(&name)
    };
    let mut problems = Vec::new();
    for (name, value) in app.get("properties").properties() {
        let Some(expected) = sample["Values"][name].as_str() else { continue };
        let computed = name.ends_with("_PER_MINUTE") || name.ends_with("_PER_SECOND") || value.is_unknown();
        if !computed && !decided_by_deployment(name) && value.to_string() != expected {
            problems.push(app.problem(&format!("the setting {name} is {value}, the sample has {expected}")));
        }
    }
    problems
}

/// All bindings, with the function they are of.
pub(super) fn bindings(sources: &Sources) -> Vec<(String, Json)> {
    let files = sources.paths().filter(|path| path.ends_with("/function.json"));
    let of_function = |path: &str| {
        let bindings = sources.json(path)["bindings"].as_array().cloned().unwrap_or_default();
        bindings.into_iter().map(|binding| (path.to_owned(), binding)).collect::<Vec<_>>()
    };
    files.flat_map(of_function).collect()
}

fn unresolved(binding: &Json, settings: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for (key, value) in binding.as_object().into_iter().flatten() {
        let Some(value) = value.as_str() else { continue };
        let names = value.split('%').skip(1).step_by(2).map(str::to_owned);
        let of_connection = |part: &str| format!("{value}__{part}");
        let mut needed: Vec<_> = names.collect();
        if key == "connection" {
            let address = if value == "AzureWebJobsStorage" { "queueServiceUri" } else { "fullyQualifiedNamespace" };
            needed.extend([address, "credential", "clientId"].map(of_connection));
        }
        let missing = needed.into_iter().filter(|name| !settings.contains(name));
        problems.extend(missing.map(|name| format!("a binding needs the setting {name}")));
    }
    problems
}

/// A setting's value; null if it is not there.
pub(super) fn setting<'a>(app: &'a Item, name: &str) -> &'a Value {
    app.get("properties").get(name)
}
