//! The account of every hub event: what it changed, and when The Things Stack saw it.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::{Map, Value};

use super::super::change::{KEYS, values};
use super::super::uplink::device_number;
use super::event::{Circumstances, Event, Operation, Values, desired_version, identity, is_handlers_own};
use super::mirror::{Arrival, Mirror, Wrong};

/// A device as the hub has it.
#[derive(Debug, Default)]
pub(super) struct Device {
    pub(super) incarnation: u32,
    pub(super) deleted_by: Option<u32>,
    pub(super) mirror: Mirror,
    /// The numbers of its events.
    events: Vec<u32>,
}

/// What is wrong with an arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) enum Finding {
    /// Applied again although the handler had been told that it was applied, and had not died since.
    Doubled(u32),
    /// What it brings comes too late.
    Reordered(u32, String),
    /// What it brings looks newer than it is.
    Misversioned(u32, String),
    /// No event of the hub.
    Stranger(String),
}

/// All events, in the order in which the hub sent them.
#[derive(Debug, Default)]
pub(in crate::ledger) struct Events {
    pub(super) log: Vec<Event>,
    by_identity: HashMap<u64, u32>,
    pub(super) by_value: HashMap<u32, u32>,
    pub(super) devices: HashMap<u32, Device>,
    /// Further arrivals of events that had arrived.
    pub(in crate::ledger) repeated: u64,
    /// What came too late because the device changed while it was under way.
    pub(in crate::ledger) raced: u64,
    /// The handler's own events.
    pub(in crate::ledger) corrections: u64,
    /// Events that arrived, each counted once.
    pub(in crate::ledger) applied: u64,
}

impl Events {
    /// How many the hub has sent.
    pub(in crate::ledger) fn count(&self) -> usize {
        self.log.len()
    }

    /// The hub sent an event; its number, unless it is about nothing the ledger knows.
    pub(in crate::ledger) fn sent(
        &mut self,
        properties: &Map<String, Value>,
        body: &Value,
        sent: Instant,
    ) -> Option<u32> {
        let number = u32::try_from(self.log.len()).ok()?;
        let device_number = device_number(properties.get("deviceId")?.as_str()?)?;
        let operation = Operation::of(properties)?;
        let device = self.devices.entry(device_number).or_default();
        match operation {
            Operation::Create => (device.incarnation, device.deleted_by) = (device.incarnation + 1, None),
            Operation::Delete => device.deleted_by = Some(number),
            Operation::Update => {}
        }
        device.events.push(number);
        let values = if operation == Operation::Delete { Values::default() } else { values(body) };
        self.by_value.extend(values.iter().flatten().map(|value| (*value, number)));
        self.by_identity.insert(identity(properties), number);
        let incarnation = device.incarnation;
        let (arrivals, answered, deaths) = (0, false, 0);
        let (device, version) = (device_number, desired_version(body));
        self.log.push(Event { device, operation, incarnation, values, version, sent, arrivals, answered, deaths });
        Some(number)
    }

    /// The devices there have been.
    pub(in crate::ledger) fn devices(&self) -> impl Iterator<Item = u32> + use<> {
        self.devices.keys().copied().collect::<Vec<_>>().into_iter()
    }

    /// The number of an event, by what it looks like anywhere.
    pub(in crate::ledger) fn number(&self, properties: &Map<String, Value>) -> Option<u32> {
        self.by_identity.get(&identity(properties)).copied()
    }

    /// The Things Stack applied an event.
    pub(in crate::ledger) fn applied(
        &mut self,
        properties: &Map<String, Value>,
        body: &Value,
        circumstances: Circumstances,
    ) -> (Option<u32>, Vec<Finding>) {
        let stranger = || (None, vec![Finding::Stranger(format!("{properties:?}"))]);
        if is_handlers_own(properties) {
            let findings = self.corrected(properties, body, circumstances.races_since);
            return findings.map_or_else(stranger, |findings| (None, findings));
        }
        let Some(number) = self.number(properties) else { return stranger() };
        let Circumstances { is_told, deaths, races_since } = circumstances;
        let mut findings = Vec::new();
        let event = &mut self.log[number as usize];
        let is_first = event.arrivals == 0;
        if !is_first && event.answered && event.deaths == deaths {
            findings.push(Finding::Doubled(number));
        }
        *(if is_first { &mut self.applied } else { &mut self.repeated }) += 1;
        (event.arrivals, event.answered, event.deaths) = (event.arrivals + 1, is_told, deaths);
        findings.extend(match event.operation {
            Operation::Delete => self.deleted(number, is_first, races_since),
            Operation::Create | Operation::Update => self.changed(number, body, races_since),
        });
        (Some(number), findings)
    }

