//! A device as The Things Stack has come to know it: what it saw last, and what it must not see any more.

use std::collections::HashSet;

use super::super::change::{KEYS, TAG, name};
use super::events::{Operation, Values};

/// One change's value of a key, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) value: u32,
    /// The incarnation of its device in which the value was set.
    pub(super) incarnation: u32,
    /// The event that brings it.
    pub(super) event: u32,
    pub(super) operation: Operation,
    /// Whether the event is the one that set the value; a late one brings values of the present, ahead of their own.
    pub(super) is_own: bool,
}

/// One device, from its arrivals.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    exists: bool,
    last: Values,
    newest: [Option<Arrival>; KEYS],
    seen: HashSet<(u8, u32)>,
    /// The newest incarnation of which something arrived, and the newest deleted.
    begun: Option<u32>,
    deleted: Option<u32>,
}

impl Mirror {
    /// The device was deleted; says what is wrong with that, if it is to be checked.
    pub(super) fn delete(&mut self, incarnation: u32, is_checked: bool) -> Option<String> {
        let is_late = is_checked && self.begun > Some(incarnation);
        self.deleted = self.deleted.max(Some(incarnation));
        (self.exists, self.last) = (false, Values::default());
        is_late.then(|| "the deletion behind a new creation".to_owned())
    }

    /// The device was created, or something of it changed. Says which values come behind newer ones. Repetitions of what
    /// was seen already do not, nor do tags, which have no versions: they count only by what they leave behind.
    pub(super) fn change(&mut self, arrivals: [Option<Arrival>; KEYS]) -> Vec<String> {
        let mut wrong = Vec::new();
        self.exists = true;
        for (key, arrival) in arrivals.into_iter().enumerate() {
            let Some(arrival) = arrival else { continue };
            let is_new = self.seen.insert((key as u8, arrival.value));
            let (value, name) = (arrival.value, name(key));
            if is_new && self.deleted >= Some(arrival.incarnation) {
                wrong.push(format!("{name} = {value} behind the device's deletion"));
            } else if let Some(newer) =
                self.newest[key].filter(|newest| is_new && newest.is_own && key != TAG && newest.value > value)
            {
                let Arrival { value: newest, event, operation, .. } = newer;
                wrong
                    .push(format!("{name} = {value} behind {newest}, which hub event {event} ({operation:?}) brought"));
            }
            if self.newest[key].is_none_or(|newest| newest.value < value) {
                self.newest[key] = Some(arrival);
            }
            if arrival.is_own {
                self.begun = self.begun.max(Some(arrival.incarnation));
            }
            self.last[key] = Some(value);
        }
        wrong
    }

    /// The last value that arrived since the device's deletion.
    pub(super) fn last(&self, key: usize) -> Option<u32> {
        self.last.get(key).copied().flatten()
    }

    /// The newest value that ever arrived.
    pub(super) fn newest(&self, key: usize) -> Option<u32> {
        self.newest.get(key).copied().flatten().map(|newest| newest.value)
    }

    /// Whether there was a creation or a change since the device's deletion.
    pub(super) fn exists(&self) -> bool {
        self.exists
    }
}

const _: () = assert!(KEYS <= u8::MAX as usize);
