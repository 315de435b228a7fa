//! Every rule by which a message of The Things Stack becomes a device-to-cloud message; pure.

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::device_ids::DeviceIds;
use crate::error::Error;
use crate::invocation::HttpRequest;
use crate::iot_hub::message::MAX_BYTES;
use crate::iot_hub::{DeviceId, DeviceToCloudMessage};
use crate::json::without_members;
use crate::tts::{Message, webhook, with_fewer_gateways};

/// Members that must not leave The Things Stack's side: a session key, and a token of no use to anybody else.
const REMOVED_MEMBERS: [&str; 2] = ["app_s_key", "uplink_token"];

/// What a message says about its own journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Metadata of gateways is missing that was there.
    Trimmed,
    /// It was parked; it comes late, and others may have overtaken it.
    Redelivered,
}

impl Mark {
    fn property(self) -> &'static str {
        match self {
            Self::Trimmed => "trimmed",
            Self::Redelivered => "redelivered",
        }
    }
}

/// Who sent a message: what it says itself, else what the webhook's path says.
pub(crate) struct Sender {
    pub(crate) device_id: Option<String>,
    pub(crate) application_id: Option<String>,
}

impl Sender {
    /// Reads both.
    pub(crate) fn of(message: &Message<'_>, request: &HttpRequest<'_>) -> Self {
        let ids = &message.end_device_ids;
        let own = |id: Option<&str>| id.filter(|id| !id.is_empty()).map(str::to_owned);
        Self {
            device_id: own(ids.device_id.as_deref()).or_else(|| webhook::id_in_path(request, "devices")),
            application_id: own(ids.application_id()).or_else(|| webhook::id_in_path(request, "applications")),
        }
    }
}

/// The sender's device in IoT Hub.
///
/// # Errors
/// [`Error::Malformed`] without a device of one of our applications.
pub(crate) fn device_id_from(sender: &Sender, device_ids: &DeviceIds) -> Result<DeviceId, Error> {
    let device_id = sender.device_id.as_deref().ok_or_else(no_device_id)?;
    let device_id = device_ids.in_hub(sender.application_id.as_deref(), device_id).map_err(Error::Malformed)?;
    DeviceId::new(&device_id).map_err(Error::Malformed)
}

/// The device-to-cloud message of a webhook's message.
///
/// # Errors
/// [`Error::TooLarge`] if trimming does not help.
pub(crate) fn message_from(
    message: &Message<'_>,
    sender: Sender,
    device_id: DeviceId,
    marks: &[Mark],
) -> Result<DeviceToCloudMessage, Error> {
    let message_type = message.message_type.as_ref();
    let mut properties = properties_from(message, sender);
    properties.extend(marks.iter().map(|mark| (mark.property(), "true".to_owned())));
    let d2c = DeviceToCloudMessage {
        message_id: message_id_from(message, device_id.as_str()),
        correlation_id: correlation_id_from(message),
        creation_time: message.received_at.as_deref().and_then(creation_time_from),
        device_id,
        properties,
        body: without_members(message.json, &REMOVED_MEMBERS).into_owned(),
    };
    fitted(d2c, message_type)
}

fn no_device_id() -> Error {
    Error::Malformed(
        "found no end_device_ids.device_id; add `end_device_ids` to the webhook's field mask, or name the device in its \
         path as /devices/{deviceID}"
            .to_owned(),
    )
}

/// The message as it is, or with fewer gateways and marked so if it is larger than the hub takes.
fn fitted(message: DeviceToCloudMessage, message_type: &str) -> Result<DeviceToCloudMessage, Error> {
    let counted = message.counted_bytes();
    if counted <= MAX_BYTES {
        return Ok(message);
    }
    let mut trimmed = message;
    if trimmed.property(Mark::Trimmed.property()).is_none() {
        trimmed.properties.push((Mark::Trimmed.property(), "true".to_owned()));
    }
    let around_body = trimmed.counted_bytes() - trimmed.body.len();
    trimmed.body = with_fewer_gateways(&trimmed.body, message_type, MAX_BYTES.saturating_sub(around_body)).ok_or_else(|| {
        Error::TooLarge(format!(
            "found a message of {counted} bytes, expected at most {MAX_BYTES}, and leaving out gateways' metadata does not help; \
             shorten the decoded payload or set a field mask"
        ))
    })?;
    Ok(trimmed)
}

