//! How far a batch of events came, whichever way they are delivered.

use super::triage::Candidate;
use crate::error::Error;

/// What became of a batch's events; those not delivered are in the order of the batch, with the reason.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    pub(super) delivered: usize,
    /// What will never be taken.
    pub(super) refused: Vec<(Candidate, Error)>,
    /// What may be taken later and concerns one device only: nothing else waits for it.
    pub(super) set_aside: Vec<(Candidate, Error)>,
    /// What may be taken later. The batch waits for it.
    pub(super) left: Vec<(Candidate, Error)>,
}

impl Delivery {
    /// Notes an event that is not delivered.
    pub(super) fn failed(&mut self, candidate: Candidate, error: Error) {
        let place = match &error {
            error if !error.is_transient() => &mut self.refused,
            error if error.is_about_one_device() => &mut self.set_aside,
            _ => &mut self.left,
        };
        place.push((candidate, error));
    }
}
