//! Private functions that the fuzz targets call; no part of the API.

use serde_json::Value;

use crate::device_ids::{DeviceIdTemplate, DeviceIds};
use crate::error::Error;
use crate::invocation::HttpRequest;
use crate::iot_hub::DeviceToCloudMessage;
use crate::iot_hub::event::HubEvent;
use crate::secret::Secret;
use crate::tts::Message;
use crate::tts::id::EndDeviceIds;
use crate::uplink::mapping::{Sender, device_id_from, message_from};

/// Journey 1's mapping.
///
/// # Errors
/// When the message cannot become one the hub takes.
pub fn device_to_cloud_message(
    message: &Message<'_>,
    request: &HttpRequest<'_>,
) -> Result<DeviceToCloudMessage, Error> {
    let sender = Sender::of(message, request);
    let application_id = sender.application_id.clone().unwrap_or_default();
    let template = DeviceIdTemplate::parse("{device_id}").map_err(Error::Malformed)?;
    let device_ids = DeviceIds::new(template, application_id, Vec::new()).map_err(Error::Malformed)?;
    let device_id = device_id_from(&sender, &device_ids)?;
    message_from(message, sender, device_id, &[])
}

/// A parked event, as it would read if it happened now.
#[must_use]
pub fn as_of_now(event: HubEvent, twin: Option<&Value>) -> Option<HubEvent> {
    crate::hub_event::as_of_now::as_of_now(event, twin)
}

/// What the ordinary API would be asked to do for an event, given the device's twin: reads its tags and its downlink.
///
/// # Errors
/// When they will never be taken.
pub fn ask_the_api(event: &HubEvent, ids: &EndDeviceIds, twin: &Value) -> Result<(), String> {
    crate::hub_event::by_api::read(event, ids, twin)
}

/// A shared access signature.
#[must_use]
pub fn sas_token(resource: &str, key: &Secret, policy_name: Option<&str>, expiry: u64) -> String {
    crate::iot_hub::sas::token(resource, key, policy_name, expiry)
}
