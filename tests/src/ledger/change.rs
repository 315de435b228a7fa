//! Changes made in IoT Hub: each causes exactly one event, and its values carry the change's number.

use serde_json::{Map, Value, json};

use super::secrets::Secrets;
use super::uplink::{FIRST_FOREIGN, device_id};
use crate::iot_hub::{HubError, IotHub};

/// The desired properties that change, and behind them a tag.
const NAMES: [&str; 5] = ["p0", "p1", "p2", "p3", "t"];

/// How many keys there are.
pub(super) const KEYS: usize = NAMES.len();

/// The key that is a tag.
pub(super) const TAG: usize = KEYS - 1;

/// What is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// From 1; the value of everything it sets.
    pub(super) number: u32,
    pub(super) device: u32,
    pub(super) kind: ChangeKind,
}

/// How. What cannot be done because the device exists, or does not, becomes what can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChangeKind {
    /// One or two desired properties.
    Desired(usize, usize),
    /// A tag, with the device's root keys beside it.
    Tags,
    Create,
    Delete,
}

impl Change {
    /// Draws one; a few are of devices that The Things Stack does not take.
    pub(super) fn draw(number: u32, devices: u32, random: &mut fastrand::Rng) -> Self {
        let kind = match random.u32(0..100) {
            0..82 => ChangeKind::Desired(random.usize(..TAG), random.usize(..TAG)),
            82..92 => ChangeKind::Tags,
            92..95 => ChangeKind::Create,
            _ => ChangeKind::Delete,
        };
        let device = match random.u32(0..100) {
            0 => FIRST_FOREIGN + random.u32(0..3),
            _ => random.u32(0..devices),
        };
        Self { number, device, kind }
    }

    /// Carries it out.
    ///
    /// # Errors
    /// When the hub takes neither the change nor its stand-in.
    pub(super) fn apply(&self, hub: &IotHub, secrets: &Secrets) -> Result<(), HubError> {
        let id = device_id(self.device);
        let patch = |patch| hub.patch_twin(&id, patch).map(drop);
        let create = || hub.create_device_with_twin(&id, self.whole_twin(secrets));
        match self.kind {
            ChangeKind::Desired(..) => patch(json!({"properties": {"desired": self.desired()}})).or_else(|_| create()),
            ChangeKind::Tags => patch(json!({"tags": self.tags(secrets)})).or_else(|_| create()),
            ChangeKind::Create => create().or_else(|_| patch(json!({"tags": self.tags(secrets)}))),
            ChangeKind::Delete => hub.delete_device(&id).or_else(|_| create()),
        }
    }

    fn desired(&self) -> Value {
        let keys = match self.kind {
            ChangeKind::Desired(first, second) => [first, second],
            ChangeKind::Tags | ChangeKind::Create | ChangeKind::Delete => [0, 0],
        };
        keys.iter().map(|key| (NAMES[*key].to_owned(), json!(self.number))).collect::<Map<_, _>>().into()
    }

    fn tags(&self, secrets: &Secrets) -> Value {
        json!({"t": self.number, "lorawan": {"devEui": format!("70B3D57ED{:07X}", self.device),
            "appKey": secrets.key(self.device), "nwkKey": secrets.key(self.device)}})
    }

    fn whole_twin(&self, secrets: &Secrets) -> Value {
        json!({"tags": self.tags(secrets), "properties": {"desired": self.desired()}})
    }
}

/// The change numbers in a twin or a twin change, key by key.
pub(super) fn values(twin: &Value) -> [Option<u32>; KEYS] {
    let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    let mut values = NAMES.map(|name| number(&twin["properties"]["desired"][name]));
    values[TAG] = number(&twin["tags"][NAMES[TAG]]);
    values
}

/// What a key is called.
pub(super) fn name(key: usize) -> &'static str {
    NAMES[key]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_hub::EventHub;
    use crate::iot_hub::Options;

    fn change(number: u32, kind: ChangeKind) -> Change {
        Change { number, device: 3, kind }
    }

    #[tokio::test]
    async fn every_change_causes_one_event_whether_the_device_exists_or_not() {
        let event_hub = EventHub::new("events", 1);
        let hub = IotHub::start(Options::new(event_hub.clone()).unwrap()).await.unwrap();
        let secrets = Secrets::new(1);
        let kinds = [
            (ChangeKind::Desired(0, 1), "createDeviceIdentity", [Some(1), Some(1), None, None, Some(1)]),
            (ChangeKind::Desired(1, 2), "updateTwin", [None, Some(2), Some(2), None, None]),
            (ChangeKind::Create, "updateTwin", [None, None, None, None, Some(3)]),
            (ChangeKind::Delete, "deleteDeviceIdentity", [Some(1), Some(2), Some(2), None, Some(3)]),
            (ChangeKind::Tags, "createDeviceIdentity", [Some(5), None, None, None, Some(5)]),
        ];
        for ((number, (kind, operation, expected)), sequence_number) in (1..).zip(kinds).zip(0..) {
            change(number, kind).apply(&hub, &secrets).unwrap();
            let event = event_hub.read(0, sequence_number, 9).remove(0).data;
            assert_eq!(event.properties["opType"], operation, "{number}");
            assert_eq!(values(&serde_json::from_slice(&event.body).unwrap()), expected, "{number}");
        }
        assert_eq!(event_hub.next_sequence_number(0), 5);
    }

    #[test]
    fn changes_follow_from_the_seed() {
        let draw = |seed| Change::draw(1, 1000, &mut fastrand::Rng::with_seed(seed));
        assert_eq!(draw(7), draw(7));
        assert!((0..100).any(|seed| draw(seed) != draw(7)));
    }
}
