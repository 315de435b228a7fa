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
    budget: Mutex<Budget>,
}

/// Registry calls left; they come back evenly over a minute.
#[derive(Debug)]
struct Budget {
    per_minute: u32,
    left: f64,
    counted_at: Instant,
}

impl Budget {
    /// Takes one call, or says how long until there is one.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let per_second = f64::from(self.per_minute) / 60.0;
        let come_back = now.duration_since(self.counted_at).as_secs_f64() * per_second;
        self.left = (self.left + come_back).min(f64::from(self.per_minute));
        self.counted_at = now;
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / per_second));
        }
        self.left -= 1.0;
        Ok(())
    }
}

#[derive(Debug)]
struct Closed {
    until: Instant,
    reason: String,
}

impl RegistryGate {
    pub(super) fn new(calls_per_minute: u32) -> Self {
        let left = f64::from(calls_per_minute);
        let budget = Budget { per_minute: calls_per_minute, left, counted_at: Instant::now() };
        Self { slots: Semaphore::new(DEVICES_AT_ONCE), closed: Mutex::new(None), budget: Mutex::new(budget) }
    }

    /// Accounts for one registry call about to be made.
    pub(super) fn spend(&self) -> Result<(), Error> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        budget.take(Instant::now()).map_err(|wait| Error::Unavailable {
            peer: Peer::IotHub,
            what: format!("this minute's {} registry calls are used up", budget.per_minute),
            retry: Retry::After(wait),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_budget_comes_back_evenly_over_a_minute() {
        let gate = RegistryGate::new(60);
        assert_eq!((0..100).filter(|_| gate.spend().is_ok()).count(), 60);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!((0..100).filter(|_| gate.spend().is_ok()).count(), 10);
        let wait = gate.spend().unwrap_err().retry();
        assert!(matches!(wait, Some(Retry::After(wait)) if wait <= Duration::from_secs(1)), "{wait:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_gate_opens_after_its_time_or_when_the_credential_is_accepted() {
        let gate = RegistryGate::new(60);
        gate.close("policy refused".to_owned());
        assert!(gate.enter(Instant::now()).await.is_err());
        tokio::time::advance(CLOSED_FOR).await;
        assert!(gate.enter(Instant::now()).await.is_ok());
        gate.close("policy refused".to_owned());
        gate.open();
        assert!(gate.enter(Instant::now()).await.is_ok());
    }
}
