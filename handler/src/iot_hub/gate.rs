//! The way to the registry, the hub's scarcest resource: few at a time, and nobody while our credential is refused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Peer, Retry};

/// Devices that may be settled with the registry at once. Each takes at most two registry calls, so a credential
/// found wrong has cost at most four, however many devices were waiting.
const DEVICES_AT_ONCE: usize = 2;

/// How long the registry is left alone once our credential was refused.
pub(super) const CLOSED_FOR: Duration = Duration::from_secs(60);

/// Lets a delivery through to the registry.
#[derive(Debug)]
pub(super) struct RegistryGate {
    slots: Semaphore,
    closed: Mutex<Option<Closed>>,
}

#[derive(Debug)]
struct Closed {
    until: Instant,
    reason: String,
}

impl RegistryGate {
    pub(super) fn new() -> Self {
        Self { slots: Semaphore::new(DEVICES_AT_ONCE), closed: Mutex::new(None) }
    }

    /// Waits for a slot until `deadline`.
    pub(super) async fn enter(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Error> {
        self.check()?;
        let slot = timeout_at(deadline, self.slots.acquire()).await;
        let slot = slot.ok().and_then(Result::ok).ok_or_else(|| Error::Unavailable {
            peer: Peer::IotHub,
            what: "other devices are still being created; this one's turn did not come in time".to_owned(),
            retry: Retry::After(Duration::from_secs(1)),
        })?;
        self.check()?;
        Ok(slot)
    }

    /// Closes the way for everybody.
    pub(super) fn close(&self, reason: String) -> Error {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        *closed = Some(Closed { until: Instant::now() + CLOSED_FOR, reason: reason.clone() });
        refused(reason, CLOSED_FOR)
    }

    /// Opens it again: the hub has just accepted our credential.
    pub(super) fn open(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn check(&self) -> Result<(), Error> {
        match &*self.closed.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(closed) if closed.until > Instant::now() => {
                Err(refused(closed.reason.clone(), closed.until - Instant::now()))
            }
            _ => Ok(()),
        }
    }
}

fn refused(what: String, wait: Duration) -> Error {
    Error::Unavailable { peer: Peer::IotHub, what, retry: Retry::After(wait) }
}
