//! What the stand-in knows and remembers, whether its server runs or not.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::fault::Faults;
use super::options::Options;
use super::packages::SubmittedEvent;
use super::rate_limit::Limiter;
use super::registry::Registry;
use super::rejection::{Code, Rejection};
use super::webhooks::Webhooks;
use crate::newest::Newest;

/// One request to the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST`…
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Status of the answer; 0 while there is none, for ever if the connection ended before.
    pub status: u16,
    /// Whether it carried the API key that is let in.
    pub authorization_ok: bool,
    /// The `User-Agent` header, empty without one.
    pub user_agent: String,
    /// Bytes of the body.
    pub body_length: usize,
    /// Events in the body, valid or not.
    pub event_count: usize,
}

/// Shared by all connections.
#[derive(Debug)]
pub(super) struct State {
    pub(super) options: Options,
    pub(super) requests: Mutex<Newest<Request>>,
    pub(super) submitted: watch::Sender<Vec<SubmittedEvent>>,
    pub(super) registry: watch::Sender<Registry>,
    pub(super) faults: Mutex<Faults>,
    pub(super) limiter: Mutex<Limiter>,
    pub(super) webhooks: Webhooks,
    pub(super) client: reqwest::Client,
}

impl State {
    pub(super) fn new(options: Options, client: reqwest::Client) -> Self {
        let requests = Mutex::new(Newest::new(options.history));
        let limiter = Mutex::new(Limiter::new(options.rate_limit));
        let (submitted, registry) = (watch::Sender::new(Vec::new()), watch::Sender::new(Registry::default()));
        let (faults, webhooks) = (Mutex::default(), Webhooks::default());
        Self { options, requests, submitted, registry, faults, limiter, webhooks, client }
    }

    /// Changes the registry; who waits for it is told unless the change failed.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Registry) -> Result<T, Rejection>) -> Result<T, Rejection> {
        let mut result = None;
        self.registry.send_if_modified(|registry| result.insert(change(registry)).is_ok());
        result.unwrap_or_else(|| Err(Rejection::bare(Code::Internal, "internal error")))
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
