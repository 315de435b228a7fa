//! The way to the registry, the hub's scarcest resource: one device at a time, within a budget, and nobody while our
//! credential is refused.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::DeviceId;
use super::access::Side;
use crate::error::{Error, Peer, Retry};

/// How long the registry is left alone once our credential was refused.
pub(super) const CLOSED_FOR: Duration = Duration::from_secs(60);

/// Lets a delivery through to the registry. One at a time: each takes at most two registry calls, so a credential found
/// wrong has cost at most four, however many devices were waiting.
#[derive(Debug)]
pub(super) struct RegistryGate {
    slot: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    closed: Option<Closed>,
    suspected: Option<(DeviceId, Instant)>,
    budget: Budget,
}

#[derive(Debug)]
struct Closed {
    side: Side,
    at: Instant,
    reason: String,
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

impl RegistryGate {
    pub(super) fn new(calls_per_minute: u32) -> Self {
        let left = f64::from(calls_per_minute);
        let budget = Budget { per_minute: calls_per_minute, left, counted_at: Instant::now() };
        Self { slot: Semaphore::new(1), state: Mutex::new(State { closed: None, suspected: None, budget }) }
    }

    /// Waits for the slot until `deadline`.
    pub(super) async fn enter(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Error> {
        self.check()?;
        let slot = timeout_at(deadline, self.slot.acquire()).await;
        let slot = slot.ok().and_then(Result::ok).ok_or_else(|| {
            let what = "other devices are still being created; this one's turn did not come in time".to_owned();
            unavailable(what, Duration::from_secs(1))
        })?;
        self.check()?;
        Ok(slot)
    }

    /// Accounts for one registry call about to be made.
    pub(super) fn spend(&self) -> Result<(), Error> {
        let budget = &mut self.lock().budget;
        let per_minute = budget.per_minute;
        budget
            .take(Instant::now())
            .map_err(|wait| unavailable(format!("this minute's {per_minute} registry calls are used up"), wait))
    }

    /// A device may not send though it should. Whether a second one is in the same case, so that it is not the device.
    pub(super) fn suspect(&self, device_id: &DeviceId) -> bool {
        let mut state = self.lock();
        match &state.suspected {
            Some((first, at)) if at.elapsed() < CLOSED_FOR => first != device_id,
            _ => {
                state.suspected = Some((device_id.clone(), Instant::now()));
                false
            }
        }
    }

    /// Closes the way for everybody.
    pub(super) fn close(&self, side: Side, reason: String) -> Error {
        self.lock().closed = Some(Closed { side, at: Instant::now(), reason: reason.clone() });
        unavailable(reason, CLOSED_FOR)
    }

    /// The hub has accepted a message offered at `offered_at`: whatever was thought of our credential on the device side
    /// before that is wrong.
    pub(super) fn note_accepted(&self, offered_at: Instant) {
        let mut state = self.lock();
        if state.closed.as_ref().is_some_and(|closed| closed.side == Side::Device && closed.at < offered_at) {
            state.closed = None;
        }
        if state.suspected.as_ref().is_some_and(|(_, at)| *at < offered_at) {
            state.suspected = None;
        }
    }

    fn check(&self) -> Result<(), Error> {
        let state = self.lock();
        let Some(closed) = &state.closed else { return Ok(()) };
        match time_left(closed.at, Instant::now()) {
            Some(left) => Err(unavailable(closed.reason.clone(), left)),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to the twins' service side: nobody while our credential is refused there.
#[derive(Debug, Default)]
pub(super) struct TwinGate(Mutex<Option<(Instant, String)>>);

impl TwinGate {
    /// The reason of the last refusal, while it is fresh.
    pub(super) fn check(&self) -> Result<(), Error> {
        let closed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((at, reason)) = &*closed else { return Ok(()) };
        match time_left(*at, Instant::now()) {
            Some(left) => Err(unavailable(reason.clone(), left)),
            None => Ok(()),
        }
    }

    /// Closes the way for everybody.
    pub(super) fn close(&self, reason: String) -> Error {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), reason.clone()));
        unavailable(reason, CLOSED_FOR)
    }
}

/// How long what was closed then stays closed. The clock goes on between two looks at it, so one has to do.
fn time_left(closed_at: Instant, now: Instant) -> Option<Duration> {
    CLOSED_FOR.checked_sub(now - closed_at).filter(|left| !left.is_zero())
}

fn unavailable(what: String, wait: Duration) -> Error {
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
    async fn a_closed_gate_opens_after_its_time() {
        let gate = RegistryGate::new(60);
        gate.close(Side::Registry, "policy refused".to_owned());
        assert!(gate.enter(Instant::now()).await.is_err());
        tokio::time::advance(CLOSED_FOR).await;
        assert!(gate.enter(Instant::now()).await.is_ok());
    }

    #[test]
    fn no_time_is_left_at_the_end_and_behind_it() {
        let closed_at = Instant::now();
        let left = |after: Duration| time_left(closed_at, closed_at + after);
        assert_eq!(left(Duration::ZERO), Some(CLOSED_FOR));
        assert_eq!(left(CLOSED_FOR - Duration::from_nanos(1)), Some(Duration::from_nanos(1)));
        assert_eq!([CLOSED_FOR, CLOSED_FOR + Duration::from_nanos(1)].map(left), [None, None]);
    }

    #[tokio::test(start_paused = true)]
    async fn twins_are_left_alone_for_a_minute_with_the_same_reason() {
        let gate = TwinGate::default();
        assert!(gate.check().is_ok());
        let reason = gate.close("role missing".to_owned()).to_string();
        tokio::time::advance(CLOSED_FOR / 2).await;
        let error = gate.check().unwrap_err();
        assert_eq!((error.to_string(), error.retry()), (reason, Some(Retry::After(CLOSED_FOR / 2))));
        tokio::time::advance(CLOSED_FOR / 2).await;
        assert!(gate.check().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_message_offered_after_the_closing_opens_it_and_only_on_the_device_side() {
        for (side, opens) in [(Side::Device, true), (Side::Registry, false)] {
            let gate = RegistryGate::new(60);
            let before = Instant::now();
            tokio::time::advance(Duration::from_millis(1)).await;
            gate.close(side, "policy refused".to_owned());
            tokio::time::advance(Duration::from_millis(1)).await;
            gate.note_accepted(before);
            assert!(gate.enter(Instant::now()).await.is_err(), "{side:?}");
            gate.note_accepted(Instant::now());
            assert_eq!(gate.enter(Instant::now()).await.is_ok(), opens, "{side:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_device_is_no_proof_against_the_credential_and_a_second_one_is() {
        let gate = RegistryGate::new(60);
        let device = |id| DeviceId::new(id).unwrap();
        assert!(!gate.suspect(&device("sensor-1")));
        assert!(!gate.suspect(&device("sensor-1")));
        assert!(gate.suspect(&device("sensor-2")));
        tokio::time::advance(CLOSED_FOR).await;
        assert!(!gate.suspect(&device("sensor-2")), "a minute later it begins anew");
    }
}
