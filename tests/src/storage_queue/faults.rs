//! Puts that fail on demand.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::QueueError;

/// Which puts fail, with 503 `ServerBusy` and nothing stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutFault {
    /// So many from now on.
    Next(usize),
    /// All until [`Queues::clear_faults`].
    UntilCleared,
}

/// What is still to fail.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Option<PutFault>>);

impl Faults {
    pub(super) fn set(&self, fault: Option<PutFault>) {
        *self.lock() = fault;
    }

    /// Fails if this put is to fail.
    pub(super) fn spend(&self) -> Result<(), QueueError> {
        match &mut *self.lock() {
            None | Some(PutFault::Next(0)) => return Ok(()),
            Some(PutFault::Next(left)) => *left -= 1,
            Some(PutFault::UntilCleared) => {}
        }
        Err(QueueError::service(503, "ServerBusy"))
    }

    fn lock(&self) -> MutexGuard<'_, Option<PutFault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
