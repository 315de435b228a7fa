//! How far triggers have read.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The host's checkpoint store. Clones share it, so a host given the store of another one resumes where that stopped.
#[derive(Debug, Clone, Default)]
pub struct Checkpoints(Arc<Mutex<BTreeMap<Key, i64>>>);

/// Whose position it is. Functions that share a consumer group share their positions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub namespace: String,
    pub event_hub_name: String,
    pub consumer_group: String,
    pub partition: usize,
}

impl Checkpoints {
    /// The next sequence number to read.
    pub(super) fn read(&self, key: &Key) -> i64 {
        self.lock().get(key).copied().unwrap_or_default()
    }

    pub(super) fn write(&self, key: &Key, next: i64) {
        self.lock().insert(key.clone(), next);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
