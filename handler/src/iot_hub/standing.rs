//! What was lately learnt about devices the hub did not let send. Bounded, and only ever saves calls: a device
//! forgotten here is looked up again.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

use super::DeviceId;

/// Devices remembered.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// How long a disabled device costs no registry call. It may send again the moment it is enabled: every message is
/// still offered to the hub.
const DISABLED_FOR: Duration = Duration::from_secs(5 * 60);

/// How long a device that is enabled, and refused all the same, costs no registry call.
pub(super) const REFUSED_FOR: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
enum Standing {
    KnownSince(Instant),
    DisabledAt(Instant),
    RefusedAt(Instant),
}

#[derive(Debug)]
pub(super) struct Standings(Mutex<LruCache<DeviceId, Standing>>);

impl Standings {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }

    pub(super) fn note_known(&self, device_id: &DeviceId) {
        self.lock().put(device_id.clone(), Standing::KnownSince(Instant::now()));
    }

    pub(super) fn note_refused(&self, device_id: &DeviceId) {
        self.lock().put(device_id.clone(), Standing::RefusedAt(Instant::now()));
    }

    pub(super) fn note_disabled(&self, device_id: &DeviceId) {
        self.lock().put(device_id.clone(), Standing::DisabledAt(Instant::now()));
    }

    /// Whether the registry was found to have the device after `since`.
    pub(super) fn is_known_since(&self, device_id: &DeviceId, since: Instant) -> bool {
        matches!(self.lock().get(device_id), Some(Standing::KnownSince(at)) if *at >= since)
    }

    pub(super) fn is_refused(&self, device_id: &DeviceId) -> bool {
        matches!(self.lock().get(device_id), Some(Standing::RefusedAt(at)) if at.elapsed() < REFUSED_FOR)
    }

    pub(super) fn is_disabled(&self, device_id: &DeviceId) -> bool {
        matches!(self.lock().get(device_id), Some(Standing::DisabledAt(at)) if at.elapsed() < DISABLED_FOR)
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<DeviceId, Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
