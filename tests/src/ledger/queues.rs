//! The handler's queues, looked into from outside.

use std::collections::HashMap;

use time::OffsetDateTime;

use super::books::{Fate, Subject};

/// A queue in which an item counts as kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Queue {
    /// To be tried again.
    Parked,
    /// Tried too often.
    Poison,
    /// For a person.
    DeadLetter,
}

impl Queue {
    /// All there are.
    pub(super) const ALL: [Self; 3] = [Self::Parked, Self::Poison, Self::DeadLetter];

    /// By its name; `None` for a queue of somebody else.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.name() == name)
    }

    /// As the storage account calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Parked => "parked",
            Self::Poison => "parked-poison",
            Self::DeadLetter => "dead-letter",
        }
    }
}

/// Which items lay in which queue at one moment.
#[derive(Debug, Default)]
pub(super) struct Held(HashMap<Subject, Queue>);

impl Held {
    /// The first queue of an item counts.
    pub(super) fn add(&mut self, subject: Subject, queue: Queue) {
        self.0.entry(subject).or_insert(queue);
    }

    /// What its queue means for an item; `None` if it is in none.
    pub(super) fn fate_of(&self, subject: Subject) -> Option<Fate> {
        self.0.get(&subject).map(|queue| match queue {
            Queue::Parked | Queue::Poison => Fate::Parked,
            Queue::DeadLetter => Fate::DeadLettered,
        })
    }

    /// Everything with its queue.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Subject, Queue)> + '_ {
        self.0.iter().map(|(subject, queue)| (*subject, *queue))
    }
}

/// One look into all queues. Items seen in the look before are not read again.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) held: Held,
    /// By queue and hash of the text; `None` for what nobody can read.
    pub(super) items: HashMap<(Queue, u64), Option<Seen>>,
}

/// One item, as far as the ledger cares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) subject: Subject,
    pub(super) not_before: Option<OffsetDateTime>,
}

impl Look {
    /// Parked items that will be tried before a time; `None` for one nobody can read.
    pub(super) fn due_before(&self, time: OffsetDateTime) -> impl Iterator<Item = Option<Subject>> {
        let parked = self.items.iter().filter(|((queue, _), _)| *queue == Queue::Parked);
        let due = parked.filter(move |(_, seen)| seen.is_none_or(|seen| seen.not_before.is_none_or(|at| at < time)));
        due.map(|(_, seen)| seen.map(|seen| seen.subject))
    }
}
