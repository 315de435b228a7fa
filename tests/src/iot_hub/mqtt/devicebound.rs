//! Cloud-to-device messages for a device that listens: they count as taken when they are on their way.

use time::Duration;

use super::topic::{self, Channel};
use crate::iot_hub::clock;
use crate::iot_hub::cloud_to_device::{Delivery, Settlement};
use crate::iot_hub::hub::Hub;

/// Nobody else can have the message in between.
const LOCK: Duration = Duration::MINUTE;
/// System property and what MQTT calls it.
const NAMES: [(&str, &str); 6] = [
    ("message-id", "$.mid"),
    ("correlation-id", "$.cid"),
    ("user-id", "$.uid"),
    ("ack", "iothub-ack"),
    ("content-type", "$.ct"),
    ("content-encoding", "$.ce"),
];

impl Hub {
    /// Hands over what waits for a device, if it is connected and listens.
    pub(crate) fn push_c2d(&self, device_id: &str) {
        while self.mqtt.sessions.listens(device_id, Channel::CloudToDevice) {
            let Ok(Some(delivery)) = self.receive_c2d(device_id, LOCK) else { return };
            let topic = topic_of(device_id, &delivery);
            let is_sent = self.mqtt.sessions.send(device_id, Channel::CloudToDevice, topic, delivery.message.body);
            let settlement = if is_sent { Settlement::Complete } else { Settlement::Abandon };
            // The device may have been deleted in between, and its messages with it.
            let _ = self.settle_c2d(device_id, &delivery.lock_token, settlement);
        }
    }
}

fn topic_of(device_id: &str, delivery: &Delivery) -> String {
    let message = &delivery.message;
    let mut properties = vec![("$.to", format!("/devices/{device_id}/messages/deviceBound"))];
    if message.time_to_live.is_some() {
        properties.push(("$.exp", clock::timestamp(delivery.expiry)));
    }
    for (property, name) in NAMES {
        properties.extend(message.system_properties.get(property).map(|value| (name, value.clone())));
    }
    properties.extend(message.properties.iter().map(|(name, value)| (name.as_str(), value.clone())));
    topic::cloud_to_device(device_id, properties.iter().map(|(name, value)| (*name, value.as_str())))
}
