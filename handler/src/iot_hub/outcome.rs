//! What the hub may answer to a request, where the status alone does not say it.

use serde_json::Value;

use super::refusal::Refusal;

/// What became of a device-to-cloud message.
#[derive(Debug)]
pub(super) enum Sent {
    /// Durably accepted.
    Accepted,
    /// Status 401 or 404. The hub answers 401 both for a wrong token and for a device it does not know.
    UnknownDevice(Refusal),
}

/// What became of a device identity to be created.
#[derive(Debug)]
pub(super) enum Creation {
    /// It is new.
    Created,
    /// It was there already.
    Exists,
    /// The credential does not open the registry.
    Unauthorized(Refusal),
}

/// A device identity as it stands.
#[derive(Debug)]
pub(super) enum Identity {
    /// It may send.
    Enabled,
    /// An operator has switched it off.
    Disabled,
    /// There is none.
    Missing,
    /// The credential does not open the registry.
    Unauthorized(Refusal),
}

/// What became of tags to be written.
#[derive(Debug, Clone, PartialEq)]
pub enum TagsWritten {
    /// They are in the twin, which is this now; `null` if the hub does not say so.
    Done(Value),
    /// The twin is not the one they were meant for any more.
    TwinChanged,
    /// There is no such device.
    NoDevice,
}
