//! The hub's MQTT side for whoever runs it: its port, what happened there, and ways to disturb it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::{MqttConnections, MqttRequest};
use crate::iot_hub::faults::Operation;
use crate::iot_hub::{IotHub, StartError};

impl IotHub {
    /// The port it listens on for MQTT, also while it does not.
    #[must_use]
    pub fn mqtt_port(&self) -> u16 {
        self.0.mqtt.port
    }

    /// Blocks the MQTT port: nobody can connect, and whoever was connected is not any more.
    pub async fn stop_mqtt(&self) {
        self.0.mqtt.stop().await;
    }

    /// Opens the MQTT port again; does nothing while it is open.
    ///
    /// # Errors
    /// When somebody else has taken the port.
    pub async fn start_mqtt(&self) -> Result<(), StartError> {
        self.0.mqtt.start_again(&self.0.hub).await
    }

    /// Connects, twin requests and messages over MQTT still in the history, in the order of arrival.
    #[must_use]
    pub fn mqtt_requests(&self) -> Vec<MqttRequest> {
        self.0.hub.mqtt.log.all()
    }

    /// How many of a kind there ever were.
    #[must_use]
    pub fn mqtt_calls(&self, kind: Operation) -> usize {
        self.0.hub.mqtt.log.count(kind)
    }

    /// How many MQTT connections there are and were.
    #[must_use]
    pub fn mqtt_connections(&self) -> MqttConnections {
        self.0.hub.mqtt.sessions.connections()
    }

    /// The ids of all devices connected over MQTT, in order.
    #[must_use]
    pub fn mqtt_connected(&self) -> Vec<String> {
        self.0.hub.mqtt.sessions.connected()
    }

    /// Closes a device's connection now.
    pub fn disconnect(&self, device_id: &str) {
        self.0.hub.mqtt.sessions.close(device_id);
    }

    /// Waits until a device's reported properties (with `$metadata` and `$version`) are as wanted, and returns them.
    ///
    /// # Errors
    /// When they are not after `limit`; says what they are.
    pub async fn wait_for_reported(
        &self,
        device_id: &str,
        limit: Duration,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, String> {
        let mut reports = self.0.hub.reports.subscribe();
        let wanted = async {
            loop {
                let reported = self.reported(device_id);
                if is_wanted(&reported) {
                    return reported;
                }
                // The sender lives as long as the hub.
                let _ = reports.changed().await;
            }
        };
        timeout(limit, wanted)
            .await
            .map_err(|_| format!("after {limit:?}, {device_id} reported {}", self.reported(device_id)))
    }

    fn reported(&self, device_id: &str) -> Value {
        let mut twin = self.twin(device_id).unwrap_or_default();
        twin.pointer_mut("/properties/reported").map(Value::take).unwrap_or_default()
    }
}
