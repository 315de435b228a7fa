//! The service REST API: identities under `/devices`, twins under `/twins`.

use hyper::Method;
use serde_json::Value;

use super::bulk;
use super::error::HubError;
use super::http::{Call, Reply};
use super::hub::Hub;
use super::policy::Right;
use super::registry::MOST_DEVICES;

/// `GET /devices?top=` (deprecated, and still there) and the bulk `POST /devices`.
pub(crate) fn devices(hub: &Hub, call: &Call) -> Result<Reply, HubError> {
    match call.method {
        Method::GET => list(hub, call),
        Method::POST => {
            hub.access.check_service(call.claim(), Right::RegistryWrite)?;
            let result = bulk::carry_out(hub, &call.body)?;
            let status = if result["isSuccessful"] == true { 200 } else { 400 };
            Ok(Reply::json(result).with_status(status))
        }
        _ => Ok(Reply::empty(405)),
    }
}

fn list(hub: &Hub, call: &Call) -> Result<Reply, HubError> {
    hub.access.check_service(call.claim(), Right::RegistryRead)?;
    let top = match call.parameter("top") {
        Some(text) => text.parse().map_err(|_| HubError::argument(format!("top: '{text}' is not a number")))?,
        None => MOST_DEVICES,
    };
    Ok(Reply::json(Value::Array(hub.devices(top))))
}

/// `GET`, `PUT` and `DELETE /devices/{id}`.
pub(crate) fn device(hub: &Hub, call: &Call, device_id: &str) -> Result<Reply, HubError> {
    let right = if call.method == Method::GET { Right::RegistryRead } else { Right::RegistryWrite };
    hub.access.check_service(call.claim(), right)?;
    match call.method {
        Method::GET => hub.device(device_id).map(Reply::entity),
        Method::PUT => hub.put_device(device_id, &call.json()?, &call.precondition()).map(Reply::entity),
        Method::DELETE => hub.delete_device(device_id, &call.precondition()).map(|()| Reply::empty(204)),
        _ => Ok(Reply::empty(405)),
    }
}

/// `GET`, `PATCH` and `PUT /twins/{id}`. Registry rights do not help here, as live.
pub(crate) fn twin(hub: &Hub, call: &Call, device_id: &str) -> Result<Reply, HubError> {
    hub.access.check_service(call.claim(), Right::ServiceConnect)?;
    match call.method {
        Method::GET => {
            if let Some(observer) = &hub.observer {
                observer.twin_read(device_id);
            }
            hub.twin(device_id)
        }
        Method::PATCH => hub.patch_twin(device_id, &call.json()?, &call.precondition()),
        Method::PUT => hub.replace_twin(device_id, &call.json()?, &call.precondition()),
        _ => return Ok(Reply::empty(405)),
    }
    .map(Reply::entity)
}
