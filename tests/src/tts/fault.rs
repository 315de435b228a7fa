//! Faults a test can make the API show.

use std::time::Duration;

use super::rate_limit::Quota;
use super::rejection::{Code, Rejection};
use super::route::Server;

/// What goes wrong, how often, and with which requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    effect: Effect,
    remaining: Option<usize>,
    server: Option<Server>,
    method: Option<String>,
    path_end: Option<String>,
    device_id: Option<String>,
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
    /// 400 `pkg/errors:validation` for every batch that holds an event of this device, and every request about it.
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
        Self { remaining: Some(count), ..Self::always(effect) }
    }

    /// What goes wrong.
    #[must_use]
    pub fn effect(&self) -> &Effect {
        &self.effect
    }

    /// Until faults are cleared.
    #[must_use]
    pub fn always(effect: Effect) -> Self {
        Self { effect, remaining: None, server: None, method: None, path_end: None, device_id: None }
    }

    /// Only for requests to this server.
    #[must_use]
    pub fn at(self, server: Server) -> Self {
        Self { server: Some(server), ..self }
    }

    /// Only for requests with this method, e.g. `PUT`.
    #[must_use]
    pub fn with_method(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    /// Only for requests whose path, without its query, ends like this, e.g. `/down/push`.
    #[must_use]
    pub fn with_path_end(self, path_end: &str) -> Self {
        Self { path_end: Some(path_end.to_owned()), ..self }
    }

    /// Only for requests about this device, in whichever application, and for batches with an event of it.
    #[must_use]
    pub fn of_device(self, device_id: &str) -> Self {
        Self { device_id: Some(device_id.to_owned()), ..self }
    }

    fn is_about(&self, subject: &Subject<'_>) -> bool {
        self.server.is_none_or(|server| subject.server == Some(server))
            && self.method.as_ref().is_none_or(|method| subject.method == method)
            && self.path_end.as_ref().is_none_or(|end| subject.path.ends_with(end))
            && self.device_id.as_ref().is_none_or(|device_id| subject.devices.contains(device_id))
    }
}

/// What there is to know of a request before it is carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// `None` when nobody here answers such a path.
    pub(super) server: Option<Server>,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// The devices it is about, valid ids or not.
    pub(super) devices: &'a [String],
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

    /// Uses up one time of each delay and of the first other fault that a request meets.
    pub(super) fn meet(&mut self, subject: &Subject<'_>) -> Interference {
        let mut interference = Interference::default();
        for fault in &mut self.0 {
            if fault.remaining == Some(0) || !fault.is_about(subject) {
                continue;
            }
            let met = if let Effect::Delay(delay) = &fault.effect {
                interference.delay += *delay;
                true
            } else if interference.outcome.is_none() {
                interference.outcome = outcome(&fault.effect, subject);
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

fn outcome(effect: &Effect, subject: &Subject<'_>) -> Option<Outcome> {
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
        Effect::RateLimited => Rejection::rate_limited(Quota::REFUSED),
        Effect::Internal => Rejection::bare(Code::Internal, "internal error"),
        Effect::Unavailable => Rejection::bare(Code::Unavailable, "connection refused"),
        Effect::RejectDevice(device_id) => {
            let index = subject.devices.iter().position(|device| device == device_id)?;
            let is_batch = subject.path.ends_with("/events");
            let field = if is_batch { format!("events[{index}].body") } else { "end_device".to_owned() };
            Rejection::validation(&field, "value is not supported")
        }
        Effect::Reset => return Some(Outcome::Reset),
        Effect::ResetAfterAccepting => return Some(Outcome::ResetAfterAccepting),
        Effect::Delay(_) => return None,
    };
    Some(Outcome::Answer(rejection))
}
