//! The newest time of each device that was written or seen here. An older message that comes after it has to look before
//! it writes.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use serde_json::Value;
use time::OffsetDateTime;

use super::reported::{Reported, TIMES, time_at};
use crate::iot_hub::DeviceId;

/// Devices remembered.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// For each device, the newest of each kind of time.
#[derive(Debug)]
pub(crate) struct Newest(Mutex<LruCache<DeviceId, [Option<OffsetDateTime>; TIMES.len()]>>);

impl Default for Newest {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }
}

impl Newest {
    /// Whether a newer update of the kind had its turn before this one, or was seen; notes this one.
    pub(super) fn is_overtaken(&self, device_id: &DeviceId, reported: &Reported) -> bool {
        let Some((path, at)) = reported.time() else { return false };
        let Some(kind) = TIMES.iter().position(|kind| *kind == path) else { return false };
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = &mut newest.get_or_insert_mut_ref(device_id, || [None; TIMES.len()])[kind];
        let is_overtaken = newest.is_some_and(|newest| newest > at);
        *newest = (*newest).max(Some(at));
        is_overtaken
    }

    /// Notes what a device's twin shows: others may have written it.
    pub(super) fn saw(&self, device_id: &DeviceId, twin: &Value) {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = newest.get_or_insert_mut_ref(device_id, || [None; TIMES.len()]);
        for (newest, path) in newest.iter_mut().zip(TIMES) {
            *newest = (*newest).max(time_at(&twin["reported"], path));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_older_update_of_the_same_device_and_kind_is_overtaken() {
        let newest = Newest::default();
        let (device_id, other) = (DeviceId::new("sensor-1").unwrap(), DeviceId::new("sensor-2").unwrap());
        let reported = |name: &str, second: u32| Reported {
            patch: json!({name: format!("2026-11-21T10:00:{second:02}Z")}),
            replaces_decoded_payload: false,
        };
        assert!(!newest.is_overtaken(&device_id, &reported("lastSeenAt", 5)));
        assert!(newest.is_overtaken(&device_id, &reported("lastSeenAt", 4)));
        assert!(newest.is_overtaken(&device_id, &reported("lastSeenAt", 3)), "an older one does not take its place");
        assert!(!newest.is_overtaken(&device_id, &reported("lastSeenAt", 5)), "the same time is not newer");
        assert!(!newest.is_overtaken(&device_id, &reported("joinedAt", 1)));
        assert!(!newest.is_overtaken(&other, &reported("lastSeenAt", 1)));
    }

    #[test]
    fn what_another_instance_has_written_overtakes_once_it_is_seen() {
        let newest = Newest::default();
        let device_id = DeviceId::new("sensor-1").unwrap();
        let patch = json!({"lastSeenAt": "2026-11-21T10:00:05Z"});
        newest.saw(&device_id, &json!({"reported": {"lastSeenAt": "2026-11-21T10:00:06Z", "joinedAt": 7}}));
        let older = Reported { patch, replaces_decoded_payload: false };
        assert!(newest.is_overtaken(&device_id, &older));
        newest.saw(&device_id, &json!({"reported": {"lastSeenAt": "2026-11-21T10:00:04Z"}}));
        assert!(newest.is_overtaken(&device_id, &older), "an older one does not take its place");
    }
}
