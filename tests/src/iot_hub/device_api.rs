//! The HTTPS device API: `POST /devices/{id}/messages/events`.

use super::error::HubError;
use super::http::{Call, Reply};
use super::hub::Hub;
use super::message::Draft;

const BATCH: &str = "application/vnd.microsoft.iothub.json";

/// One message, or a batch if the content type says so. 204 means accepted.
pub(crate) fn send(hub: &Hub, call: &Call, device_id: &str) -> Result<Reply, HubError> {
    let scope = authorize(hub, call, device_id)?;
    let drafts = if is_batch(call) {
        Draft::from_batch(&call.body)?
    } else {
        vec![Draft::from_headers(&call.headers, &call.body)?]
    };
    hub.accept(device_id, drafts, scope);
    Ok(Reply::empty(204))
}

/// Devices have no twin over HTTPS; a live hub answers 401 whatever the token.
pub(crate) fn twin() -> Result<Reply, HubError> {
    Err(HubError::unauthorized("devices have no twin over HTTPS"))
}

/// Who the device is, by its token; the kind of key is answered.
pub(crate) fn authorize(hub: &Hub, call: &Call, device_id: &str) -> Result<&'static str, HubError> {
    let registry = hub.registry();
    let identity = registry.get(device_id).map(|device| &device.identity);
    hub.access.check_device(call.claim(), device_id, identity)
}

fn is_batch(call: &Call) -> bool {
    let media_type = call.header("content-type").and_then(|value| value.split(';').next());
    media_type.is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case(BATCH))
}
