//! Routes: those of the IoT Hub stand-in, to endpoints that are there, within the tier's limits.

use local::iot_hub::Route;
use local::iot_hub::query::Condition;

use crate::deployment::{Deployment, Item, Value};
use crate::problem::Problem;

/// The endpoint that every hub has.
const BUILT_IN: &str = "events";
/// Where a route may begin, by what the service knows.
const SOURCES: [&str; 5] = [
    "DeviceConnectionStateEvents",
    "DeviceJobLifecycleEvents",
    "DeviceLifecycleEvents",
    "DeviceMessages",
    "TwinChangeEvents",
];

pub(super) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    for hub in deployment.of_kind("Microsoft.Devices/IotHubs") {
        problems.extend(limits(hub));
        problems.extend(of_hub(hub));
        problems.extend(to_event_hub(hub, deployment));
        problems.extend(to_archive(hub, deployment));
    }
    problems
}

fn routes(hub: &Item) -> &[Value] {
    hub.get("properties.routing.routes").items()
}

/// Kind and endpoint.
fn endpoints(hub: &Item) -> Vec<(&str, &Value)> {
    let kinds = hub.get("properties.routing.endpoints").properties().iter();
    kinds.flat_map(|(kind, endpoints)| endpoints.items().iter().map(move |one| (kind.as_str(), one))).collect()
}

/// The free tier has one endpoint and five routes, the others ten and a hundred.
fn limits(hub: &Item) -> Vec<Problem> {
    let free = hub.get("sku.name").as_text() == Some("F1");
    let (most_endpoints, most_routes) = if free { (1, 5) } else { (10, 100) };
    let mut problems = Vec::new();
    let (endpoints, routes) = (endpoints(hub).len(), routes(hub).len());
    if endpoints > most_endpoints {
        problems.push(hub.problem(&format!("has {endpoints} endpoints, the tier takes {most_endpoints}")));
    }
    if routes > most_routes {
        problems.push(hub.problem(&format!("has {routes} routes, the tier takes {most_routes}")));
    }
    if free {
        problems.extend(hub.expect("sku.capacity", &Value::Number(1)));
    }
    problems
}

fn of_hub(hub: &Item) -> Vec<Problem> {
    let names: Vec<_> = endpoints(hub).into_iter().map(|(_, endpoint)| endpoint.get("name")).collect();
    let mut problems = Vec::new();
    let fallback = hub.get("properties.routing.fallbackRoute");
    if *fallback == Value::Null {
        problems.push(hub.problem("properties.routing.fallbackRoute is not set; set its isEnabled"));
    }
    for route in routes(hub).iter().chain([fallback]) {
        let name = route.get("name");
        let mut complain = |message: String| problems.push(hub.problem(&format!("the route {name} {message}")));
        let source = route.get("source").to_string();
        if !SOURCES.contains(&source.as_str()) {
            complain(format!("has the source {source}, which the service does not know"));
        }
        if let Err(error) = Condition::parse(&route.get("condition").to_string()) {
            complain(format!("has a condition that cannot be read: {error}"));
        }
        if source == "DeviceMessages" && route.get("condition").as_text() != Some("true") {
            complain("takes some messages only; archive and fallback take all".to_owned());
        }
        for endpoint in route.get("endpointNames").items() {
            if !names.contains(&endpoint) && endpoint.as_text() != Some(BUILT_IN) {
                complain(format!("leads to {endpoint}, which is no endpoint"));
            }
        }
    }
    problems
}

/// What reaches the functions is what the scenarios are tested with.
fn to_event_hub(hub: &Item, deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let is_ours =
        |(kind, endpoint): &(&str, &Value)| *kind == "eventHubs" && !deployment.is_further(endpoint.get("name"));
    let of_event_hubs: Vec<_> = endpoints(hub).into_iter().filter(is_ours).collect();
    let [(_, endpoint)] = of_event_hubs.as_slice() else {
        problems.push(hub.problem(&format!("has {} Event Hubs endpoints, expected one", of_event_hubs.len())));
        return problems;
    };
    let path = endpoint.get("entityPath").to_string();
    if !deployment.of_kind("Microsoft.EventHub/namespaces/eventhubs").any(|item| item.name == path) {
        problems.push(
            hub.problem(&format!("the endpoint {} leads to {path}, which is no event hub", endpoint.get("name"))),
        );
    }
    let described = |name: &str, source: &str, condition: &str| format!("{name}: {source} where {condition}");
    let here = routes(hub).iter().filter(|route| route.get("endpointNames").items().contains(endpoint.get("name")));
    let enabled = here.filter(|route| *route.get("isEnabled") == Value::Bool(true));
    let text = |route: &Value, name: &str| route.get(name).to_string();
    let found: Vec<_> = enabled
        .map(|route| described(&text(route, "name"), &text(route, "source"), &text(route, "condition")))
        .collect();
    let of_stand_in = [Route::lifecycle(), Route::twin_changes()];
    let expected = of_stand_in.map(|route| described(&route.name, &format!("{:?}", route.source), &route.condition));
    problems.extend(super::differences(hub, "route to the event hub", &found, &expected));
    problems
}

/// What has to be in the names of archived files, or the service refuses the endpoint.
const PARTS_OF_FILE_NAMES: [&str; 7] = ["{iothub}", "{partition}", "{YYYY}", "{MM}", "{DD}", "{HH}", "{mm}"];

/// With a cold path every message goes to a container that is there, and the built-in endpoint has its own route.
fn to_archive(hub: &Item, deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let archives: Vec<_> = endpoints(hub).into_iter().filter(|(kind, _)| *kind == "storageContainers").collect();
    let wanted = deployment.title.contains("enableColdPath true");
    if wanted != (archives.len() == 1) {
        problems.push(hub.problem(&format!("has {} storage endpoints", archives.len())));
    }
    for (_, archive) in archives {
        let container = archive.get("containerName").to_string();
        let mut containers = deployment.of_kind("Microsoft.Storage/storageAccounts/blobServices/containers");
        if !containers.any(|item| item.name == container) {
            problems.push(hub.problem(&format!("archives to {container}, which is no container")));
        }
        let names = archive.get("fileNameFormat").to_string();
        let missing: Vec<_> = PARTS_OF_FILE_NAMES.into_iter().filter(|part| !names.contains(part)).collect();
        if !missing.is_empty() {
            problems.push(hub.problem(&format!("fileNameFormat has no {}", missing.join(", "))));
        }
        let enabled = |endpoint: &Value| {
            let to_it = routes(hub).iter().filter(|route| route.get("endpointNames").items() == [endpoint.clone()]);
            to_it.filter(|route| *route.get("isEnabled") == Value::Bool(true)).count()
        };
        let fallback = hub.get("properties.routing.fallbackRoute.isEnabled") == &Value::Bool(true);
        if enabled(archive.get("name")) != 1 || enabled(&Value::text(BUILT_IN)) != usize::from(fallback) {
            problems.push(
                hub.problem(
                    "routes archived messages wrongly: a route to the archive, and one to `events` if asked for",
                ),
            );
        }
    }
    problems
}
