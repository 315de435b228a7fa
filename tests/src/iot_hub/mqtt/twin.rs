//! The twin as its device reads and writes it.

use serde_json::Value;

use crate::iot_hub::clock;
use crate::iot_hub::error::{ErrorCode, HubError, mqtt_body};
use crate::iot_hub::hub::Hub;

/// What a twin request is answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Of the reported properties, after writing them.
    pub(crate) version: Option<u64>,
    pub(crate) body: Vec<u8>,
    /// For the log only.
    pub(crate) refusal: Option<String>,
}

impl Answer {
    /// A refusal has its status in the topic and its number in the body: SDKs look at one or the other.
    pub(crate) fn refusal(status: u16, error_code: &str, message: &str) -> Self {
        let number = ErrorCode::number_of(error_code, status);
        let body = mqtt_body(number, message, clock::now()).to_string().into_bytes();
        Self { status, version: None, body, refusal: Some(format!("{error_code}: {message}")) }
    }
}

impl From<HubError> for Answer {
    fn from(error: HubError) -> Self {
        Self::refusal(error.code.status(), error.code.name(), &error.message)
    }
}

/// Desired and reported properties.
pub(crate) fn get(hub: &Hub, device_id: &str) -> Answer {
    match hub.device_twin(device_id) {
        Ok(twin) => Answer { status: 200, version: None, body: twin.to_string().into_bytes(), refusal: None },
        Err(error) => error.into(),
    }
}

/// Merges reported properties; gives back what was merged.
pub(crate) fn patch(hub: &Hub, device_id: &str, payload: &[u8]) -> (Answer, Option<Value>) {
    let written = serde_json::from_slice::<Value>(payload)
        .map_err(|error| HubError::format(error.to_string()))
        .and_then(|patch| Ok((hub.patch_reported(device_id, &patch)?, patch)));
    match written {
        Ok((twin, patch)) => {
            let version = twin.pointer("/properties/reported/$version").and_then(Value::as_u64);
            (Answer { status: 204, version, body: Vec::new(), refusal: None }, Some(patch))
        }
        Err(error) => (error.into(), None),
    }
}
