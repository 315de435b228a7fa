//! How a peer last answered this instance.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

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

    /// Both, and the state of the peer's circuit, for `health`.
    #[must_use]
    pub fn report(&self, circuit: &Value) -> Value {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = last.failure.as_ref().map(|(at, what)| json!({"at": text(*at), "what": what}));
        json!({"last_success": last.success.map(text), "last_failure": failure, "circuit": circuit})
    }
}

fn text(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}
