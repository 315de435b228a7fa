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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Ordinary,
    Probe,
}

impl Circuit {
    /// A closed circuit.
    #[must_use]
    pub fn new(peer: Peer) -> Self {
        Self { peer, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    /// Makes a call unless the circuit is open. After the pause one call goes as a probe.
    ///
    /// # Errors
    /// The call's own, or [`Error::Unavailable`] while the circuit is open.
    pub async fn call<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let role = self.admit()?;
        let result = call.await;
        match &result {
            Err(error) if !error.says_something_about(self.peer) => self.abstain(role),
            Err(error) if error.may_mean_that_the_peer_is_down() => self.failed(role, &error.to_string()),
            // Whatever else it said, the peer answered.
            Ok(_) | Err(_) => self.answered(),
        }
        result
    }

    fn admit(&self) -> Result<Role, Error> {
        let mut state = self.lock();
        let now = Instant::now();
        match &*state {
            State::Closed { .. } => Ok(Role::Ordinary),
            State::Open { until, reason, .. } if *until > now => Err(self.refusal(reason, *until - now)),
            State::HalfOpen { since, pause, reason } if *since + PROBE_LIMIT > now => Err(self.refusal(reason, *pause)),
            State::Open { pause, reason, .. } | State::HalfOpen { pause, reason, .. } => {
                *state = State::HalfOpen { since: now, pause: *pause, reason: reason.clone() };
                Ok(Role::Probe)
            }
        }
    }

    fn answered(&self) {
        let before = std::mem::replace(&mut *self.lock(), State::Closed { failures: 0 });
        if !matches!(before, State::Closed { .. }) {
            tracing::info!(peer = %self.peer, circuit = "closed", "{} answers again", self.peer);
        }
    }

    /// Nobody was asked: a probe that was none leaves its place to the next call.
    fn abstain(&self, role: Role) {
        let mut state = self.lock();
        if let (State::HalfOpen { pause, reason, .. }, Role::Probe) = (&*state, role) {
            *state = State::Open { until: Instant::now(), pause: *pause, reason: reason.clone() };
        }
    }

    /// The peer is down, as far as one call can tell. Calls under way when the circuit opened have no say any more.
    fn failed(&self, role: Role, reason: &str) {
        let mut state = self.lock();
        let open = |pause| State::Open { until: Instant::now() + pause, pause, reason: reason.to_owned() };
        let next = match (&*state, role) {
            (State::Closed { failures }, _) if failures + 1 < FAILURES => State::Closed { failures: failures + 1 },
            (State::Closed { .. }, _) => open(FIRST_PAUSE),
            (State::HalfOpen { pause, .. }, Role::Probe) => open((*pause * 2).min(LONGEST_PAUSE)),
            (State::HalfOpen { .. }, Role::Ordinary) | (State::Open { .. }, _) => return,
        };
        if let State::Open { pause, .. } = next {
            let pause_seconds = pause.as_secs();
            tracing::warn!(peer = %self.peer, circuit = "open", pause_seconds, "{} is not asked for a while: {reason}", self.peer);
        }
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

    async fn fail(circuit: &Circuit) -> Error {
        let what = "timed out".to_owned();
        circuit
            .call(async { Err::<(), _>(Error::Unavailable { peer: Peer::IotHub, what, retry: Retry::Soon }) })
            .await
            .unwrap_err()
    }

    async fn answer(circuit: &Circuit) -> Result<(), Error> {
        circuit.call(async { Ok(()) }).await
    }

    async fn opened() -> Circuit {
        let circuit = Circuit::new(Peer::IotHub);
        for _ in 0..FAILURES {
            fail(&circuit).await;
        }
        circuit
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let circuit = Circuit::new(Peer::IotHub);
        for _ in 0..3 {
            for _ in 1..FAILURES {
                fail(&circuit).await;
            }
            assert!(answer(&circuit).await.is_ok());
        }
        let reason = answer(&opened().await).await.unwrap_err();
        assert!(reason.to_string().contains("timed out") && !reason.is_worth_retrying_now(), "{reason}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_an_answer_and_so_is_a_request_for_patience() {
        let what = || "no".to_owned();
        for answer in [
            Error::Refused { peer: Peer::IotHub, what: what() },
            Error::Unavailable { peer: Peer::IotHub, what: what(), retry: Retry::Settling },
        ] {
            let circuit = Circuit::new(Peer::IotHub);
            for _ in 0..20 {
                assert!(circuit.call(async { Err::<(), _>(answer.clone()) }).await.is_err());
            }
            assert_eq!(circuit.report(), json!("closed"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_peer_did_says_nothing() {
        let circuit = Circuit::new(Peer::IotHub);
        for _ in 0..2 * FAILURES {
            let what = "timed out".to_owned();
            let other = Error::Unavailable { peer: Peer::ManagedIdentity, what, retry: Retry::Soon };
            assert!(circuit.call(async { Err::<(), _>(other) }).await.is_err());
        }
        assert_eq!(circuit.report(), json!("closed"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_not_made_says_nothing() {
        let not_asked = async |circuit: &Circuit| {
            let error = Error::NotAsked { peer: Peer::IotHub, what: "busy".to_owned(), wait: Duration::from_secs(1) };
            assert!(circuit.call(async { Err::<(), _>(error) }).await.is_err());
        };
        let circuit = Circuit::new(Peer::IotHub);
        for _ in 1..FAILURES {
            fail(&circuit).await;
            not_asked(&circuit).await;
        }
        fail(&circuit).await;
        assert!(circuit.report()["open_for_seconds"].is_number(), "it did not reset the count");
        tokio::time::advance(FIRST_PAUSE).await;
        not_asked(&circuit).await;
        assert!(answer(&circuit).await.is_ok(), "the next call is the probe");
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_pause_one_probe_goes_and_its_answer_closes_it() {
        let circuit = opened().await;
        tokio::time::advance(FIRST_PAUSE).await;
        let probe = circuit.call(async {
            assert!(answer(&circuit).await.is_err(), "one probe at a time");
            Ok(())
        });
        assert!(probe.await.is_ok());
        assert!(answer(&circuit).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn every_failed_probe_doubles_the_pause_up_to_a_minute() {
        let circuit = opened().await;
        for pause in [5, 10, 20, 40, 60, 60] {
            tokio::time::advance(Duration::from_secs(pause) - Duration::from_millis(1)).await;
            assert!(circuit.admit().is_err(), "{pause}");
            tokio::time::advance(Duration::from_millis(1)).await;
            fail(&circuit).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_probe_has_a_say_while_it_is_under_way() {
        let circuit = Circuit::new(Peer::IotHub);
        let before = circuit.admit().unwrap();
        for _ in 0..FAILURES {
            fail(&circuit).await;
        }
        tokio::time::advance(FIRST_PAUSE).await;
        let probe = circuit.admit().unwrap();
        circuit.failed(before, "a call from before");
        assert!(circuit.report()["probing_after"].is_string(), "{}", circuit.report());
        circuit.failed(probe, "still down");
        assert_eq!(circuit.report()["open_for_seconds"], 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_never_comes_back_makes_way_for_another() {
        let circuit = opened().await;
        tokio::time::advance(FIRST_PAUSE).await;
        assert_eq!(circuit.admit().unwrap(), Role::Probe);
        tokio::time::advance(PROBE_LIMIT).await;
        assert_eq!(circuit.admit().unwrap(), Role::Probe);
    }
}
