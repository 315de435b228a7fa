//! Keeping to the hub's throttles: what would be too much waits, or is left for later.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::error::{Error, Peer};

/// How much this instance may do, of what the hub's tier allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// New connections in a second.
    pub connections_per_second: u32,
    /// Updates of reported properties in a second; a reading of a twin counts as one.
    pub twin_updates_per_second: u32,
}

/// A rate that may not be exceeded. A second's worth may come at once.
#[derive(Debug)]
pub(super) struct Rate {
    what: &'static str,
    interval: Duration,
    burst: Duration,
    /// When the rate would be used up evenly by what was let through.
    next: Mutex<Option<Instant>>,
}

impl Rate {
    pub(super) fn new(what: &'static str, per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { what, interval, burst: Duration::from_secs(1), next: Mutex::new(None) }
    }

    /// Waits for a turn, for half of the time until `give_up` at most: the other half is for what it is the turn of. Or
    /// else, whenever there is a little too much to do, every turn would be spent on what is then given up.
    ///
    /// # Errors
    /// [`Error::NotAsked`] if the turn would come later; it is not used up then.
    pub(super) async fn turn(&self, give_up: Instant) -> Result<(), Error> {
        let at = self.reserve(give_up)?;
        sleep_until(at).await;
        Ok(())
    }

    fn reserve(&self, give_up: Instant) -> Result<Instant, Error> {
        let now = Instant::now();
        let latest = now + give_up.saturating_duration_since(now) / 2;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let used_until = next.map_or(now, |next| next.max(now));
        let at = used_until.checked_sub(self.burst - self.interval).map_or(now, |at| at.max(now));
        if at > latest {
            let what = format!("{} are used up for {} ms", self.what, (at - now).as_millis());
            return Err(Error::NotAsked { peer: Peer::IotHub, what, wait: at - now });
        }
        *next = Some(used_until + self.interval);
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_seconds_worth_comes_at_once_and_the_rest_evenly() {
        let rate = Rate::new("turns", 10);
        let began = Instant::now();
        let far = began + Duration::from_secs(60);
        for _ in 0..10 {
            rate.turn(far).await.unwrap();
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
        for _ in 0..10 {
            rate.turn(far).await.unwrap();
        }
        let elapsed = began.elapsed();
        assert!(elapsed >= Duration::from_millis(990) && elapsed <= Duration::from_millis(1_010), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_would_come_too_late_is_refused_and_not_used_up() {
        let rate = Rate::new("turns", 1);
        rate.turn(Instant::now()).await.unwrap();
        for _ in 0..5 {
            let error = rate.turn(Instant::now() + Duration::from_millis(1_900)).await.unwrap_err();
            assert_eq!(error.retry(), Some(crate::error::Retry::After(Duration::from_secs(1))), "{error}");
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        rate.turn(Instant::now()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_leaves_as_much_time_as_was_waited_for_it() {
        let rate = Rate::new("turns", 10);
        let (now, give_up) = (Instant::now(), Instant::now() + Duration::from_secs(2));
        let waits: Vec<_> = (0..100).filter_map(|_| rate.reserve(give_up).ok()).map(|at| at - now).collect();
        assert_eq!((waits.len(), waits.last()), (20, Some(&Duration::from_secs(1))));
    }
}
