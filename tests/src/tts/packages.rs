//! The `azureiothub` application package: takes IoT Hub's events from the Functions app.

use serde_json::{Map, Value};

use super::ids::is_id;
use super::rejection::{Code, Rejection};

/// One event the package accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct SubmittedEvent {
    /// `end_device_ids.device_id`.
    pub device_id: String,
    /// The event's JSON object.
    pub body: Value,
    /// The event's application properties.
    pub properties: Map<String, Value>,
}

/// The events of a request, if *all* of them are valid: one bad event sinks the batch.
pub(super) fn submit(application_id: &str, body: &[u8]) -> Result<Vec<SubmittedEvent>, Rejection> {
    // The gateway refuses what is not JSON before the service sees it, so there are no details.
    let request: Value =
        serde_json::from_slice(body).map_err(|error| Rejection::bare(Code::InvalidArgument, error.to_string()))?;
    let not_json = |what: &str| Rejection::bare(Code::InvalidArgument, format!("json: cannot unmarshal {what}"));
    let request = request.as_object().ok_or_else(|| not_json("request"))?;
    let events = match request.get("events") {
        None | Some(Value::Null) => &Vec::new(),
        Some(events) => events.as_array().ok_or_else(|| not_json("events"))?,
    };
    if events.is_empty() {
        return Err(Rejection::validation("events", "value must contain at least 1 item(s)"));
    }
    events.iter().enumerate().map(|(index, event)| accepted(application_id, index, event)).collect()
}

/// The device ids of a request, valid or not; empty when it is not a batch of events.
pub(super) fn device_ids(body: &[u8]) -> Vec<String> {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let id = |event: &Value| field(field(event, "end_device_ids")?, "device_id")?.as_str().map(str::to_owned);
    request["events"].as_array().into_iter().flatten().map(|event| id(event).unwrap_or_default()).collect()
}

fn accepted(application_id: &str, index: usize, event: &Value) -> Result<SubmittedEvent, Rejection> {
    let invalid = |name: &str, reason| Rejection::validation(&format!("events[{index}].{name}"), reason);
    let object = |name: &str| match field(event, name) {
        None => Err(invalid(name, "value is required")),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(Rejection::bare(Code::InvalidArgument, format!("json: cannot unmarshal {name} into Struct"))),
    };
    let ids = Value::Object(object("end_device_ids")?);
    let device_id = field(&ids, "device_id").and_then(Value::as_str).unwrap_or_default();
    if !is_id(device_id) {
        let reason = "value does not match regex pattern \"^[a-z0-9](?:[-]?[a-z0-9]){2,}$\"";
        return Err(invalid("end_device_ids.device_id", reason));
    }
    let application =
        field(&ids, "application_ids").ok_or_else(|| invalid("end_device_ids.application_ids", "value is required"))?;
    if field(application, "application_id").and_then(Value::as_str) != Some(application_id) {
        return Err(invalid(
            "end_device_ids.application_ids.application_id",
            "value must be the request's application",
        ));
    }
    let (body, properties) = (Value::Object(object("body")?), object("properties")?);
    Ok(SubmittedEvent { device_id: device_id.to_owned(), body, properties })
}

/// A field by its snake-case name or, as the gateway allows, its camel-case one; null counts as absent.
fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    let camel = words.fold(first, |camel, word| camel + &word[..1].to_uppercase() + &word[1..]);
    object.get(name).or_else(|| object.get(camel)).filter(|value| !value.is_null())
}
