//! Private functions that the fuzz targets call; no part of the API.

use serde_json::Value;

use crate::error::Error;
use crate::invocation::HttpRequest;
use crate::iot_hub::DeviceToCloudMessage;
use crate::iot_hub::event::HubEvent;
use crate::secret::Secret;
use crate::tts::Message;
use crate::uplink::mapping::{Sender, message_from};

/// Journey 1's mapping.
///
/// # Errors
/// When the message cannot become one the hub takes.
pub fn device_to_cloud_message(
    message: &Message<'_>,
    request: &HttpRequest<'_>,
) -> Result<DeviceToCloudMessage, Error> {
    message_from(message, Sender::of(message, request), &[])
}

/// A parked event, as it would read if it happened now.
#[must_use]
pub fn as_of_now(event: HubEvent, twin: Option<&Value>) -> Option<HubEvent> {
    crate::hub_event::as_of_now::as_of_now(event, twin)
}

/// A shared access signature.
#[must_use]
pub fn sas_token(resource: &str, key: &Secret, policy_name: Option<&str>, expiry: u64) -> String {
    crate::iot_hub::sas::token(resource, key, policy_name, expiry)
}
