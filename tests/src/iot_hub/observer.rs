//! Somebody who watches a hub, so that the hub need not remember everything itself.

use std::fmt;

use serde_json::Value;

use super::faults::{Effect, Operation};
use super::message::DeviceToCloudMessage;

/// Sees what a hub accepts and what its faults do.
pub trait Observer: fmt::Debug + Send + Sync {
    /// The hub accepted a message of a device. It keeps none itself while it is observed.
    fn accepted(&self, message: DeviceToCloudMessage);

    /// A fault met a request; `message_id` is the one of a message to be sent.
    fn spoiled(&self, operation: Operation, message_id: Option<&str>, effect: &Effect);

    /// A device asked for a connection over MQTT and was told whether it may.
    fn connected(&self, device_id: &str, is_accepted: bool) {
        let _ = (device_id, is_accepted);
    }

    /// A device wrote reported properties over MQTT; `is_answered` is whether the hub could tell it so.
    fn reported(&self, device_id: &str, patch: &Value, is_answered: bool) {
        let _ = (device_id, patch, is_answered);
    }

    /// Somebody is going to be told a device's twin, or that there is none.
    fn twin_read(&self, _device_id: &str) {}
}
