//! The queues' names, as settings and as people say them.

use std::sync::Arc;

use super::failure::Failure;
use crate::storage_queue::{QueueService, StorageQueue, is_queue_name};

/// The queues of the function app.
pub(super) struct Queues {
    service: Arc<QueueService>,
    parked: String,
    dead_letter: String,
}

impl Queues {
    pub(super) fn new(service: Arc<QueueService>, parked: &str, dead_letter: &str) -> Self {
        Self { service, parked: parked.to_owned(), dead_letter: dead_letter.to_owned() }
    }

    pub(super) fn parked(&self) -> StorageQueue {
        self.service.queue(&self.parked)
    }

    /// The queue that plays this part, or has this name.
    pub(super) fn named(&self, word: &str) -> Result<StorageQueue, Failure> {
        match word {
            "parked" => Ok(self.parked()),
            "dead-letter" => Ok(self.service.queue(&self.dead_letter)),
            // The Functions host moves what it gives up to a queue of this name.
            "parked-poison" => Ok(self.service.queue(&format!("{}-poison", self.parked))),
            name if is_queue_name(name) => Ok(self.service.queue(name)),
            _ => Err(Failure::Usage(format!(
                "--queue: found {word:?}, expected dead-letter, parked, parked-poison or a queue's name (3 to 63 lower-case letters, digits and single inner dashes)"
            ))),
        }
    }
}
