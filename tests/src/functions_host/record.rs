//! What tests look at: finished invocations.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

use super::history::History;

/// A finished invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// The function's name.
    pub function: String,
    /// New for every attempt.
    pub invocation_id: Uuid,
    /// Whether the host counts it as success.
    pub succeeded: bool,
    /// The handler's HTTP status, if it answered at all.
    pub status: Option<u16>,
    /// Why it failed.
    pub failure: Option<String>,
    /// The handler's answer, if it was JSON.
    pub response: Option<Value>,
    /// 0 on the first attempt; of a queue message its dequeue count less one.
    pub retry_count: u32,
}

/// How the invocations of a function ended, every attempt counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Accepted by the host.
    pub succeeded: usize,
    /// Not.
    pub failed: usize,
}

impl Totals {
    /// All there have been.
    #[must_use]
    pub fn finished(self) -> usize {
        self.succeeded + self.failed
    }
}

/// All of them, in the order in which they finished.
#[derive(Debug)]
pub(super) struct Record {
    invocations: Mutex<History<Invocation>>,
    totals: Mutex<BTreeMap<String, Totals>>,
    changed: watch::Sender<()>,
}

impl Record {
    /// Keeps so many invocations.
    pub(super) fn new(most: usize) -> Self {
        Self { invocations: Mutex::new(History::new(most)), totals: Mutex::default(), changed: watch::Sender::new(()) }
    }

    pub(super) fn add(&self, invocation: Invocation) {
        let (function, succeeded) = (invocation.function.clone(), invocation.succeeded);
        lock(&self.invocations).push(invocation);
        let mut totals = lock(&self.totals);
        let totals_of = totals.entry(function).or_default();
        *(if succeeded { &mut totals_of.succeeded } else { &mut totals_of.failed }) += 1;
        drop(totals);
        self.changed.send_replace(());
    }

    pub(super) fn invocations(&self) -> Vec<Invocation> {
        lock(&self.invocations).to_vec()
    }

    pub(super) async fn wait_for(
        &self,
        function: &str,
        finished: usize,
        limit: Duration,
    ) -> Result<Vec<Invocation>, String> {
        let mut changes = self.changed.subscribe();
        let waited = tokio::time::timeout(limit, async {
            while self.totals(function).finished() < finished {
                drop(changes.changed().await);
            }
        });
        let reached = waited.await.is_ok();
        let mut invocations = self.invocations();
        invocations.retain(|invocation| invocation.function == function);
        match reached {
            true => Ok(invocations),
            false => Err(format!("not {finished} invocations of {function} within {limit:?} but {invocations:#?}")),
        }
    }

    pub(super) fn totals(&self, function: &str) -> Totals {
        lock(&self.totals).get(function).copied().unwrap_or_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
