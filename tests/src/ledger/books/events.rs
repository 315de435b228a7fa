//! The account of every hub event: what it changed, and when The Things Stack saw it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

use super::super::change::{KEYS, name, values};
use super::super::queues::Held;
use super::super::uplink::device_number;
use super::fate::Fate;
use super::history::Subject;
use super::mirror::{Arrival, Mirror};

/// The change numbers an event carries, key by key.
pub(in crate::ledger) type Values = [Option<u32>; KEYS];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Create,
    Update,
    Delete,
}

/// One event as the hub sent it, and its arrivals.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) device: u32,
    pub(super) operation: Operation,
    /// Counts the creations of its device.
    pub(super) incarnation: u32,
    pub(super) values: Values,
    /// `$version` of the desired properties it sets.
    version: Option<u64>,
    arrivals: u32,
    /// Whether the last arrival was answered, and the handler's deaths before it.
    answered: bool,
    deaths: u32,
}

/// A device as the hub has it.
#[derive(Debug, Default)]
struct Device {
    incarnation: u32,
    deleted_by: Option<u32>,
    mirror: Mirror,
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
    log: Vec<Event>,
    by_identity: HashMap<u64, u32>,
    by_value: HashMap<u32, u32>,
    devices: HashMap<u32, Device>,
    /// Further arrivals of events that had arrived.
    pub(in crate::ledger) repeated: u64,
    /// Order broken by a redelivery that was under way while the device changed again, and what puts that right.
    pub(in crate::ledger) raced: u64,
    /// Events that arrived, each counted once.
    pub(in crate::ledger) applied: u64,
}

impl Events {
    /// How many the hub has sent.
    pub(in crate::ledger) fn count(&self) -> usize {
        self.log.len()
    }

