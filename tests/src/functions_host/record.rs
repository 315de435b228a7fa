//! What tests look at: finished invocations and messages put into queues.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

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
    /// 0 on the first attempt.
    pub retry_count: u32,
}

/// All of them, in the order in which they finished.
#[derive(Debug)]
pub(super) struct Record {
    invocations: Mutex<Vec<Invocation>>,
    finished: Mutex<BTreeMap<String, usize>>,
    queues: Mutex<BTreeMap<String, Vec<String>>>,
    changed: watch::Sender<()>,
}

impl Record {
    pub(super) fn new() -> Self {
        Self {
            invocations: Mutex::default(),
            finished: Mutex::default(),
            queues: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    pub(super) fn add(&self, invocation: Invocation) {
        let function = invocation.function.clone();
        lock(&self.invocations).push(invocation);
        *lock(&self.finished).entry(function).or_default() += 1;
        self.changed.send_replace(());
    }

    pub(super) fn add_message(&self, queue_name: String, message: &[u8]) {
        lock(&self.queues).entry(queue_name).or_default().push(String::from_utf8_lossy(message).into_owned());
    }

    pub(super) fn invocations(&self) -> Vec<Invocation> {
        lock(&self.invocations).clone()
    }

    pub(super) fn messages(&self, queue_name: &str) -> Vec<String> {
        lock(&self.queues).get(queue_name).cloned().unwrap_or_default()
    }

    pub(super) async fn wait_for(
        &self,
        function: &str,
        finished: usize,
        limit: Duration,
    ) -> Result<Vec<Invocation>, String> {
        let mut changes = self.changed.subscribe();
        let waited = tokio::time::timeout(limit, async {
            while self.count(function) < finished {
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

    fn count(&self, function: &str) -> usize {
        lock(&self.finished).get(function).copied().unwrap_or_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
