//! What the hub says no with: its error codes and the two envelopes it wraps them in.

use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::clock;

/// The documented codes that this hub can answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// No `api-version`, or one the hub does not know.
    InvalidProtocolVersion,
    /// A bad header, identity, twin or property.
    ArgumentInvalid,
    /// Not the format the hub expects, e.g. broken JSON.
    IotHubFormatError,
    /// Bad, expired or too narrow token; also an unknown or disabled device.
    IotHubUnauthorizedAccess,
    /// No role of the principal allows it.
    IotHubUnauthorized,
    /// The daily quota is used up.
    IotHubQuotaExceeded,
    /// 50 cloud-to-device messages wait already.
    DeviceMaximumQueueDepthExceeded,
    /// No such device in the registry.
    DeviceNotFound,
    /// Create-only PUT on an existing device.
    DeviceAlreadyExists,
    /// Stale or missing entity tag.
    PreconditionFailed,
    /// A cloud-to-device message is no longer in the device's hands.
    DeviceMessageLockLost,
    /// Over 256 KB.
    MessageTooLarge,
    /// More than 100 devices in one bulk call.
    TooManyDevices,
    /// Waited too long in the throttle's queue.
    ThrottlingBacklogTimeout,
    /// Something broke inside.
    ServerError,
    /// Try again later.
    ServiceUnavailable,
}

impl ErrorCode {
    /// The name, as in the header `iothub-errorcode`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.parts().0
    }

    /// The number, as in MQTT and AMQP error bodies.
    #[must_use]
    pub fn number(self) -> u32 {
        self.parts().1
    }

    /// The HTTP status: the number's first three digits.
    #[must_use]
    pub fn status(self) -> u16 {
        u16::try_from(self.number() / 1000).unwrap_or(500)
    }

    /// The number that belongs to a name, or one made of the status.
    pub(crate) fn number_of(name: &str, status: u16) -> u32 {
        let own = Self::ALL.into_iter().find(|code| code.name() == name);
        own.map_or(u32::from(status) * 1000, Self::number)
    }

    const ALL: [Self; 14] = [
        Self::InvalidProtocolVersion,
        Self::ArgumentInvalid,
        Self::IotHubFormatError,
        Self::IotHubUnauthorizedAccess,
        Self::IotHubUnauthorized,
        Self::IotHubQuotaExceeded,
        Self::DeviceNotFound,
        Self::DeviceAlreadyExists,
        Self::PreconditionFailed,
        Self::MessageTooLarge,
        Self::TooManyDevices,
        Self::ThrottlingBacklogTimeout,
        Self::ServerError,
        Self::ServiceUnavailable,
    ];

    fn parts(self) -> (&'static str, u32) {
        match self {
            Self::InvalidProtocolVersion => ("InvalidProtocolVersion", 400_001),
            Self::ArgumentInvalid => ("ArgumentInvalid", 400_004),
            Self::IotHubFormatError => ("IotHubFormatError", 400_006),
            Self::IotHubUnauthorizedAccess => ("IotHubUnauthorizedAccess", 401_002),
            Self::IotHubUnauthorized => ("IotHubUnauthorized", 401_003),
            Self::IotHubQuotaExceeded => ("IotHubQuotaExceeded", 403_002),
            Self::DeviceMaximumQueueDepthExceeded => ("DeviceMaximumQueueDepthExceeded", 403_004),
            Self::DeviceNotFound => ("DeviceNotFound", 404_001),
            Self::DeviceAlreadyExists => ("DeviceAlreadyExists", 409_001),
            Self::PreconditionFailed => ("PreconditionFailed", 412_001),
            Self::DeviceMessageLockLost => ("DeviceMessageLockLost", 412_002),
            Self::MessageTooLarge => ("MessageTooLarge", 413_001),
            Self::TooManyDevices => ("TooManyDevices", 413_002),
            Self::ThrottlingBacklogTimeout => ("ThrottlingBacklogTimeout", 429_003),
            Self::ServerError => ("ServerError", 500_001),
            Self::ServiceUnavailable => ("ServiceUnavailable", 503_001),
        }
    }
}

/// A refusal: the code decides the status, the message is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}{}", code.name(), hint.map(|hint| format!(" ({hint})")).unwrap_or_default())]
pub struct HubError {
    /// Which condition.
    pub code: ErrorCode,
    /// The text behind `ErrorCode:…;`.
    pub message: String,
    /// What the hub keeps to itself (why a token was refused), for whoever debugs a test.
    pub hint: Option<&'static str>,
}

impl HubError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ArgumentInvalid, message)
    }

    pub(crate) fn format(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::IotHubFormatError, message)
    }

    /// The hub never says why; `hint` stays here.
    pub(crate) fn unauthorized(hint: &'static str) -> Self {
        Self { hint: Some(hint), ..Self::new(ErrorCode::IotHubUnauthorizedAccess, "Unauthorized") }
    }

    /// As captured from a live hub.
    pub(crate) fn no_permission(principal: &str, method: &str, path: &[String]) -> Self {
        let message = format!(
            "Principal {principal} is not authorized for {method} on /{} due to no assigned permissions",
            path.join("/")
        );
        Self { hint: Some("no role allows it"), ..Self::new(ErrorCode::IotHubUnauthorized, message) }
    }

    pub(crate) fn device_not_found(device_id: &str) -> Self {
        Self::new(ErrorCode::DeviceNotFound, format!("Device {device_id} not registered"))
    }

    pub(crate) fn device_already_exists(device_id: &str) -> Self {
        let message = format!("A device with ID '{device_id}' is already registered.");
        Self::new(ErrorCode::DeviceAlreadyExists, message)
    }

    pub(crate) fn precondition_failed(message: &str) -> Self {
        Self::new(ErrorCode::PreconditionFailed, message)
    }
}

/// The envelope of REST answers, as captured from a live hub.
pub(crate) fn envelope(code: &str, message: &str, now: OffsetDateTime) -> Value {
    json!({
        "Message": format!("ErrorCode:{code};{message}"),
        "ExceptionMessage": format!("Tracking ID:{}-G2:-TimeStamp:{}", tracking_id(), clock::timestamp(now)),
    })
}

/// The body of refusals over MQTT: SDKs look at `errorCode` rather than at the status in the topic.
pub(crate) fn mqtt_body(number: u32, message: &str, now: OffsetDateTime) -> Value {
    json!({
        "errorCode": number, "message": message, "trackingId": tracking_id(), "timestampUtc": clock::timestamp(now),
    })
}

fn tracking_id() -> String {
    Uuid::new_v4().simple().to_string().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_head_of_the_number() {
        let table = [
            (ErrorCode::InvalidProtocolVersion, 400),
            (ErrorCode::IotHubUnauthorizedAccess, 401),
            (ErrorCode::IotHubQuotaExceeded, 403),
            (ErrorCode::ThrottlingBacklogTimeout, 429),
            (ErrorCode::ServiceUnavailable, 503),
        ];
        for (code, status) in table {
            assert_eq!(code.status(), status, "{}", code.name());
        }
    }

    #[test]
    fn the_hint_is_shown_to_the_developer_and_not_on_the_wire() {
        let error = HubError::unauthorized("token expired");
        assert_eq!(error.to_string(), "IotHubUnauthorizedAccess: Unauthorized (token expired)");
        let body = envelope(error.code.name(), &error.message, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(body["Message"], "ErrorCode:IotHubUnauthorizedAccess;Unauthorized");
        assert!(body["ExceptionMessage"].as_str().unwrap().ends_with("-TimeStamp:1970-01-01T00:00:00.0000000Z"));
    }
}
