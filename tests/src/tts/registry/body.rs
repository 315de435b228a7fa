//! Requests about end devices: their JSON, brought into one form.

use serde_json::{Map, Value, json};

use super::super::envelope::without_zeros;
use super::super::rejection::{Code, Rejection};
use super::mask::{get, put};
use super::schema::FIELDS;
use super::value::checked;

/// Keys below these are the user's own.
const FREE: [&str; 5] = ["attributes", "decoded_payload", "provisioning_data", "locations", "headers"];

/// A request's JSON object with snake-case names and without nulls.
pub(in crate::tts) fn parse(body: &[u8]) -> Result<Value, Rejection> {
    // The gateway refuses what is not JSON before the service sees it, so there are no details.
    let body: Value =
        serde_json::from_slice(body).map_err(|error| Rejection::bare(Code::InvalidArgument, error.to_string()))?;
    if body.is_object() {
        return Ok(snake(&body));
    }
    Err(Rejection::bare(Code::InvalidArgument, "json: cannot unmarshal request"))
}

/// The end device of a request, with these ids from its path and only with known, valid and non-zero fields.
pub(in crate::tts) fn end_device(
    request: &Value,
    application_id: &str,
    device_id: Option<&str>,
) -> Result<Value, Rejection> {
    let device = match request.get("end_device") {
        None => return Err(Rejection::validation("end_device", "value is required")),
        Some(device) if device.is_object() => device,
        Some(_) => return Err(super::value::unmarshal("end_device")),
    };
    let mut kept = json!({});
    for field in &FIELDS {
        if let Some(value) = get(device, field.path) {
            let named = format!("end_device.{}", field.path);
            put(&mut kept, field.path, Some(checked(&named, field.kind, value)?));
        }
    }
    // The path has the last word.
    put(&mut kept, "ids.application_ids.application_id", Some(application_id.into()));
    if let Some(device_id) = device_id {
        put(&mut kept, "ids.device_id", Some(device_id.into()));
    }
    require_id("end_device.ids.device_id", kept["ids"]["device_id"].as_str().unwrap_or_default())?;
    Ok(without_zeros(kept))
}

/// Refuses what cannot be a device's id.
pub(in crate::tts) fn require_id(field: &str, id: &str) -> Result<(), Rejection> {
    if super::super::ids::is_id(id) { Ok(()) } else { Err(Rejection::validation(field, super::value::ID_REASON)) }
}

fn snake(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let fields = object.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| {
                let name = snake_name(name);
                let value = if FREE.contains(&name.as_str()) { value.clone() } else { snake(value) };
                (name, value)
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(snake).collect(),
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => scalar.clone(),
    }
}

fn snake_name(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
