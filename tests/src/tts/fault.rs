//! Faults a test can make the API show.

use std::time::Duration;

use super::rejection::{Code, Rejection};

/// What goes wrong, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    effect: Effect,
    remaining: Option<usize>,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// 401: the API key is unknown, as right after its creation or after its deletion.
    Unauthenticated,
    /// 403: the API key lacks a right.
    NoRights,
    /// 404 without details, as if the route did not exist.
    NotFound,
    /// 429 with `X-Rate-Limit-*` headers and without `Retry-After`.
    RateLimited,
    /// 500.
    Internal,
    /// 503.
    Unavailable,
    /// The connection ends without an answer.
    Reset,
    /// The request is carried out, then the connection ends without an answer.
    ResetAfterAccepting,
    /// The answer comes this much later; further faults apply as well.
    Delay(Duration),
    /// 400 `pkg/errors:validation` for every batch that holds an event of this device.
    RejectDevice(String),
}

impl Fault {
    /// For the next request.
    #[must_use]
    pub fn once(effect: Effect) -> Self {
        Self::times(effect, 1)
    }

    /// For the next `count` requests that meet it.
    #[must_use]
    pub fn times(effect: Effect, count: usize) -> Self {
        Self { effect, remaining: Some(count) }
    }

    /// What goes wrong.
    #[must_use]
    pub fn effect(&self) -> &Effect {
        &self.effect
    }

    /// Until faults are cleared.
    #[must_use]
    pub fn always(effect: Effect) -> Self {
        Self { effect, remaining: None }
    }
}

/// The faults in force, in the order of their injection.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

/// What to do to one request.
#[derive(Debug, Default)]
pub(super) struct Interference {
    pub(super) delay: Duration,
    pub(super) outcome: Option<Outcome>,
    /// The faults it comes from.
    pub(super) met: Vec<Effect>,
}

#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Rejection),
    Reset,
    ResetAfterAccepting,
}

impl Faults {
    pub(super) fn inject(&mut self, fault: Fault) {
        self.0.retain(|fault| fault.remaining != Some(0));
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Uses up one time of each delay and of the first other fault that a request with events of `devices` meets.
    pub(super) fn meet(&mut self, devices: &[String]) -> Interference {
        let mut interference = Interference::default();
        for fault in &mut self.0 {
            if fault.remaining == Some(0) {
                continue;
            }
            let met = if let Effect::Delay(delay) = &fault.effect {
                interference.delay += *delay;
                true
            } else if interference.outcome.is_none() {
                interference.outcome = outcome(&fault.effect, devices);
                interference.outcome.is_some()
            } else {
                false
            };
            if met {
                interference.met.push(fault.effect.clone());
                fault.remaining = fault.remaining.map(|remaining| remaining - 1);
            }
        }
        interference
    }
}

fn outcome(effect: &Effect, devices: &[String]) -> Option<Outcome> {
    let rejection = match effect {
        Effect::Unauthenticated => {
            Rejection::new(Code::Unauthenticated, "pkg/identityserver", "api_key_not_found", "API key not found")
        }
        Effect::NoRights => {
            let name = "insufficient_application_rights";
            Rejection::new(Code::PermissionDenied, "pkg/auth/rights", name, "insufficient rights for application")
                .with("missing", "RIGHT_APPLICATION_DEVICES_WRITE")
        }
        Effect::NotFound => Rejection::no_route(),
        Effect::RateLimited => Rejection::rate_limited(),
        Effect::Internal => Rejection::bare(Code::Internal, "internal error"),
        Effect::Unavailable => Rejection::bare(Code::Unavailable, "connection refused"),
        Effect::RejectDevice(device_id) => {
            let index = devices.iter().position(|device| device == device_id)?;
            Rejection::validation(&format!("events[{index}].body"), "value is not supported")
        }
        Effect::Reset => return Some(Outcome::Reset),
        Effect::ResetAfterAccepting => return Some(Outcome::ResetAfterAccepting),
        Effect::Delay(_) => return None,
    };
    Some(Outcome::Answer(rejection))
}
