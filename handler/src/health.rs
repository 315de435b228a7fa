//! What this instance knows of itself: version, settings problems, and how its peers last answered.

use std::sync::{Mutex, PoisonError};

use axum::response::Response;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::app::App;
use crate::invocation::{self, QueueOutputs};
use crate::settings::Problems;

/// The last success and the last failure of one peer, as seen by this instance.
#[derive(Debug, Default)]
pub struct PeerRecord(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    success: Option<OffsetDateTime>,
    failure: Option<(OffsetDateTime, String)>,
}

impl PeerRecord {
    /// The peer did as asked.
    #[expect(clippy::disallowed_methods, reason = "health shows wall-clock times")]
    pub fn succeeded(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).success = Some(OffsetDateTime::now_utc());
    }

    /// The peer did not; `what` holds no secret, as no error's text does.
    #[expect(clippy::disallowed_methods, reason = "health shows wall-clock times")]
    pub fn failed(&self, what: &str) {
        let failure = (OffsetDateTime::now_utc(), what.to_owned());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).failure = Some(failure);
    }

    fn report(&self, circuit: &Value) -> Value {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = last.failure.as_ref().map(|(at, what)| json!({"at": text(*at), "what": what}));
        json!({"last_success": last.success.map(text), "last_failure": failure, "circuit": circuit})
    }
}

fn text(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}

/// The answer of function `health` while the settings are right.
pub(crate) fn answer(app: &App) -> Response {
    let mut report = report(&Problems::default());
    report["peers"] = json!({
        "iot_hub": app.iot_hub.record.report(&app.iot_hub.circuit_report()),
        "the_things_stack": app.tts.record.report(&app.tts.circuit_report()),
    });
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
