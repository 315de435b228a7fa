//! Diagnostic settings: everything observed sends to the workspace, in categories that there are.

use crate::deployment::{Deployment, Item, Value};
use crate::problem::Problem;

const SETTING: &str = "Microsoft.Insights/diagnosticSettings";

/// What must tell the workspace about itself: type, log categories it has, those it must send, its metrics.
type Observed = (&'static str, &'static [&'static str], &'static [&'static str], &'static str);

const STORAGE: &[&str] = &["StorageDelete", "StorageRead", "StorageWrite"];
const OBSERVED: [Observed; 6] = [
    (
        "Microsoft.Devices/IotHubs",
        &[
            "C2DCommands",
            "C2DTwinOperations",
            "Configurations",
            "Connections",
            "D2CTwinOperations",
            "DeviceIdentityOperations",
            "DeviceTelemetry",
            "DirectMethods",
            "DistributedTracing",
            "FileUploadOperations",
            "JobsOperations",
            "Routes",
            "TwinQueries",
        ],
        &["DeviceIdentityOperations", "DeviceTelemetry", "Routes"],
        "AllMetrics",
    ),
    (
        "Microsoft.EventHub/namespaces",
        &["ArchiveLogs", "AutoScaleLogs", "OperationalLogs", "RuntimeAuditLogs", "ApplicationMetricsLogs"],
        &["OperationalLogs"],
        "AllMetrics",
    ),
    ("Microsoft.KeyVault/vaults", &["AuditEvent", "AzurePolicyEvaluationDetails"], &["AuditEvent"], "AllMetrics"),
    ("Microsoft.Storage/storageAccounts/blobServices", STORAGE, &["StorageDelete"], "Transaction"),
    ("Microsoft.Storage/storageAccounts/queueServices", STORAGE, &["StorageDelete"], "Transaction"),
    // Its logs are in Application Insights.
    ("Microsoft.Web/sites", &["AppServiceAuthenticationLogs", "FunctionAppLogs"], &[], "AllMetrics"),
];

pub(super) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    for observed in &OBSERVED {
        for target in deployment.of_kind(observed.0) {
            let of_target = |item: &&Item| item.scope == Some((target.kind.clone(), target.name.clone()));
            match deployment.of_kind(SETTING).find(of_target) {
                Some(setting) => problems.extend(of_setting(setting, observed)),
                None => problems.push(target.problem("has no diagnostic setting that sends to the workspace")),
            }
        }
    }
    problems
}

fn of_setting(setting: &Item, (_, known, needed, metrics): &Observed) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !setting.get("properties.workspaceId").is_unknown() {
        problems.push(setting.problem("sends to no workspace"));
    }
    let logs = sent(setting, "properties.logs", &mut problems);
    for category in &logs {
        if !known.contains(&category.as_str()) {
            problems
                .push(setting.problem(&format!("there is no log category {category}; there are {}", known.join(", "))));
        }
    }
    let missing = needed.iter().filter(|category| !logs.iter().any(|log| log == *category));
    problems.extend(missing.map(|category| setting.problem(&format!("the log category {category} is not sent"))));
    if sent(setting, "properties.metrics", &mut problems) != [*metrics] {
        problems.push(setting.problem(&format!("the metrics {metrics} are not sent")));
    }
    problems
}

/// The categories of logs or metrics. Each is switched on, or should not be there.
fn sent(setting: &Item, path: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    let parts = setting.get(path).items();
    for part in parts.iter().filter(|part| *part.get("enabled") != Value::Bool(true)) {
        problems.push(setting.problem(&format!("{path}: {} is not enabled", part.get("category"))));
    }
    parts.iter().map(|part| part.get("category").to_string()).collect()
}
