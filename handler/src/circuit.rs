//! A circuit breaker: a dead peer costs its next callers nothing instead of their time budget each.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::error::{Error, Peer, Retry};

/// Failures in a row that open the circuit.
const FAILURES: u32 = 5;

/// How long it stays open at first; the time doubles with every probe that fails.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// Longest time it stays open.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A probe that has not come back after this long is given up, and another may go.
const PROBE_LIMIT: Duration = Duration::from_secs(35);

/// Whether a peer is worth calling. Only failures that say the peer is down count: no connection, a time-out, 5xx.
#[derive(Debug)]
pub struct Circuit {
    peer: Peer,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration, reason: String },
    HalfOpen { since: Instant, pause: Duration, reason: String },
}

impl Circuit {
    /// A closed circuit.
    #[must_use]
    pub fn new(peer: Peer) -> Self {
        Self { peer, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    /// Lets a call through, or says why not. After the pause one call goes as a probe.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the circuit is open.
    pub fn admit(&self) -> Result<(), Error> {
        let mut state = self.lock();
        let now = Instant::now();
        match &*state {
            State::Closed { .. } => Ok(()),
            State::Open { until, pause, reason } if *until <= now => {
                *state = State::HalfOpen { since: now, pause: *pause, reason: reason.clone() };
                Ok(())
            }
            State::HalfOpen { since, pause, reason } if *since + PROBE_LIMIT <= now => {
                *state = State::HalfOpen { since: now, pause: *pause, reason: reason.clone() };
                Ok(())
            }
            State::Open { until, reason, .. } => Err(self.refusal(reason, *until - now)),
            State::HalfOpen { pause, reason, .. } => Err(self.refusal(reason, *pause)),
        }
    }

    /// The peer answered, whatever it said.
    pub fn answered(&self) {
        *self.lock() = State::Closed { failures: 0 };
    }

    /// The peer is down, as far as one call can tell.
    pub fn failed(&self, reason: &str) {
        let mut state = self.lock();
        let open = |pause| State::Open { until: Instant::now() + pause, pause, reason: reason.to_owned() };
        let next = match &*state {
            State::Closed { failures } if failures + 1 < FAILURES => State::Closed { failures: failures + 1 },
            State::Closed { .. } => open(FIRST_PAUSE),
            State::HalfOpen { pause, .. } => open((*pause * 2).min(LONGEST_PAUSE)),
            // A call that was under way when the circuit opened.
            State::Open { .. } => return,
        };
        *state = next;
    }

    /// The state, for `health`.
    #[must_use]
    pub fn report(&self) -> Value {
        match &*self.lock() {
            State::Closed { .. } => json!("closed"),
            State::Open { until, reason, .. } => {
                let seconds = until.saturating_duration_since(Instant::now()).as_secs();
                json!({"open_for_seconds": seconds, "reason": reason})
            }
            State::HalfOpen { reason, .. } => json!({"probing_after": reason}),
        }
    }

    fn refusal(&self, reason: &str, wait: Duration) -> Error {
        Error::Unavailable {
            peer: self.peer,
            what: format!("not asked, because {FAILURES} calls in a row or the last probe failed: {reason}"),
            retry: Retry::After(wait),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Circuit {
        let circuit = Circuit::new(Peer::IotHub);
        (0..FAILURES).for_each(|_| circuit.failed("timed out"));
        circuit
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let circuit = Circuit::new(Peer::IotHub);
        for _ in 0..3 {
            (1..FAILURES).for_each(|_| circuit.failed("timed out"));
            circuit.answered();
        }
        assert!(circuit.admit().is_ok());
        let reason = opened().admit().unwrap_err();
        assert!(reason.to_string().contains("timed out") && !reason.is_worth_retrying_now(), "{reason}");
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_pause_one_probe_goes_and_its_answer_closes_it() {
        let circuit = opened();
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(circuit.admit().is_ok());
        assert!(circuit.admit().is_err(), "one probe at a time");
        circuit.answered();
        assert!(circuit.admit().is_ok() && circuit.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn every_failed_probe_doubles_the_pause_up_to_a_minute() {
        let circuit = opened();
        for pause in [5, 10, 20, 40, 60, 60] {
            tokio::time::advance(Duration::from_secs(pause) - Duration::from_millis(1)).await;
            assert!(circuit.admit().is_err(), "{pause}");
            tokio::time::advance(Duration::from_millis(1)).await;
            assert!(circuit.admit().is_ok(), "{pause}");
            circuit.failed("still down");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_never_comes_back_makes_way_for_another() {
        let circuit = opened();
        tokio::time::advance(FIRST_PAUSE).await;
        assert!(circuit.admit().is_ok());
        tokio::time::advance(PROBE_LIMIT).await;
        assert!(circuit.admit().is_ok());
    }
}
