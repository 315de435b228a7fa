//! Somebody who watches the application package, so that it need not remember everything itself.

use std::fmt;
use std::time::Instant;

use super::fault::Effect;
use super::packages::SubmittedEvent;

/// Sees what the package accepts and what faults do.
pub trait Observer: fmt::Debug + Send + Sync {
    /// The package accepted these events, in this order; without an answer if the connection is to end before one. The
    /// request had arrived at that instant: whatever it waited for since, it cannot know more.
    fn submitted(&self, events: Vec<SubmittedEvent>, is_answered: bool, arrived: Instant);

    /// Faults met a request with this body.
    fn spoiled(&self, body: &[u8], effects: &[Effect]);
}
