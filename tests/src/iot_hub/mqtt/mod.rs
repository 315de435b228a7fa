//! The device side over MQTT 3.1.1: connections, telemetry, and the twin as its device sees it.

mod connection;
mod decode;
mod devicebound;
mod encode;
mod endpoint;
mod handle;
mod log;
mod looking;
pub(crate) mod packet;
mod provisioning;
mod session;
mod sessions;
mod spoil;
pub(crate) mod stream;
mod telemetry;
mod throttle;
mod topic;
mod twin;
mod user_name;

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
}

/// A message from the hub. The connection numbers it.
fn message(topic: String, payload: Vec<u8>, qos: Qos) -> Publish {
    Publish { topic, payload, qos, packet_id: 0, retain: false, duplicate: false }
}