    /// Lets the device's mirror see its deletion; says what is wrong with that.
    fn deleted(&mut self, number: u32, is_first: bool, races_since: Option<Instant>) -> Vec<Finding> {
        let Event { device, incarnation, .. } = self.log[number as usize];
        let is_raced = self.is_raced(number, races_since, |later| later.operation == Operation::Create);
        let Some(device) = self.devices.get_mut(&device) else { return Vec::new() };
        // Deleted once more since, the device is gone in any order.
        let is_late = device.deleted_by.is_none() && device.mirror.has_begun_after(incarnation);
        let is_late = is_late && (is_first || is_raced);
        let wrong = device.mirror.delete(Some(incarnation), is_late, is_raced);
        self.judged(wrong.map(|wrong| (number, wrong)))
    }

    /// Lets the device's mirror see a creation or a change; says what is wrong with it.
    fn changed(&mut self, number: u32, body: &Value, races_since: Option<Instant>) -> Vec<Finding> {
        let Event { device, operation, .. } = self.log[number as usize];
        let version = desired_version(body).filter(|_| operation == Operation::Update);
        let mut findings = Vec::new();
        let arrivals = self.arrivals(body, races_since, |origin, arrival| {
            if let (Operation::Update, Some(own)) = (origin.operation, origin.version)
                && let Some(version) = version.filter(|version| *version > own)
            {
                let value = arrival.value;
                let what = format!("value {value} came to be in $version {own} and arrives under {version}");
                findings.push(Finding::Misversioned(number, what));
            }
            Arrival { event: number, operation, is_own: arrival.origin == number, ..arrival }
        });
        let wrong = self.devices.get_mut(&device).map(|device| device.mirror.change(arrivals)).unwrap_or_default();
        findings.extend(self.judged(wrong.into_iter().map(|wrong| (number, wrong))));
        findings
    }

    /// Lets a device's mirror see an event of the handler's own; `None` if it is about nothing the ledger knows.
    fn corrected(
        &mut self,
        properties: &Map<String, Value>,
        body: &Value,
        races_since: Option<Instant>,
    ) -> Option<Vec<Finding>> {
        let number = device_number(properties.get("deviceId")?.as_str()?)?;
        let is_deletion = Operation::of(properties)? == Operation::Delete;
        let newest = *self.devices.get(&number)?.events.last()?;
        self.corrections += 1;
        let wrong = if is_deletion {
            let is_raced = self.is_created_since(number, races_since);
            let device = self.devices.get_mut(&number)?;
            device.mirror.delete(None, device.deleted_by.is_none(), is_raced).into_iter().collect()
        } else {
            let arrivals = self.arrivals(body, races_since, |_, arrival| Arrival { is_restored: true, ..arrival });
            self.devices.get_mut(&number)?.mirror.change(arrivals)
        };
        Some(self.judged(wrong.into_iter().map(|wrong| (newest, wrong))))
    }

    /// The values of a body, and where they come from.
    fn arrivals(
        &self,
        body: &Value,
        races_since: Option<Instant>,
        mut complete: impl FnMut(&Event, Arrival) -> Arrival,
    ) -> [Option<Arrival>; KEYS] {
        let mut keys = 0..;
        values(body).map(|value| {
            let (key, value) = (keys.next()?, value?);
            let number = *self.by_value.get(&value)?;
            let origin = self.log.get(number as usize)?;
            let is_raced = self.is_raced(number, races_since, |later| {
                later.operation == Operation::Delete || later.values[key].is_some()
            });
            Some(complete(origin, Arrival::of(value, number, origin, is_raced)))
        })
    }

    /// Whether the first event of its device after `number` that makes it out of date reached the hub that late.
    fn is_raced(&self, number: u32, races_since: Option<Instant>, is_end: impl Fn(&Event) -> bool) -> bool {
        let Some(device) = self.log.get(number as usize).and_then(|event| self.devices.get(&event.device)) else {
            return false;
        };
        let later = &device.events[device.events.partition_point(|event| *event <= number)..];
        let end = later.iter().map(|event| &self.log[*event as usize]).find(|event| is_end(event));
        end.is_some_and(|end| races_since.is_some_and(|since| end.sent > since))
    }

    /// Whether the newest creation of a device reached the hub that late.
    fn is_created_since(&self, device: u32, races_since: Option<Instant>) -> bool {
        let events = self.devices.get(&device).map(|device| device.events.as_slice()).unwrap_or_default();
        let mut newest_first = events.iter().rev().map(|event| &self.log[*event as usize]);
        let created = newest_first.find(|event| event.operation == Operation::Create);
        created.is_some_and(|created| races_since.is_some_and(|since| created.sent > since))
    }

    /// Counts what a race explains; the rest is a finding.
    fn judged(&mut self, wrong: impl IntoIterator<Item = (u32, Wrong)>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (number, Wrong { what, is_raced }) in wrong {
            if is_raced {
                self.raced += 1;
            } else {
                findings.push(Finding::Reordered(number, what));
            }
        }
        findings
    }
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
