//! Keeping to the API's rate limits. Its headers tell how many requests are left before one is refused.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, Peer};

/// How long a refused request waits that is not told how long.
const UNTOLD: Duration = Duration::from_secs(1);

/// Longest a single answer can hold further requests back; more is a mistake, or an operator's business.
const LONGEST: Duration = Duration::from_secs(60);

/// Shortest time a request is worth sending in.
const SHORTEST: Duration = Duration::from_secs(1);

/// What a limit is kept for: a path, as a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) u64);

/// When the next request may go. The Things Stack keeps a limit for each path, so that a device that is busy holds up no
/// other.
#[derive(Debug, Default)]
pub(super) struct Pace {
    not_before: Mutex<HashMap<Key, Instant>>,
}

impl Pace {
    /// Waits until a request may go.
    ///
    /// # Errors
    /// [`Error::NotAsked`] if that is less than a second before `deadline`.
    pub(super) async fn wait(&self, key: Key, deadline: Instant) -> Result<(), Error> {
        let no_time = |what: &str, wait| Error::NotAsked { peer: Peer::Tts, what: what.to_owned(), wait };
        while let Some(at) = self.held_until(key) {
            if at + SHORTEST > deadline {
                let what = "its rate limit leaves no request within the time there is";
                return Err(no_time(what, at.saturating_duration_since(Instant::now())));
            }
            // Those who waited for the same moment do not all go at once.
            sleep_until(at + Duration::from_millis(fastrand::u64(0..50))).await;
        }
        if Instant::now() + SHORTEST > deadline {
            return Err(no_time("too little time was left to ask it", SHORTEST));
        }
        Ok(())
    }

    /// Takes an answer's rate-limit headers into account.
    pub(super) fn note(&self, key: Key, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<f64>().ok().filter(|n| n.is_finite());
        let is_used_up = number("X-Rate-Limit-Available") == Some(0.0);
        let wait = match (number("X-Rate-Limit-Retry"), number("X-Rate-Limit-Reset"), number("X-Rate-Limit-Limit")) {
            (Some(retry), _, _) if is_used_up && retry > 0.0 => retry,
            // The time until one more request is allowed, if they come back evenly.
            (_, Some(reset), Some(limit)) if is_used_up && limit >= 1.0 => reset / limit,
            _ => return,
        };
        self.hold(key, Duration::try_from_secs_f64(wait.max(0.0)).unwrap_or(LONGEST));
    }

    /// Lets no request go for a while.
    pub(super) fn hold(&self, key: Key, wait: Duration) {
        let now = Instant::now();
        let until = now + wait.min(LONGEST);
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.retain(|_, at| *at > now);
        not_before.entry(key).and_modify(|at| *at = until.max(*at)).or_insert(until);
    }

    fn held_until(&self, key: Key) -> Option<Instant> {
        let not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.get(&key).copied().filter(|at| *at > Instant::now())
    }
}

/// Seconds until the next request is allowed; this API has its own header instead of `Retry-After`.
pub(in crate::tts) fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get("X-Rate-Limit-Retry").and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(UNTOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_device_holds_up_no_other_and_too_little_time_is_not_used() {
        let pace = Pace::default();
        let in_five_seconds = Instant::now() + Duration::from_secs(5);
        pace.hold(Key(1), Duration::from_secs(30));
        let refused = pace.wait(Key(1), in_five_seconds).await;
        assert!(matches!(refused, Err(Error::NotAsked { wait, .. }) if wait > Duration::from_secs(20)), "{refused:?}");
        assert!(pace.wait(Key(2), in_five_seconds).await.is_ok());
        let soon = Instant::now() + SHORTEST / 2;
        assert!(matches!(pace.wait(Key(2), soon).await, Err(Error::NotAsked { wait: SHORTEST, .. })));
    }

    #[test]
    fn what_is_held_no_longer_is_forgotten() {
        let pace = Pace::default();
        (0..100).for_each(|key| pace.hold(Key(key), Duration::ZERO));
        pace.hold(Key(0), Duration::from_secs(1));
        assert_eq!(pace.not_before.lock().unwrap().len(), 1);
    }
}
