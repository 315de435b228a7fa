//! Leaving out twin updates that would change nothing but their time. What is remembered here only saves calls: another
//! instance may have written something else in between, or the device may have been created anew, and its twin then
//! waits for the interval at most.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::reported::Reported;
use crate::iot_hub::DeviceId;

/// Devices remembered.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// What was last written for each device, and when.
#[derive(Debug)]
pub(crate) struct Unchanged {
    interval: Duration,
    devices: Mutex<LruCache<DeviceId, Last>>,
}

/// What is known of a device's last update.
#[derive(Debug, Default)]
struct Last {
    /// Writes begun. Only the one begun last is known to be what the twin shows.
    begun: u64,
    written: Option<(u64, Instant)>,
    /// The kind of time and the time of the newest update left out since.
    left_out: Option<(&'static str, OffsetDateTime)>,
}

/// A write under way.
pub(super) struct Begun(u64);

impl Unchanged {
    /// At most one update without news in `interval`; zero lets all through.
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, devices: Mutex::new(LruCache::new(CAPACITY)) }
    }

    /// Whether an update says what the last one said, less than the interval ago. It is left out then.
    pub(super) fn leaves_out(&self, device_id: &DeviceId, reported: &Reported) -> bool {
        let Some(mut devices) = self.devices() else { return false };
        let Some(last) = devices.get_mut(device_id) else { return false };
        let is_no_news =
            last.written.is_some_and(|(hash, at)| at.elapsed() < self.interval && hash == hash_of(reported));
        if is_no_news {
            last.left_out = last.left_out.max(reported.time());
        }
        is_no_news
    }

    /// Whether an update is older than one left out, which the twin shows but for its time.
    pub(super) fn is_overtaken(&self, device_id: &DeviceId, reported: &Reported) -> bool {
        let Some(mut devices) = self.devices() else { return false };
        let left_out = devices.get(device_id).and_then(|last| last.left_out).zip(reported.time());
        left_out.is_some_and(|((kind, left_out), (own_kind, own))| kind == own_kind && own < left_out)
    }

    /// An update is about to be written. Until it is, and if it fails, nobody knows what the twin shows.
    pub(super) fn begin(&self, device_id: &DeviceId) -> Begun {
        let Some(mut devices) = self.devices() else { return Begun(0) };
        let last = devices.get_or_insert_mut_ref(device_id, Last::default);
        *last = Last { begun: last.begun + 1, ..Last::default() };
        Begun(last.begun)
    }

    /// An update was written.
    pub(super) fn note(&self, device_id: &DeviceId, reported: &Reported, Begun(begun): Begun) {
        let Some(mut devices) = self.devices() else { return };
        if let Some(last) = devices.get_mut(device_id).filter(|last| last.begun == begun) {
            last.written = Some((hash_of(reported), Instant::now()));
        }
    }

    /// `None` if all are let through.
    fn devices(&self) -> Option<MutexGuard<'_, LruCache<DeviceId, Last>>> {
        (!self.interval.is_zero()).then(|| self.devices.lock().unwrap_or_else(PoisonError::into_inner))
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
        assert!(!unchanged.leaves_out(&device_id, &reported(21, 0)));
        unchanged.note(&device_id, &reported(21, 0), unchanged.begin(&device_id));
        assert!(unchanged.leaves_out(&device_id, &reported(21, 5)));
        assert!(!unchanged.leaves_out(&device_id, &reported(22, 5)));
        assert!(!unchanged.leaves_out(&other, &reported(21, 5)));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!unchanged.leaves_out(&device_id, &reported(21, 59)));
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_interval_everything_is_news() {
        let device_id = DeviceId::new("sensor-1").unwrap();
        let unchanged = Unchanged::new(Duration::ZERO);
        unchanged.note(&device_id, &reported(21, 0), unchanged.begin(&device_id));
        assert!(!unchanged.leaves_out(&device_id, &reported(21, 0)));
    }

    #[test]
    fn everything_is_news_while_another_update_is_under_way_or_has_failed() {
        let device_id = DeviceId::new("sensor-1").unwrap();
        let unchanged = Unchanged::new(Duration::from_secs(60));
        let first = unchanged.begin(&device_id);
        let _fails = unchanged.begin(&device_id);
        unchanged.note(&device_id, &reported(21, 0), first);
        assert!(!unchanged.leaves_out(&device_id, &reported(21, 5)));
    }

    #[test]
    fn what_is_older_than_an_update_left_out_is_overtaken_by_it() {
        let device_id = DeviceId::new("sensor-1").unwrap();
        let unchanged = Unchanged::new(Duration::from_secs(60));
        unchanged.note(&device_id, &reported(21, 0), unchanged.begin(&device_id));
        assert!(!unchanged.is_overtaken(&device_id, &reported(22, 4)));
        assert!(unchanged.leaves_out(&device_id, &reported(21, 5)));
        assert!(unchanged.is_overtaken(&device_id, &reported(22, 4)));
        assert!(!unchanged.is_overtaken(&device_id, &reported(22, 6)));
        let join = Reported { patch: json!({"joinedAt": "2026-11-21T10:00:04Z"}), replaces_decoded_payload: false };
        assert!(!unchanged.is_overtaken(&device_id, &join), "it is of another kind");
        let _under_way = unchanged.begin(&device_id);
        assert!(!unchanged.is_overtaken(&device_id, &reported(22, 4)), "the twin shows something else");
    }
}