fn properties_from(message: &Message<'_>, sender: Sender) -> Vec<(&'static str, String)> {
    let ids = &message.end_device_ids;
    let frame = &message.frame;
    let text = |id: &Option<std::borrow::Cow<'_, str>>| id.as_deref().map(str::to_owned);
    // Zero is a value in an uplink and absence elsewhere.
    let number = |number: u32| (number != 0 || message.is_uplink()).then(|| number.to_string());
    let properties = [
        ("type", Some(message.message_type.to_string())),
        ("application-id", sender.application_id),
        ("device-id", sender.device_id),
        ("dev-eui", text(&ids.dev_eui)),
        ("join-eui", text(&ids.join_eui)),
        ("dev-addr", text(&ids.dev_addr)),
        ("f-port", number(frame.f_port)),
        ("f-cnt", number(frame.f_cnt)),
        ("confirmed", (frame.confirmed || message.is_uplink()).then(|| frame.confirmed.to_string())),
        ("simulated", message.simulated.then(|| "true".to_owned())),
    ];
    properties.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))).collect()
}

/// The newest `as:up:` id and the type. Normalized and location messages carry their parent's id beside their own;
/// ids of the same millisecond (the first ten characters) have no order, so then all of them are kept.
fn message_id_from(message: &Message<'_>, device_id: &str) -> String {
    let mut ids: Vec<&str> = message.correlation_ids.iter().filter_map(|id| id.strip_prefix("as:up:")).collect();
    ids.sort_unstable();
    ids.dedup();
    let Some(newest) = ids.last().copied() else {
        return hashed_message_id(message, device_id);
    };
    let millisecond = newest.get(..10).unwrap_or(newest);
    ids.retain(|id| id.starts_with(millisecond));
    format!("{}:{}", ids.join("+"), message.message_type)
}

/// An id for a message whose correlation ids were masked away: the same for the same message sent again.
fn hashed_message_id(message: &Message<'_>, device_id: &str) -> String {
    let mut hash = Sha256::new();
    let frame = &message.frame;
    let session = frame.session_key_id.as_deref().unwrap_or_default();
    let received_at = message.received_at.as_deref().unwrap_or_default();
    let (f_port, f_cnt) = (frame.f_port.to_string(), frame.f_cnt.to_string());
    for part in [device_id, &message.message_type, session, &f_port, &f_cnt, received_at, &measurement(message)] {
        hash.update(part);
        hash.update([0]);
    }
    let digest: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{digest}:{}", message.message_type)
}

/// What tells the normalized messages of one uplink apart; parsed and written again because the sender's white space
/// and key order are random.
fn measurement(message: &Message<'_>) -> String {
    #[derive(serde::Deserialize)]
    struct Up {
        uplink_normalized: Normalized,
    }
    #[derive(serde::Deserialize)]
    struct Normalized {
        normalized_payload: serde_json::Value,
    }
    if message.message_type != "uplink_normalized" {
        return String::new();
    }
    let Ok(Up { uplink_normalized: Normalized { mut normalized_payload } }) = serde_json::from_str(message.json) else {
        return String::new();
    };
    normalized_payload.sort_all_objects();
    normalized_payload.to_string()
}

/// The id of the frame, which all messages about it share.
fn correlation_id_from(message: &Message<'_>) -> Option<String> {
    ["gs:uplink:", "as:downlink:", "as:up:"]
        .chunks(2)
        .find_map(|prefixes| {
            message.correlation_ids.iter().find(|id| prefixes.iter().any(|prefix| id.starts_with(prefix)))
        })
        .map(|id| id.to_string())
}

/// RFC 3339 as the hub takes it: in UTC with `Z` and at most seven fraction digits. `None` if it is no time.
pub(super) fn creation_time_from(received_at: &str) -> Option<String> {
    let at = OffsetDateTime::parse(received_at, &Rfc3339).ok()?.checked_to_offset(time::UtcOffset::UTC)?;
    let at = at.replace_nanosecond(at.nanosecond() / 100 * 100).ok()?;
    at.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests;
