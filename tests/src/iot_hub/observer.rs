//! Somebody who watches a hub, so that the hub need not remember everything itself.

use std::fmt;

use super::faults::{Effect, Operation};
use super::message::DeviceToCloudMessage;

/// Sees what a hub accepts and what its faults do.
pub trait Observer: fmt::Debug + Send + Sync {
    /// The hub accepted a message of a device. It keeps none itself while it is observed.
    fn accepted(&self, message: DeviceToCloudMessage);

    /// A fault met a request; `message_id` is the one of a message to be sent.
    fn spoiled(&self, operation: Operation, message_id: Option<&str>, effect: &Effect);

    /// Somebody is going to be told a device's twin, or that there is none.
    fn twin_read(&self, _device_id: &str) {}
}
