//! Somebody who watches what is accepted, so that the stand-in need not remember everything itself.

use std::fmt;
use std::time::Instant;

use serde_json::Value;

use super::fault::Effect;
use super::packages::SubmittedEvent;
use super::route::Server;

/// Sees what is accepted and what faults do. Nothing is answered if the connection is to end before an answer.
pub trait Observer: fmt::Debug + Send + Sync {
    /// The package accepted these events, in this order. The request had arrived at that instant: whatever it waited for since, it cannot know more.
    fn submitted(&self, events: Vec<SubmittedEvent>, is_answered: bool, arrived: Instant);

    /// Faults met a request with this body.
    fn spoiled(&self, body: &[u8], effects: &[Effect]);

    /// A device is now this at one server.
    fn device_set(&self, _server: Server, _change: &DeviceChange<'_>) {}

    /// A device has gone from one server.
    fn device_deleted(&self, _server: Server, _application_id: &str, _device_id: &str, _is_answered: bool) {}

    /// Downlinks went into a device's queue.
    fn downlinks(&self, _accepted: &AcceptedDownlinks<'_>) {}
}

/// What a server did with a device.
#[derive(Debug, Clone, Copy)]
pub struct DeviceChange<'a> {
    /// The device's application.
    pub application_id: &'a str,
    /// The device.
    pub device_id: &'a str,
    /// What the server wrote: ids, times and what the field mask named.
    pub written: &'a Value,
    /// Whether the device was new there.
    pub is_new: bool,
    /// Whether the client learned of it.
    pub is_answered: bool,
}

/// What one push or replace put into a queue.
#[derive(Debug, Clone, Copy)]
pub struct AcceptedDownlinks<'a> {
    /// The device's application.
    pub application_id: &'a str,
    /// The device.
    pub device_id: &'a str,
    /// As they were sent, without unknown fields.
    pub downlinks: &'a [Value],
    /// What was in the queue before, the next one first.
    pub queue_before: &'a [Value],
    /// Whether what was in the queue has gone.
    pub is_replace: bool,
    /// When the request had arrived.
    pub arrived: Instant,
    /// Whether the client learned of it.
    pub is_answered: bool,
}
