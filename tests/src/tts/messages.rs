//! Messages of a device as the Application Server publishes them.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::EndDeviceIds;
use super::envelope::{application_up, new_correlation_ids, without_zeros};
use super::radio::{self, extend};
use super::ulid::{before, now, ulid};

const SESSION_KEY_ID: &str = "AZaB3Zq0bL6v0p2n8A==";

/// The types of `ApplicationUp`, in the names of the webhook and of the JSON.
pub const MESSAGE_TYPES: [&str; 11] = [
    "uplink_message",
    "uplink_normalized",
    "join_accept",
    "downlink_ack",
    "downlink_nack",
    "downlink_sent",
    "downlink_failed",
    "downlink_queued",
    "downlink_queue_invalidated",
    "location_solved",
    "service_data",
];

const ENVELOPE: [&str; 4] = ["end_device_ids", "correlation_ids", "received_at", "simulated"];

/// The type of a message: its one key that does not belong to the envelope.
#[must_use]
pub fn message_type(message: &Value) -> Option<&str> {
    message.as_object()?.keys().map(String::as_str).find(|key| !ENVELOPE.contains(key))
}

/// A device that has joined and now produces messages.
#[derive(Debug, Clone)]
pub struct Device {
    ids: EndDeviceIds,
    time: Option<OffsetDateTime>,
}

impl Device {
    /// Its EUIs and its address follow from application and device id.
    #[must_use]
    pub fn new(application_id: &str, device_id: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (application_id, device_id).hash(&mut hasher);
        let hash = hasher.finish();
        let ids = EndDeviceIds {
            dev_eui: Some(format!("70B3D5{:010X}", hash >> 24)),
            join_eui: Some("70B3D57ED0FFFF00".to_owned()),
            dev_addr: Some(format!("260B{:04X}", hash & 0xffff)),
            ..EndDeviceIds::new(application_id, device_id)
        };
        Self { ids, time: None }
    }

    /// Lets its messages be received at `time` instead of now.
    #[must_use]
    pub fn at(self, time: OffsetDateTime) -> Self {
        Self { time: Some(time), ..self }
    }

    /// Its ids.
    #[must_use]
    pub fn ids(&self) -> &EndDeviceIds {
        &self.ids
    }

    /// A realistic message of one of the eleven types.
    ///
    /// # Panics
    /// When there is no such type.
    #[must_use]
    pub fn message(&self, message_type: &str) -> Value {
        let time = self.now();
        let content = match message_type {
            "uplink_message" => return self.uplink(2, 17, &[1, 2, 3]),
            "uplink_normalized" => return self.normalized_uplink(17).swap_remove(0),
            "location_solved" => return self.normalized_uplink(17).swap_remove(2),
            "join_accept" => json!({"session_key_id": SESSION_KEY_ID, "received_at": before(time, 90)}),
            "service_data" => json!({"service": "lora-cloud-device-management-v1-199",
                "data": {"position_solution": {"llh": [52.37, 4.88, 0.0], "accuracy": 20}}}),
            "downlink_queue_invalidated" => json!({"downlinks": [downlink(15, &[1, 2], &[])],
                "last_f_cnt_down": 9, "session_key_id": SESSION_KEY_ID}),
            "downlink_ack" | "downlink_nack" | "downlink_sent" | "downlink_queued" | "downlink_failed" => {
                return self.downlink(message_type, 15, &[1, 2], &["azure:desired:7"]);
            }
            _ => panic!("{message_type} is not a message type"),
        };
        application_up(&self.ids, new_correlation_ids(&["as:up"], time), time, message_type, content)
    }

    /// An uplink heard by one gateway. Without bytes it has no payload, as a device may send.
    #[must_use]
    pub fn uplink(&self, f_port: u32, f_cnt: u32, frm_payload: &[u8]) -> Value {
        let time = self.now();
        let mut content = radio::uplink(f_cnt, 1, time);
        content["f_port"] = f_port.into();
        content["frm_payload"] = STANDARD.encode(frm_payload).into();
        if !frm_payload.is_empty() {
            content["decoded_payload"] = json!({"bytes": frm_payload, "temperature": 21.5, "door": {"open": false}});
        }
        let prefixes = ["gs:uplink", "rpc:/ttn.lorawan.v3.NsAs/HandleUplink", "as:up"];
        application_up(&self.ids, new_correlation_ids(&prefixes, time), time, "uplink_message", content)
    }

