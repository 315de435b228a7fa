//! The device side over MQTT 3.1.1: connections, telemetry, and the twin as its device sees it.

mod connection;
mod decode;
mod encode;
mod endpoint;
mod handle;
mod log;
mod looking;
pub(crate) mod packet;
mod session;
mod sessions;
mod spoil;
pub(crate) mod stream;
mod telemetry;
mod throttle;
mod topic;
mod twin;
mod user_name;

use std::collections::BTreeMap;

use serde_json::Value;

pub(crate) use decode::decode;
pub(crate) use endpoint::Endpoint;
pub use log::MqttRequest;
pub use sessions::MqttConnections;
pub use throttle::MqttThrottle;

use log::MqttLog;
use packet::{Publish, Qos};
use sessions::Sessions;
use throttle::Throttle;
use topic::Channel;

/// What the hub knows about MQTT, whichever connection it came by.
#[derive(Debug)]
pub(crate) struct Mqtt {
    pub(crate) sessions: Sessions,
    log: MqttLog,
    connects: Throttle,
    twin_updates: Throttle,
}

/// A message for a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudToDeviceMessage {
    /// Any bytes.
    pub body: Vec<u8>,
    /// What the service set.
    pub properties: BTreeMap<String, String>,
    /// By the names MQTT has for them, without `$.`: mid, cid, to, exp, …
    pub system_properties: BTreeMap<String, String>,
}

impl Mqtt {
    pub(crate) fn new(history: usize, throttle: &MqttThrottle) -> Self {
        Self {
            sessions: Sessions::default(),
            log: MqttLog::new(history),
            connects: Throttle::new(throttle.connections_per_second, throttle.longest_wait),
            twin_updates: Throttle::new(throttle.twin_updates_per_second, throttle.longest_wait),
        }
    }

    /// Tells a device what is new in its desired properties, if it listens right now: nobody keeps the news for it.
    pub(crate) fn desired_changed(&self, device_id: &str, desired: &Value) {
        let Some(version) = desired.get("$version").and_then(Value::as_u64) else { return };
        let mut news = desired.clone();
        if let Value::Object(news) = &mut news {
            news.shift_remove("$metadata");
        }
        let topic = topic::desired_properties(version);
        self.sessions.send(device_id, Channel::DesiredProperties, topic, news.to_string().into_bytes());
    }

    /// Hands a message to a device that is connected and listens for messages; says whether there was one.
    pub(crate) fn deliver_c2d(&self, device_id: &str, message: &CloudToDeviceMessage) -> bool {
        let system: Vec<_> =
            message.system_properties.iter().map(|(name, value)| (format!("$.{name}"), value.as_str())).collect();
        let system = system.iter().map(|(name, value)| (name.as_str(), *value));
        let own = message.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let topic = topic::cloud_to_device(device_id, system.chain(own));
        self.sessions.send(device_id, Channel::CloudToDevice, topic, message.body.clone())
    }
}

/// A message from the hub. The connection numbers it.
fn message(topic: String, payload: Vec<u8>, qos: Qos) -> Publish {
    Publish { topic, payload, qos, packet_id: 0, retain: false, duplicate: false }
}