    /// The hub sent an event; its number, unless it is about nothing the ledger knows.
    pub(in crate::ledger) fn sent(&mut self, properties: &Map<String, Value>, body: &Value) -> Option<u32> {
        let number = u32::try_from(self.log.len()).ok()?;
        let device_number = device_number(properties.get("deviceId")?.as_str()?)?;
        let operation = match properties.get("opType")?.as_str()? {
            "createDeviceIdentity" => Operation::Create,
            "deleteDeviceIdentity" => Operation::Delete,
            _ => Operation::Update,
        };
        let device = self.devices.entry(device_number).or_default();
        match operation {
            Operation::Create => (device.incarnation, device.deleted_by) = (device.incarnation + 1, None),
            Operation::Delete => device.deleted_by = Some(number),
            Operation::Update => {}
        }
        let values = if operation == Operation::Delete { Values::default() } else { values(body) };
        self.by_value.extend(values.iter().flatten().map(|value| (*value, number)));
        self.by_identity.insert(identity(properties), number);
        let incarnation = device.incarnation;
        let (arrivals, answered, deaths) = (0, false, 0);
        let (device, version) = (device_number, desired_version(body));
        self.log.push(Event { device, operation, incarnation, values, version, arrivals, answered, deaths });
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

    /// The Things Stack applied an event. `deaths` counts the handler's beginnings and ends of dying so far.
    pub(in crate::ledger) fn applied(
        &mut self,
        properties: &Map<String, Value>,
        body: &Value,
        answered: bool,
        deaths: u32,
    ) -> (Option<u32>, Vec<Finding>) {
        // What puts a race right is an event of the handler's own.
        if !properties.contains_key("operationTimestamp") {
            self.raced += 1;
            return (None, Vec::new());
        }
        let Some(number) = self.number(properties) else {
            return (None, vec![Finding::Stranger(format!("{properties:?}"))]);
        };
        let mut findings = Vec::new();
        let event = &mut self.log[number as usize];
        let is_first = event.arrivals == 0;
        if !is_first && event.answered && event.deaths == deaths {
            findings.push(Finding::Doubled(number));
        }
        *(if is_first { &mut self.applied } else { &mut self.repeated }) += 1;
        (event.arrivals, event.answered, event.deaths) = (event.arrivals + 1, answered, deaths);
        findings.extend(self.reflect(number, is_first, body));
        (Some(number), findings)
    }

    /// Lets the device's mirror see an arrival; says what is wrong with it.
    fn reflect(&mut self, number: u32, is_first: bool, body: &Value) -> Vec<Finding> {
        let Some(event) = self.log.get(number as usize) else { return Vec::new() };
        let Some(device) = self.devices.get_mut(&event.device) else { return Vec::new() };
        let reordered = |what| Finding::Reordered(number, what);
        if event.operation == Operation::Delete {
            // Deleted once more since, the device is gone in any order.
            let is_to_be_checked = is_first && device.deleted_by.is_none();
            let wrong = device.mirror.delete(event.incarnation, is_to_be_checked);
            return wrong.into_iter().map(reordered).collect();
        }
        let mut findings = Vec::new();
        let version = desired_version(body).filter(|_| event.operation == Operation::Update);
        let arrivals = values(body).map(|value| {
            let value = value?;
            let own = *self.by_value.get(&value)?;
            let origin = self.log.get(own as usize)?;
            let is_own = own == number;
            if let (Operation::Update, Some(own)) = (origin.operation, origin.version)
                && let Some(version) = version.filter(|version| *version > own)
            {
                let what = format!("value {value} came to be in $version {own} and arrives under {version}");
                findings.push(Finding::Misversioned(number, what));
            }
            Some(Arrival { value, incarnation: origin.incarnation, event: number, operation: event.operation, is_own })
        });
        findings.extend(device.mirror.change(arrivals).into_iter().map(reordered));
        findings
    }

    /// What became of every event.
    pub(in crate::ledger) fn fates(&self, held: &Held) -> Vec<(u32, Fate)> {
        let newest_held = self.newest_held(held);
        let fate = |(number, event): (u32, &Event)| {
            let fate = match event.arrivals {
                0 => held.fate_of(Subject::HubEvent(number)).unwrap_or_else(|| self.unseen(event, &newest_held)),
                _ => Fate::Delivered,
            };
            (number, fate)
        };
        (0..).zip(&self.log).map(fate).collect()
    }

    /// An event neither applied nor kept: overtaken if its device, or each of its values, has had a successor.
    fn unseen(&self, event: &Event, newest_held: &HashMap<u32, Values>) -> Fate {
        let device = &self.devices[&event.device];
        let is_recreated = device.incarnation > event.incarnation;
        let is_overtaken = match event.operation {
            Operation::Delete => is_recreated,
            Operation::Create | Operation::Update if is_recreated || device.deleted_by.is_some() => true,
            Operation::Create => false,
            Operation::Update => (0..KEYS).all(|key| {
                let newest = device.mirror.newest(key).max(newest_held.get(&event.device).and_then(|held| held[key]));
                event.values[key].is_none_or(|value| newest > Some(value))
            }),
        };
        if is_overtaken { Fate::Overtaken } else { Fate::Lost }
    }

    fn newest_held(&self, held: &Held) -> HashMap<u32, Values> {
        let mut newest: HashMap<u32, Values> = HashMap::new();
        for (subject, _) in held.iter() {
            let Subject::HubEvent(number) = subject else { continue };
            let Some(event) = self.log.get(number as usize) else { continue };
            let of_device = newest.entry(event.device).or_default();
            for (newest, value) in of_device.iter_mut().zip(event.values) {
                *newest = value.max(*newest);
            }
        }
        newest
    }

    /// Where The Things Stack's last word on a device is not the hub's: the keys, and the event that is missing.
    pub(in crate::ledger) fn stale(&self, twins: &HashMap<u32, Value>, held: &Held) -> Vec<(u32, &'static str, u32)> {
        let mut stale = Vec::new();
        let is_held = |number: u32| held.fate_of(Subject::HubEvent(number)).is_some();
        for (number, device) in &self.devices {
            match (twins.get(number), device.deleted_by) {
                (Some(twin), _) => {
                    for (key, value) in (0..).zip(values(twin)) {
                        let Some(value) = value.filter(|value| device.mirror.last(key) != Some(*value)) else {
                            continue;
                        };
                        let event = self.by_value.get(&value).copied().unwrap_or_default();
                        stale.extend((!is_held(event)).then_some((*number, name(key), event)));
                    }
                }
                (None, Some(event)) if device.mirror.exists() && !is_held(event) => {
                    stale.push((*number, "deletion", event));
                }
                (None, _) => {}
            }
        }
        stale.sort_unstable();
        stale
    }
}

fn desired_version(body: &Value) -> Option<u64> {
    body["properties"]["desired"]["$version"].as_u64()
}

/// What tells an event from all others wherever it is met: a device's changes have a time of their own each. The body
/// does not, since redelivery brings it up to date.
fn identity(properties: &Map<String, Value>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in ["deviceId", "opType", "operationTimestamp"] {
        properties.get(name).and_then(Value::as_str).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
#[path = "events_tests.rs"]
mod tests;
