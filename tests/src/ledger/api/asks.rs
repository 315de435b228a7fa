//! What a hub event asks for, read without the handler's eyes.

use serde_json::{Map, Value};

use super::super::uplink::device_number;

/// A downlink that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct Wanted {
    /// The change's number, from `framePayload`.
    pub(in crate::ledger) number: u32,
    /// `$version` of the desired properties.
    pub(in crate::ledger) version: u64,
}

/// What one event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) struct Asks {
    pub(in crate::ledger) device: u32,
    pub(in crate::ledger) is_creation: bool,
    pub(in crate::ledger) is_deletion: bool,
    /// It deletes a LoRaWAN device whose twin remembers no registration.
    pub(in crate::ledger) is_unrecorded: bool,
    /// It brings `tags.lorawan`.
    pub(in crate::ledger) tags: bool,
    pub(in crate::ledger) downlink: Option<Wanted>,
    /// It changes `rawDownlink`, be it to nothing: older ones give way to it.
    pub(in crate::ledger) changes_downlink: bool,
}

impl Asks {
    /// Reads an event; `None` if it is about nothing the ledger knows.
    pub(in crate::ledger) fn of(properties: &Map<String, Value>, body: &Value) -> Option<Self> {
        let text = |name: &str| properties.get(name).and_then(Value::as_str);
        let device = device_number(text("deviceId")?)?;
        let operation = text("opType")?;
        let is_deletion = operation == "deleteDeviceIdentity";
        let desired = body["properties"]["desired"].as_object().filter(|_| !is_deletion);
        let tags = &body["tags"];
        let raw = desired.and_then(|desired| desired.get("rawDownlink"));
        let version = desired.and_then(|desired| desired.get("$version")?.as_u64()).unwrap_or_default();
        let number = raw.and_then(|raw| raw["framePayload"].as_str());
        let number = number.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        Some(Self {
            device,
            is_creation: operation == "createDeviceIdentity",
            is_deletion,
            is_unrecorded: is_deletion && tags["lorawan"].is_object() && tags["lorawanStatus"]["applied"].is_null(),
            tags: !is_deletion && tags["lorawan"].is_object(),
            downlink: number.map(|number| Wanted { number, version }),
            changes_downlink: raw.is_some(),
        })
    }

    /// Whether there is anything to do for it.
    pub(in crate::ledger) fn concerns_tts(&self) -> bool {
        self.is_deletion || self.tags || self.downlink.is_some()
    }
}
