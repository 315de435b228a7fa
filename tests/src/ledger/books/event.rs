//! One hub event, and what tells it from all others.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use serde_json::{Map, Value};

use super::super::change::KEYS;

/// The change numbers an event carries, key by key.
pub(in crate::ledger) type Values = [Option<u32>; KEYS];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Create,
    Update,
    Delete,
}

impl Operation {
    pub(super) fn of(properties: &Map<String, Value>) -> Option<Self> {
        Some(match properties.get("opType")?.as_str()? {
            "createDeviceIdentity" => Self::Create,
            "deleteDeviceIdentity" => Self::Delete,
            _ => Self::Update,
        })
    }
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
    pub(super) version: Option<u64>,
    /// When the hub sent it.
    pub(super) sent: Instant,
    pub(super) arrivals: u32,
    /// Whether the last arrival was answered, and the handler's deaths before it.
    pub(super) answered: bool,
    pub(super) deaths: u32,
}

/// How an event arrives.
#[derive(Debug, Clone, Copy)]
pub(in crate::ledger) struct Circumstances {
    /// Whether a handler that lives was told that the event was applied.
    pub(in crate::ledger) is_told: bool,
    /// The handler's beginnings and ends of dying so far.
    pub(in crate::ledger) deaths: u32,
    /// Changes that reached the hub after this instant raced with the event. There is none for an event that did not
    /// come alone, as redelivered ones do: within the stream there are no races.
    pub(in crate::ledger) races_since: Option<Instant>,
}

/// Whether an event is the handler's own: it puts right what a race has broken, and bears no time.
pub(super) fn is_handlers_own(properties: &Map<String, Value>) -> bool {
    !properties.contains_key("operationTimestamp")
}

pub(super) fn desired_version(body: &Value) -> Option<u64> {
    body["properties"]["desired"]["$version"].as_u64()
}

/// What tells an event from all others wherever it is met: a device's changes have a time of their own each. The body
/// does not, since redelivery brings it up to date.
pub(in crate::ledger) fn identity(properties: &Map<String, Value>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for name in ["deviceId", "opType", "operationTimestamp"] {
        properties.get(name).and_then(Value::as_str).hash(&mut hasher);
    }
    hasher.finish()
}