    /// An uplink heard by as many gateways as it takes to make its compact JSON at least `bytes` long.
    #[must_use]
    pub fn uplink_of_size(&self, bytes: usize) -> Value {
        let mut message = self.uplink(2, 17, &[1, 2, 3]);
        let mut length = message.to_string().len();
        let metadata = &mut message["uplink_message"]["rx_metadata"];
        for gateway in 1.. {
            if length >= bytes {
                break;
            }
            let heard = without_zeros(radio::rx_metadata(gateway, self.now()));
            length += heard.to_string().len() + 1;
            metadata.as_array_mut().into_iter().for_each(|metadata| metadata.push(heard.clone()));
        }
        message
    }

    /// What became of a downlink with these correlation ids; they come back in the envelope as well. `downlink_failed`
    /// adds the error, the others the session and its frame counter.
    #[must_use]
    pub fn downlink(&self, message_type: &str, f_port: u32, frm_payload: &[u8], correlation_ids: &[&str]) -> Value {
        let time = self.now();
        let mut ids: Vec<String> = correlation_ids.iter().map(|id| (*id).to_owned()).collect();
        ids.push(format!("as:downlink:{}", ulid(time - Duration::seconds(40))));
        let mut content = downlink(f_port, frm_payload, &ids);
        if message_type == "downlink_failed" {
            content = json!({"downlink": content, "error": {"namespace": "pkg/networkserver",
                "name": "application_downlink_too_long",
                "message_format": "application downlink payload length `{length}` exceeds maximum `{max}`",
                "attributes": {"length": 300, "max": 242},
                "correlation_id": Uuid::new_v4().simple().to_string(), "code": 3}});
        } else {
            extend(&mut content, json!({"session_key_id": SESSION_KEY_ID, "f_cnt": 4}));
        }
        ids.extend(new_correlation_ids(&["as:up"], time));
        application_up(&self.ids, ids, time, message_type, content)
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        self.time.unwrap_or_else(now)
    }
}

/// An `ApplicationDownlink`.
fn downlink(f_port: u32, frm_payload: &[u8], correlation_ids: &[String]) -> Value {
    json!({"f_port": f_port, "frm_payload": STANDARD.encode(frm_payload), "confirmed": true, "priority": "NORMAL",
        "correlation_ids": correlation_ids})
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::tts::ids::is_id;

    #[test]
    fn every_type_has_a_message() {
        for expected in MESSAGE_TYPES {
            let message = Device::new("plant-a", "sensor-1").message(expected);
            assert_eq!(message_type(&message), Some(expected));
            assert_eq!(EndDeviceIds::of(&message), *Device::new("plant-a", "sensor-1").ids());
        }
    }

    #[test]
    fn an_uplink_is_as_large_as_wanted() {
        let length = Device::new("plant-a", "sensor-1").uplink_of_size(300_000).to_string().len();
        assert!((300_000..301_000).contains(&length), "{length}");
    }

    #[test]
    fn zero_port_counter_and_payload_are_absent() {
        let message = Device::new("plant-a", "sensor-1").uplink(0, 0, &[]);
        for name in ["f_port", "f_cnt", "frm_payload", "decoded_payload", "confirmed"] {
            assert_eq!(message["uplink_message"].get(name), None, "{name}");
        }
    }

    #[test]
    fn every_type_has_a_fixture_named_for_it() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tts");
        for expected in MESSAGE_TYPES.into_iter().chain(["future_message"]) {
            let text = std::fs::read(folder.join(expected).with_extension("json")).expect(expected);
            let message: Value = serde_json::from_slice(&text).expect(expected);
            assert_eq!(message_type(&message), Some(expected));
            assert!(is_id(&EndDeviceIds::of(&message).device_id), "{expected}");
            assert_eq!(without_zeros(message.clone()), message, "{expected}: zero values are absent");
        }
        assert_eq!(std::fs::read_dir(folder).expect("folder").count(), MESSAGE_TYPES.len() + 1);
    }
}
