//! Which events this process has lately submitted, so that a repeated batch does not submit them again. It only saves
//! work: an event forgotten here is submitted twice, which at-least-once delivery may do anyway.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

/// Events remembered: several of the largest batches on every partition.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();

/// An event's place in the Event Hub. The time tells it from an event of a hub made anew under the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) partition_id: String,
    pub(crate) sequence_number: i64,
    pub(crate) enqueued_time: String,
}

/// The places of events submitted.
#[derive(Debug)]
pub(crate) struct Submitted(Mutex<LruCache<Place, ()>>);

impl Submitted {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }

    pub(super) fn note(&self, place: Place) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(place, ());
    }

    pub(super) fn contains(&self, place: &Place) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(place).is_some()
    }
}
