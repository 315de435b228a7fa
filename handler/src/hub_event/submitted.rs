//! What became of the events this process has lately submitted, so that a repeated batch does not submit them again. An
//! event forgotten here is submitted twice, which at-least-once delivery may do anyway.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;

use crate::error::Error;

/// Events remembered: several of the largest batches that `host.json` allows, on each of 32 partitions.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(16_000).unwrap();

/// An event's place in the Event Hub, small enough to remember many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    sequence_number: i64,
    /// Of the partition, and of the time, which tells an event from one of a hub made anew under the same name.
    hash: u64,
}

impl Place {
    pub(crate) fn new(partition_id: &str, sequence_number: i64, enqueued_time: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (partition_id, enqueued_time).hash(&mut hasher);
        Self { sequence_number, hash: hasher.finish() }
    }
}

/// The places of events submitted, with the reason if they were refused for good.
#[derive(Debug)]
pub(crate) struct Submitted(Mutex<LruCache<Place, Option<Error>>>);

impl Submitted {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }

    /// Notes that an event was taken.
    pub(super) fn note(&self, place: Place) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(place, None);
    }

    /// Notes that an event was refused for good: newer ones go on without it, and it must not come behind them.
    pub(super) fn note_refused(&self, place: Place, reason: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(place, Some(reason));
    }

    /// What became of an event, if it was submitted.
    pub(super) fn outcome(&self, place: &Place) -> Option<Result<(), Error>> {
        let reason = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned()?;
        Some(reason.map_or(Ok(()), Err))
    }
}
