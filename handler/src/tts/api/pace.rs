//! Keeping to the API's rate limits. Its headers tell how many requests are left before one is refused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, Peer};

/// How long a refused request waits that is not told how long.
const UNTOLD: Duration = Duration::from_secs(1);

/// Longest a single answer can hold further requests back; more is a mistake, or an operator's business.
const LONGEST: Duration = Duration::from_secs(60);

/// When the next request may go. Limits are kept per method and entity; here the strictest holds for all, since the
/// requests of one device's event hang together anyway.
#[derive(Debug, Default)]
pub(super) struct Pace {
    not_before: Mutex<Option<Instant>>,
}

impl Pace {
    /// Waits until a request may go.
    ///
    /// # Errors
    /// [`Error::NotAsked`] if that is after `deadline`.
    pub(super) async fn wait(&self, deadline: Instant) -> Result<(), Error> {
        while let Some(at) = self.held_until() {
            if at > deadline {
                let what = "its rate limit leaves no request within the time there is".to_owned();
                return Err(Error::NotAsked { peer: Peer::Tts, what, wait: at - Instant::now() });
            }
            // Those who waited for the same moment do not all go at once.
            sleep_until(at + Duration::from_millis(fastrand::u64(0..50))).await;
        }
        Ok(())
    }

    /// Takes an answer's rate-limit headers into account.
    pub(super) fn note(&self, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.parse::<f64>().ok().filter(|n| n.is_finite());
        let is_used_up = number("X-Rate-Limit-Available") == Some(0.0);
        let wait = match (number("X-Rate-Limit-Retry"), number("X-Rate-Limit-Reset"), number("X-Rate-Limit-Limit")) {
            (Some(retry), _, _) if is_used_up && retry > 0.0 => retry,
            // The time until one more request is allowed, if they come back evenly.
            (_, Some(reset), Some(limit)) if is_used_up && limit >= 1.0 => reset / limit,
            _ => return,
        };
        self.hold(Duration::try_from_secs_f64(wait.max(0.0)).unwrap_or(LONGEST));
    }

    /// Lets no request go for a while.
    pub(super) fn hold(&self, wait: Duration) {
        let until = Instant::now() + wait.min(LONGEST);
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = Some(not_before.map_or(until, |at| at.max(until)));
    }

    fn held_until(&self) -> Option<Instant> {
        let not_before = *self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.filter(|at| *at > Instant::now())
    }
}

/// Seconds until the next request is allowed; this API has its own header instead of `Retry-After`.
pub(in crate::tts) fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers.get("X-Rate-Limit-Retry").and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(UNTOLD)
}
