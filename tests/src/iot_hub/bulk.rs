//! Bulk registry operations: `POST /devices` with up to a hundred entries, each on its own.

use serde_json::{Value, json};

use super::error::{ErrorCode, HubError};
use super::hub::Hub;
use super::registry::Precondition;

const MOST_ENTRIES: usize = 100;

/// Carries out every entry; the answer lists those that failed.
pub(crate) fn carry_out(hub: &Hub, body: &[u8]) -> Result<Value, HubError> {
    let entries: Vec<Value> = serde_json::from_slice(body).map_err(|error| HubError::format(error.to_string()))?;
    if entries.len() > MOST_ENTRIES {
        return Err(HubError::new(ErrorCode::TooManyDevices, format!("more than {MOST_ENTRIES} devices")));
    }
    let errors: Vec<_> = entries.iter().filter_map(|entry| Some(failure(entry, &apply(hub, entry).err()?))).collect();
    Ok(json!({ "isSuccessful": errors.is_empty(), "errors": errors, "warnings": [] }))
}

fn apply(hub: &Hub, entry: &Value) -> Result<(), HubError> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let id = text("id").ok_or_else(|| HubError::argument("id is missing"))?;
    let if_match = Precondition::parse(text("eTag"));
    // SDKs write it with a capital or without.
    let mode = text("importMode").unwrap_or("create");
    match mode.to_ascii_lowercase().as_str() {
        "create" => hub.create_device(id, &identity(id, entry), entry).map(|_| ()),
        "update" => hub.put_device(id, &identity(id, entry), &Precondition::Any).map(|_| ()),
        "updateifmatchetag" => hub.put_device(id, &identity(id, entry), &required(if_match)?).map(|_| ()),
        "delete" => hub.delete_device(id, &Precondition::Any),
        "deleteifmatchetag" => hub.delete_device(id, &if_match),
        "updatetwin" => hub.patch_twin(id, entry, &Precondition::Any).map(|_| ()),
        "updatetwinifmatchetag" => hub.patch_twin(id, entry, &required(if_match)?).map(|_| ()),
        _ => Err(HubError::argument(format!("importMode: '{mode}' is unknown"))),
    }
}

/// Without its tag, an update would turn into a creation.
fn required(precondition: Precondition) -> Result<Precondition, HubError> {
    match precondition {
        Precondition::Absent => Err(HubError::precondition_failed("Etag missing")),
        Precondition::Any | Precondition::Etag(_) => Ok(precondition),
    }
}

/// An entry is an identity whose `deviceId` is called `id`.
fn identity(id: &str, entry: &Value) -> Value {
    let mut identity = entry.clone();
    identity["deviceId"] = json!(id);
    identity
}

fn failure(entry: &Value, error: &HubError) -> Value {
    json!({
        "deviceId": entry.get("id"),
        "errorCode": error.code.name(),
        "errorStatus": error.message,
        "moduleId": null,
        "operation": entry.get("importMode"),
    })
}
