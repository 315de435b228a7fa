//! A device as The Things Stack has come to know it: what it saw last, and what it must not see any more.

use std::collections::HashSet;

use super::super::change::{KEYS, TAG, name};
use super::event::{Event, Operation, Values};

/// One change's value of a key, and where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) value: u32,
    /// The event that set the value, and the incarnation of its device then.
    pub(super) origin: u32,
    pub(super) incarnation: u32,
    /// The event that brings it.
    pub(super) event: u32,
    pub(super) operation: Operation,
    /// Whether the event is the one that set the value; a late one brings values of the present, ahead of their own.
    pub(super) is_own: bool,
    /// Whether the handler brings it as the present state, in an event of its own.
    pub(super) is_restored: bool,
    /// Whether it was out of date only when the event was under way already.
    pub(super) is_raced: bool,
}

impl Arrival {
    /// A value that `origin` set, brought by nobody yet.
    pub(super) fn of(value: u32, number: u32, origin: &Event, is_raced: bool) -> Self {
        let (incarnation, operation) = (origin.incarnation, Operation::Update);
        let (is_own, is_restored) = (false, false);
        Self { value, origin: number, incarnation, event: number, operation, is_own, is_restored, is_raced }
    }
}

/// Something that comes too late, perhaps because of a race.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) is_raced: bool,
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
    /// Whether something of a later incarnation arrived.
    pub(super) fn has_begun_after(&self, incarnation: u32) -> bool {
        self.begun > Some(incarnation)
    }

    /// The device was deleted, in the stream's course or without an incarnation by the handler's own word. A late
    /// deletion that raced takes no desired value back: what was sent to a device is not sent again.
    pub(super) fn delete(&mut self, incarnation: Option<u32>, is_late: bool, is_raced: bool) -> Option<Wrong> {
        self.deleted = self.deleted.max(incarnation);
        self.exists = false;
        if is_late && is_raced {
            self.last[TAG] = None;
        } else {
            self.last = Values::default();
        }
        is_late.then(|| Wrong { what: "the deletion behind a new creation".to_owned(), is_raced })
    }

    /// The device was created, or something of it changed. Says which values come too late.
    pub(super) fn change(&mut self, arrivals: [Option<Arrival>; KEYS]) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        self.exists = true;
        for (key, arrival) in arrivals.into_iter().enumerate() {
            let Some(arrival) = arrival else { continue };
            let is_new = self.seen.insert((key as u8, arrival.value)) || arrival.is_restored;
            let is_raced = arrival.is_raced;
            let late = self.late(key, arrival);
            // A race lost leaves what was sent to the device last, and newer values are not sent again.
            if key == TAG || !is_raced || late.is_none() {
                self.last[key] = Some(arrival.value);
            }
            wrong.extend(late.filter(|_| is_new || is_raced).map(|what| Wrong { what, is_raced }));
            if self.newest[key].is_none_or(|newest| newest.value < arrival.value) {
                self.newest[key] = Some(arrival);
            }
            if arrival.is_own {
                self.begun = self.begun.max(Some(arrival.incarnation));
            }
        }
        wrong
    }

    /// What a value comes behind. Tags have no versions, and count only by what they leave behind, unless the handler
    /// itself says that they are the present ones.
    fn late(&self, key: usize, arrival: Arrival) -> Option<String> {
        let (value, name) = (arrival.value, name(key));
        if self.deleted >= Some(arrival.incarnation) {
            return Some(format!("{name} = {value} behind the device's deletion"));
        }
        let is_ordered = key != TAG || arrival.is_restored;
        let newer = self.newest[key].filter(|newest| is_ordered && newest.is_own && newest.value > value)?;
        let Arrival { value: newest, event, operation, .. } = newer;
        Some(format!("{name} = {value} behind {newest}, which hub event {event} ({operation:?}) brought"))
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
