//! What this instance answers about itself: version, settings problems, and how its peers last answered.

use axum::response::Response;
use serde_json::{Value, json};

use crate::app::App;
use crate::invocation::{self, QueueOutputs};
use crate::settings::Problems;

/// The answer of function `health` while the settings are right.
pub(crate) fn answer(app: &App) -> Response {
    let mut report = report(&Problems::default());
    report["peers"] = json!({
        "iot_hub": app.iot_hub.record.report(&app.iot_hub.circuit_report()),
        "iot_hub_twins": app.iot_hub.twins_report(),
        "the_things_stack": app.tts.report(),
    });
    if let Some(identity) = app.iot_hub.identity_report() {
        report["peers"]["managed_identity"] = identity;
    }
    invocation::http_output(200, &report, QueueOutputs::default())
}

/// The answer of function `health` while they are not.
pub(crate) fn answer_misconfigured(problems: &Problems) -> Response {
    invocation::http_output(503, &report(problems), QueueOutputs::default())
}

/// Version and settings problems; what `check-config` prints.
#[must_use]
pub fn report(problems: &Problems) -> Value {
    json!({
        "status": if problems.is_empty() { "ok" } else { "misconfigured" },
        "version": env!("CARGO_PKG_VERSION"),
        "scope": "this instance only: HTTP and Event Hub functions run on instances of their own",
        "settings_problems": problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
