//! Leaving out twin updates that would change nothing but their time. What is remembered here only saves calls: another
//! instance may have written something else in between, or the device may have been created anew, and its twin then
//! waits for the interval at most.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use super::reported::Reported;
use crate::iot_hub::DeviceId;

/// Devices remembered.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// What was last written for each device, and when.
#[derive(Debug)]
pub(crate) struct Unchanged {
    interval: Duration,
    last: Mutex<LruCache<DeviceId, (u64, Instant)>>,
}

impl Unchanged {
    /// At most one update without news in `interval`; zero lets all through.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, last: Mutex::new(LruCache::new(CAPACITY)) }
    }

    /// Whether an update says what the last one said, less than the interval ago.
    pub(super) fn is_no_news(&self, device_id: &DeviceId, reported: &Reported) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.get(device_id).is_some_and(|(hash, at)| *hash == hash_of(reported) && at.elapsed() < self.interval)
    }

    /// An update was written.
    pub(super) fn note(&self, device_id: &DeviceId, reported: &Reported) {
        if self.interval > Duration::ZERO {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.put(device_id.clone(), (hash_of(reported), Instant::now()));
        }
    }
}

fn hash_of(reported: &Reported) -> u64 {
    let mut hasher = DefaultHasher::new();
    reported.without_its_time().to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reported(temperature: u32, second: u32) -> Reported {
        Reported {
            patch: json!({"lastSeenAt": format!("2026-11-21T10:00:{second:02}Z"), "decodedPayload": {"t": temperature}}),
            replaces_decoded_payload: false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_again_is_no_news_until_the_interval_is_over() {
        let (device_id, other) = (DeviceId::new("sensor-1").unwrap(), DeviceId::new("sensor-2").unwrap());
        let unchanged = Unchanged::new(Duration::from_secs(60));
        assert!(!unchanged.is_no_news(&device_id, &reported(21, 0)));
        unchanged.note(&device_id, &reported(21, 0));
        assert!(unchanged.is_no_news(&device_id, &reported(21, 5)));
        assert!(!unchanged.is_no_news(&device_id, &reported(22, 5)));
        assert!(!unchanged.is_no_news(&other, &reported(21, 5)));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!unchanged.is_no_news(&device_id, &reported(21, 59)));
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_interval_everything_is_news() {
        let device_id = DeviceId::new("sensor-1").unwrap();
        let unchanged = Unchanged::new(Duration::ZERO);
        unchanged.note(&device_id, &reported(21, 0));
        assert!(!unchanged.is_no_news(&device_id, &reported(21, 0)));
    }
}
