//! The account of every hub event that goes to the ordinary API: what it asks for, and what The Things Stack did.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::super::books::identity;
use super::asks::Asks;

/// Longest one try of a parked event takes, the handler's own limit: what it knows of the twin is no older.
const ONE_TRY: Duration = Duration::from_secs(30);

/// Twin reads remembered of each device.
const MOST_READS: usize = 256;

/// One event as the hub sent it.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) asks: Asks,
    /// Counts the creations of its device.
    pub(super) incarnation: u32,
    /// When the hub sent it.
    pub(super) sent: Instant,
    /// Its partition, and its number there.
    place: (usize, i64),
    /// Whether it was put into a queue.
    pub(super) has_waited: bool,
    /// Whether its batch was done when its device was deleted, which is no excuse then.
    pub(super) was_handled: bool,
    /// How often its downlink was accepted.
    pub(super) accepted: u32,
    /// Whether The Things Stack has its downlink, or has sent it.
    pub(super) is_delivered: bool,
    /// Whether the device has taken its downlink, or a newer one has replaced it.
    pub(super) is_taken: bool,
}

/// A device as the hub has it.
#[derive(Debug, Default)]
pub(super) struct Device {
    pub(super) incarnation: u32,
    pub(super) deleted_by: Option<u32>,
    /// The numbers of its events.
    pub(super) events: Vec<u32>,
    /// When the handler has lately read its twin.
    reads: VecDeque<Instant>,
}

/// What became of downlinks through the ordinary API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Downlinks {
    /// Downlinks accepted, each counted once.
    pub accepted: u64,
    /// Downlinks that newer ones of the same property, or the device's deletion, made pointless.
    pub superseded: u64,
    /// Downlinks accepted again after the device had taken the first, which no look into the queue can show.
    pub doubled_in_window: u64,
    /// Replacements made again while they were in the queue: the device gets one.
    pub replaced_again: u64,
    /// Downlinks behind a newer one that came while they were under way.
    pub raced: u64,
    /// Downlinks that a deletion or an older replacement took from the queue before the device did.
    pub wiped: u64,
    /// Devices some servers have and some not, whose event waits for a person.
    pub half_registered: u64,
}

impl fmt::Display for Downlinks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, superseded, doubled_in_window, replaced_again, raced, wiped, half_registered } = self;
        write!(
            formatter,
            "downlinks: accepted {accepted} · superseded {superseded} · doubled in the window {doubled_in_window} · replaced \
             again {replaced_again} · raced {raced} · gone with their queue {wiped}; devices half registered: \
             {half_registered}"
        )
    }
}

/// All events, in the order in which the hub sent them.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Account {
    pub(super) log: Vec<Event>,
    by_identity: HashMap<u64, u32>,
    pub(super) by_downlink: HashMap<u32, u32>,
    pub(super) devices: BTreeMap<u32, Device>,
    /// How far each partition was read, lately.
    pub(in crate::ledger) read_up_to: Vec<i64>,
    /// When the handler died.
    pub(in crate::ledger) last_death: Option<Instant>,
    pub(in crate::ledger) downlinks: Downlinks,
}

impl Account {
    /// How many events the hub has sent.
    pub(in crate::ledger) fn count(&self) -> usize {
        self.log.len()
    }

    /// The hub sent an event; its number and what it asks for, unless it is about nothing the ledger knows.
    pub(in crate::ledger) fn sent(
        &mut self,
        properties: &Map<String, Value>,
        body: &Value,
        place: (usize, i64),
    ) -> Option<(u32, Asks)> {
        let number = u32::try_from(self.log.len()).ok()?;
        let asks = Asks::of(properties, body)?;
        let device = self.devices.entry(asks.device).or_default();
        if asks.is_creation {
            (device.incarnation, device.deleted_by) = (device.incarnation + 1, None);
        }
        if asks.is_deletion {
            device.deleted_by = Some(number);
        }
        device.events.push(number);
        self.by_identity.insert(identity(properties), number);
        if let Some(wanted) = asks.downlink {
            self.by_downlink.insert(wanted.number, number);
        }
        self.log.push(Event {
            asks,
            incarnation: device.incarnation,
            sent: Instant::now(),
            place,
            has_waited: false,
            was_handled: false,
            accepted: 0,
            is_delivered: false,
            is_taken: false,
        });
        if asks.is_deletion {
            self.note_handled(asks.device);
        }
        Some((number, asks))
    }

    /// A device is deleted: notes which of its events have been handled before.
    fn note_handled(&mut self, device: u32) {
        let Some(Device { events, incarnation, .. }) = self.devices.get(&device) else { return };
        for number in events {
            let event = &mut self.log[*number as usize];
            let (partition, sequence_number) = event.place;
            let is_read = self.read_up_to.get(partition).is_some_and(|read| *read > sequence_number);
            event.was_handled |= is_read && event.incarnation == *incarnation;
        }
    }

    /// The number of an event, by what it looks like anywhere.
    pub(in crate::ledger) fn number(&self, properties: &Map<String, Value>) -> Option<u32> {
        self.by_identity.get(&identity(properties)).copied()
    }

    /// An event goes into a queue; its device.
    pub(in crate::ledger) fn kept(&mut self, number: u32) -> Option<u32> {
        let event = self.log.get_mut(number as usize)?;
        event.has_waited = true;
        Some(event.asks.device)
    }

    /// The device of an event.
    pub(in crate::ledger) fn device_of(&self, number: u32) -> Option<u32> {
        self.log.get(number as usize).map(|event| event.asks.device)
    }

    /// The devices there have been.
    pub(in crate::ledger) fn devices(&self) -> Vec<u32> {
        self.devices.keys().copied().collect()
    }

    /// The handler was told a device's twin.
    pub(in crate::ledger) fn twin_read(&mut self, device: u32, at: Instant) {
        let reads = &mut self.devices.entry(device).or_default().reads;
        if reads.len() == MOST_READS {
            reads.pop_front();
        }
        reads.push_back(at);
    }

    /// Whether a request of now may come from a try that read the device's twin before an event was sent.
    pub(super) fn may_not_know(&self, device: u32, event: u32, now: Instant) -> bool {
        let (Some(device), Some(event)) = (self.devices.get(&device), self.log.get(event as usize)) else {
            return false;
        };
        let is_of_the_try = |read: &&Instant| now.duration_since(**read) <= ONE_TRY;
        device.reads.iter().filter(is_of_the_try).any(|read| *read < event.sent)
    }
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
