//! What the profiles promise, in themselves and in the list of parameters.

use crate::bicep::Parameters;
use crate::checks::is_secure;
use crate::deployment::{Deployment, Value};
use crate::problem::{At, Problem};
use crate::sources::{Sources, Templates};

const START: At = At { line: 1, column: 1 };
const DOCUMENT: &str = "infra/RESOURCES.md";

/// Profile, tier of the hub and of Event Hubs, instances that always run, uplinks a day.
const PROFILES: [(&str, &str, &str, i64, i64); 2] =
    [("free", "F1", "Basic", 0, 1142), ("s1", "S1", "Standard", 1, 200_000)];

/// Of a profile as it is.
pub(super) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let Some(promised) = PROFILES.iter().find(|(name, ..)| *name == deployment.title) else { return Vec::new() };
    let (name, hub, event_hubs, always_ready, uplinks) = promised;
    let mut problems = Vec::new();
    let mut expect = |kind: &str, path: &str, expected: &Value| {
        problems.extend(deployment.of_kind(kind).filter_map(|item| item.expect(path, expected)));
    };
    expect("Microsoft.Devices/IotHubs", "sku.name", &Value::text(hub));
    expect("Microsoft.Devices/IotHubs", "properties.routing.fallbackRoute.isEnabled", &Value::Bool(true));
    expect("Microsoft.EventHub/namespaces", "sku.name", &Value::text(event_hubs));
    let instances = match always_ready {
        0 => Value::Null,
        count => Value::Number(*count),
    };
    let path = "properties.functionAppConfig.scaleAndConcurrency.alwaysReady.0.instanceCount";
    expect("Microsoft.Web/sites", path, &instances);
    let found = deployment.outputs.get("uplinksPerDay");
    if found != Some(&Value::Number(*uplinks)) {
        let found = found.map_or_else(String::new, ToString::to_string);
        let message = format!("the profile carries {found} uplinks a day, it promises {uplinks}");
        problems.push(Problem::new(&format!("infra/{name}.bicepparam"), START, message));
    }
    problems
}

/// Of the files themselves.
pub(crate) fn of_files(sources: &Sources, templates: &Templates) -> Vec<Problem> {
    let mut problems: Vec<_> = templates.parameters.iter().flat_map(|file| secrets(file, templates)).collect();
    problems.extend(documented(sources, templates));
    problems
}

/// Every secret can be given without writing it down.
fn secrets(file: &Parameters, templates: &Templates) -> Vec<Problem> {
    let Some(target) = templates.referred(&file.path, &file.using) else { return Vec::new() };
    let secret = target.params.iter().filter(|param| is_secure(param));
    let missing = secret.filter(|param| !file.values.iter().any(|value| value.name == param.name));
    missing
        .map(|param| Problem::new(&file.path, START, format!("`{}` is not read from the environment", param.name)))
        .collect()
}

/// The document's tables list every parameter and no other.
fn documented(sources: &Sources, templates: &Templates) -> Vec<Problem> {
    let Some(main) = templates.get("infra/main.bicep") else { return Vec::new() };
    let table = sources.text(DOCUMENT).lines().skip_while(|line| *line != "## Parameters").skip(1);
    let rows = table.take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row.split('|').nth(1));
    let listed: Vec<_> = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let params = main.params.iter().map(|param| param.name.as_str());
    let missing = params.clone().filter(|name| !listed.contains(name)).map(|name| format!("does not list `{name}`"));
    let extra = listed.iter().filter(|name| !params.clone().any(|param| param == **name));
    let extra = extra.map(|name| format!("lists `{name}`, which main.bicep does not take"));
    missing.chain(extra).map(|message| Problem::new(DOCUMENT, START, message)).collect()
}
