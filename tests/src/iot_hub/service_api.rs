//! The service REST API: identities under `/devices`, twins under `/twins`.

use hyper::Method;
use serde_json::{Value, json};

use super::bulk;
use super::error::HubError;
use super::http::{Call, Reply};
use super::hub::Hub;
use super::registry::{Device, MOST_DEVICES};
use super::role::Action;
use super::twin_query::TwinQuery;

/// `GET /devices?top=` (deprecated, and still there) and the bulk `POST /devices`.
pub(crate) fn devices(hub: &Hub, call: &Call) -> Result<Reply, HubError> {
    match call.method {
        Method::GET => list(hub, call),
        Method::POST => {
            hub.access.check_service(call.claim(), Action::WriteDevices)?;
            let result = bulk::carry_out(hub, &call.body)?;
            let status = if result["isSuccessful"] == true { 200 } else { 400 };
            Ok(Reply::json(result).with_status(status))
        }
        _ => Ok(Reply::empty(405)),
    }
}

fn list(hub: &Hub, call: &Call) -> Result<Reply, HubError> {
    hub.access.check_service(call.claim(), Action::ReadDevices)?;
    let top = match call.parameter("top") {
        Some(text) => text.parse().map_err(|_| HubError::argument(format!("top: '{text}' is not a number")))?,
        None => MOST_DEVICES,
    };
    Ok(Reply::json(Value::Array(hub.devices(top))))
}

/// `GET`, `PUT` and `DELETE /devices/{id}`.
pub(crate) fn device(hub: &Hub, call: &Call, device_id: &str) -> Result<Reply, HubError> {
    let action = match call.method {
        Method::GET => Action::ReadDevices,
        Method::DELETE => Action::DeleteDevices,
        _ => Action::WriteDevices,
    };
    hub.access.check_service(call.claim(), action)?;
    match call.method {
        Method::GET => hub.device(device_id).map(Reply::entity),
        Method::PUT => hub.put_device(device_id, &call.json()?, &call.precondition()).map(Reply::entity),
        Method::DELETE => hub.delete_device(device_id, &call.precondition()).map(|()| Reply::empty(204)),
        _ => Ok(Reply::empty(405)),
    }
}

/// `GET`, `PATCH` and `PUT /twins/{id}`. Registry rights do not help here, as live.
pub(crate) fn twin(hub: &Hub, call: &Call, device_id: &str) -> Result<Reply, HubError> {
    let action = if call.method == Method::GET { Action::ReadTwins } else { Action::WriteTwins };
    hub.access.check_service(call.claim(), action)?;
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

/// `POST /devices/query`: twins, page by page.
pub(crate) fn query(hub: &Hub, call: &Call) -> Result<Reply, HubError> {
    hub.access.check_service(call.claim(), Action::ReadTwins)?;
    let body = call.json()?;
    let text = body.get("query").and_then(Value::as_str).ok_or_else(|| HubError::argument("query is missing"))?;
    let query = TwinQuery::parse(text)?;
    let size = match call.header("x-ms-max-item-count").filter(|text| !text.is_empty()) {
        Some(text) => Some(text.parse().map_err(|_| HubError::argument(format!("x-ms-max-item-count: '{text}'")))?),
        None => None,
    };
    let continuation = call.header("x-ms-continuation").filter(|text| !text.is_empty());
    let page = query.page(hub.registry().devices().map(Device::twin_document), size, continuation)?;
    let reply = Reply::json(Value::Array(page.items)).with_header("x-ms-item-type", query.item_type().to_owned());
    Ok(match page.continuation {
        Some(continuation) => reply.with_header("x-ms-continuation", continuation),
        None => reply,
    })
}

/// `GET /statistics/devices` and `/statistics/service`.
pub(crate) fn statistics(hub: &Hub, call: &Call, kind: &str) -> Result<Reply, HubError> {
    match kind {
        "devices" => {
            hub.access.check_service(call.claim(), Action::ReadDevices)?;
            let registry = hub.registry();
            let (all, enabled) =
                (registry.devices().count(), registry.devices().filter(|device| device.identity.enabled).count());
            let counts = json!({
                "totalDeviceCount": all, "enabledDeviceCount": enabled, "disabledDeviceCount": all - enabled,
            });
            Ok(Reply::json(counts))
        }
        "service" => {
            hub.access.check_service(call.claim(), Action::ReadServiceStatistics)?;
            Ok(Reply::json(json!({ "connectedDeviceCount": hub.mqtt.sessions.connections().open })))
        }
        _ => Ok(Reply::empty(404)),
    }
}
