//! The uplinks of a run: each follows from seed and number alone, so that it can be sent again.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::secrets::Secrets;
use crate::tts::EndDeviceIds;
use crate::tts::messages::{Device, MESSAGE_TYPES};

/// Stands where the time is in a ULID; an uplink's number fills the rest.
const ULID_START: &str = "01JDC";

/// One webhook message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Uplink {
    pub(super) ids: EndDeviceIds,
    pub(super) message_type: &'static str,
    pub(super) body: Vec<u8>,
}

/// Who sends, and what a run's messages are made of.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) seed: u64,
    pub(super) devices: u32,
    pub(super) application_id: String,
    pub(super) secrets: Secrets,
    /// When the first message was received; each further one a millisecond later.
    pub(super) began: OffsetDateTime,
}

impl Sender {
    /// The uplink with a number: mostly small ones, some of other types, some large, some with a session key.
    pub(super) fn uplink(&self, number: u32) -> Uplink {
        let mut random = fastrand::Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(number));
        let device = Device::new(&self.application_id, &device_id(random.u32(0..self.devices)));
        let device = device.at(self.began + Duration::milliseconds(i64::from(number)));
        let message_type = match random.u32(0..100) {
            0..80 => "uplink_message",
            _ => MESSAGE_TYPES[random.usize(..MESSAGE_TYPES.len())],
        };
        let mut message = match (message_type, random.u32(0..1000)) {
            ("uplink_message", 0..2) => device.uplink_of_size(random.usize(270_000..400_000)),
            ("uplink_message", 2..12) => device.uplink_of_size(random.usize(20_000..120_000)),
            ("uplink_message", _) => device.uplink(random.u32(1..200), number, &[random.u8(..), random.u8(..)]),
            _ => device.message(message_type),
        };
        message["correlation_ids"] =
            json!([correlation_id(number).replace("as:up", "gs:uplink"), correlation_id(number)]);
        if matches!(message_type, "uplink_message" | "join_accept") && random.u32(0..5) == 0 {
            message[message_type]["app_s_key"] = json!({"key": self.secrets.key(number)});
        }
        Uplink { ids: device.ids().clone(), message_type, body: message.to_string().into_bytes() }
    }
}

/// Devices from this number on have ids that The Things Stack refuses.
pub(super) const FIRST_FOREIGN: u32 = 1_000_000;

/// The id of a device, at The Things Stack and in IoT Hub.
pub(super) fn device_id(number: u32) -> String {
    let prefix = if number < FIRST_FOREIGN { "dev" } else { "Dev" };
    format!("{prefix}-{number:05}")
}

/// The number of a device of the run.
pub(super) fn device_number(device_id: &str) -> Option<u32> {
    device_id.strip_prefix("dev-").or_else(|| device_id.strip_prefix("Dev-"))?.parse().ok()
}

/// The correlation id that makes an uplink's message id.
pub(super) fn correlation_id(number: u32) -> String {
    format!("as:up:{ULID_START}{number:021}")
}

/// The number of an uplink, by the message id it has in IoT Hub.
pub(super) fn number_in(message_id: &str) -> Option<u32> {
    message_id.strip_prefix(ULID_START)?.split(':').next()?.parse().ok()
}

/// The number of an uplink, by its JSON.
pub(super) fn number_of(message: &Value) -> Option<u32> {
    let mut ids = message["correlation_ids"].as_array()?.iter().filter_map(Value::as_str);
    ids.find_map(|id| number_in(id.strip_prefix("as:up:")?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn sender(seed: u64) -> Sender {
        Sender {
            seed,
            devices: 5,
            application_id: "plant-a".to_owned(),
            secrets: Secrets::new(seed),
            began: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_uplink_follows_from_seed_and_number() {
        assert_eq!(sender(1).uplink(3), sender(1).uplink(3));
        assert_ne!(sender(1).uplink(3), sender(2).uplink(3));
        let all: Vec<_> = (0..3000).map(|number| sender(1).uplink(number)).collect();
        let types: BTreeSet<_> = all.iter().map(|uplink| uplink.message_type).collect();
        assert_eq!(types.len(), MESSAGE_TYPES.len());
        assert!(all.iter().any(|uplink| uplink.body.len() > 262_144), "some are too large as they are");
        let text = |uplink: &Uplink| String::from_utf8(uplink.body.clone()).unwrap();
        assert!(all.iter().any(|uplink| sender(1).secrets.key_is_in(&text(uplink))), "some have a session key");
    }

    #[test]
    fn its_number_is_in_its_ids() {
        let message: Value = serde_json::from_slice(&sender(1).uplink(42).body).unwrap();
        assert_eq!(number_of(&message), Some(42));
        assert_eq!(number_in("01JDC000000000000000000042:uplink_message"), Some(42));
        assert_eq!((number_in("01JZZ:uplink_message"), number_of(&json!({}))), (None, None));
        for number in [7, FIRST_FOREIGN + 7] {
            assert_eq!(device_number(&device_id(number)), Some(number));
        }
        assert_eq!(device_number("sensor-1"), None);
    }
}
