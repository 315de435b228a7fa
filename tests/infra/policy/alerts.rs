//! Alerts: each can fire, is heard, and together they cover what an operator has to know.

use crate::deployment::{Deployment, Item, Value};
use crate::problem::{At, Problem};

const METRIC: &str = "Microsoft.Insights/metricAlerts";
const LOG: &str = "Microsoft.Insights/scheduledQueryRules";

/// Durations that alerts take, shortest first.
const DURATIONS: [&str; 10] = ["PT1M", "PT5M", "PT10M", "PT15M", "PT30M", "PT1H", "PT6H", "PT12H", "P1D", "P2D"];
/// Metrics by namespace, of those that an alert here may ask about.
const METRICS: [(&str, &[&str]); 3] = [
    (
        "Microsoft.Devices/IotHubs",
        &[
            "d2c.telemetry.ingress.sendThrottle",
            "d2c.telemetry.egress.dropped",
            "d2c.telemetry.egress.orphaned",
            "d2c.telemetry.egress.invalid",
            "dailyMessageQuotaUsed",
        ],
    ),
    ("Microsoft.EventHub/namespaces", &["ThrottledRequests", "IncomingMessages", "OutgoingMessages"]),
    ("Microsoft.Storage/storageAccounts/queueServices", &["QueueMessageCount", "QueueCapacity", "QueueCount"]),
];
/// How the names of alerts begin that must be there.
const NEEDED: [&str; 7] = [
    "dead-letters",
    "hub-events-stuck",
    "hub-quota",
    "hub-throttled",
    "parked-for-long",
    "queues-not-empty",
    "uplinks-refused",
];

pub(super) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    let alerts: Vec<_> = deployment.of_kind(METRIC).chain(deployment.of_kind(LOG)).collect();
    for alert in &alerts {
        problems.extend(alert.expect("properties.enabled", &Value::Bool(true)));
        problems.extend(alert.expect("properties.autoMitigate", &Value::Bool(true)));
        if !matches!(alert.get("properties.severity"), Value::Number(0..=4)) {
            problems.push(alert.problem("properties.severity is not from 0 to 4"));
        }
        problems.extend(timing(alert));
        problems.extend(unheard(alert, deployment));
    }
    let group = [
        ("location", Value::text("global")),
        ("properties.enabled", Value::Bool(true)),
        ("properties.groupShortName", Value::text("tts-iot-hub")),
    ];
    problems.extend(super::broken(deployment, "Microsoft.Insights/actionGroups", &group));
    problems.extend(deployment.of_kind(METRIC).flat_map(of_metric));
    problems.extend(deployment.of_kind(LOG).flat_map(of_query));
    for name in NEEDED.iter().filter(|name| !alerts.iter().any(|alert| alert.name.starts_with(*name))) {
        let message = format!("there is no alert {name}");
        problems.push(Problem::new("infra/main.bicep", At { line: 1, column: 1 }, message));
    }
    problems
}

/// Looks at a window no shorter than the time to the next look, so nothing falls between two.
fn timing(alert: &Item) -> Option<Problem> {
    let [every, window] =
        ["properties.evaluationFrequency", "properties.windowSize"].map(|path| alert.get(path).to_string());
    let at = |duration: &str| DURATIONS.iter().position(|known| *known == duration);
    match (at(&every), at(&window)) {
        (Some(every), Some(window)) if every <= window => None,
        _ => Some(alert.problem(&format!(
            "looks at {window} every {every}; a window is no shorter, both of {}",
            DURATIONS.join(", ")
        ))),
    }
}

fn unheard(alert: &Item, deployment: &Deployment) -> Option<Problem> {
    let groups = deployment.of_kind("Microsoft.Insights/actionGroups").count();
    let actions = alert.get("properties.actions");
    let named =
        actions.items().iter().map(|action| action.get("actionGroupId")).chain(actions.get("actionGroups").items());
    let named = named.filter(|group| group.is_unknown()).count();
    (named != groups).then(|| alert.problem(&format!("tells {named} of {groups} action groups")))
}

fn of_metric(alert: &Item) -> Vec<Problem> {
    let mut problems: Vec<_> = alert.expect("location", &Value::text("global")).into_iter().collect();
    let criteria = alert.get("properties.criteria.allOf").items();
    for criterion in criteria {
        let [namespace, metric] = ["metricNamespace", "metricName"].map(|name| criterion.get(name).to_string());
        let known = METRICS.iter().any(|(of, metrics)| *of == namespace && metrics.contains(&metric.as_str()));
        if !known {
            problems.push(alert.problem(&format!("there is no metric {metric} of {namespace}")));
        }
    }
    if criteria.is_empty() {
        problems.push(alert.problem("has no criteria"));
    }
    problems
}

fn of_query(alert: &Item) -> Vec<Problem> {
    let mut problems = Vec::new();
    let criteria = alert.get("properties.criteria.allOf").items();
    for criterion in criteria {
        let missing = ["query", "timeAggregation", "metricMeasureColumn", "operator", "threshold", "failingPeriods"]
            .into_iter()
            .filter(|name| *criterion.get(name) == Value::Null);
        problems.extend(missing.map(|name| alert.problem(&format!("{name} is not set"))));
        let (query, column) = (criterion.get("query").to_string(), criterion.get("metricMeasureColumn").to_string());
        let made = query.lines().last().is_some_and(|last| last.contains(&format!("{column} = ")));
        if !made {
            problems.push(alert.problem(&format!("its query ends without a column {column}")));
        }
    }
    problems
}
