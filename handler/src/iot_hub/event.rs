//! What IoT Hub's routes put on the Event Hub: device lifecycle and twin-change events.

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use super::DeviceId;

/// What happened to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `createDeviceIdentity`
    Created,
    /// `deleteDeviceIdentity`
    Deleted,
    /// `updateTwin`: the body holds the submitted patch.
    TwinUpdated,
    /// `replaceTwin`: the body holds the whole twin.
    TwinReplaced,
}

/// One event that concerns a device.
#[derive(Debug, Clone)]
pub struct HubEvent {
    /// What happened.
    pub operation: Operation,
    /// The device, as IoT Hub names it.
    pub device_id: String,
    /// The twin or twin patch, as the hub wrote it.
    pub body: Box<RawValue>,
    /// The event's application properties.
    pub properties: Map<String, Value>,
}

/// What an event on the Event Hub is to us.
#[derive(Debug)]
pub enum Recognised {
    /// One to act on.
    Event(HubEvent),
    /// None of our business, and why.
    Ignored(&'static str),
}

impl HubEvent {
    /// Recognises an event by its application properties.
    ///
    /// # Errors
    /// A sentence saying what was found and what was expected, for an event that should be ours but is not readable.
    pub fn recognise(body: &[u8], properties: &Map<String, Value>) -> Result<Recognised, String> {
        let Some(operation) = properties.get("opType") else {
            return Ok(Recognised::Ignored(
                "it has no opType: telemetry, or not from IoT Hub's lifecycle and twin routes",
            ));
        };
        let operation = match operation.as_str() {
            Some("createDeviceIdentity") => Operation::Created,
            Some("deleteDeviceIdentity") => Operation::Deleted,
            Some("updateTwin") => Operation::TwinUpdated,
            Some("replaceTwin") => Operation::TwinReplaced,
            Some(other) if other.contains("Module") => return Ok(Recognised::Ignored("it is about a module")),
            _ => return Ok(Recognised::Ignored("its opType is not one of device identities or twins")),
        };
        if properties.get("moduleId").is_some_and(|module_id| !module_id.is_null()) {
            return Ok(Recognised::Ignored("it is about a module"));
        }
        let (body, parts) = read_body(body)?;
        if operation == Operation::TwinUpdated && parts.is_echo() {
            return Ok(Recognised::Ignored("only reported properties changed: an echo of telemetry"));
        }
        match properties.get("deviceId").and_then(Value::as_str) {
            Some(device_id) => {
                let properties = properties.clone();
                Ok(Recognised::Event(Self { operation, device_id: device_id.to_owned(), body, properties }))
            }
            None => {
                Err("found no application property deviceId, expected one on every lifecycle and twin event".to_owned())
            }
        }
    }

    /// The change that would bring a twin's tags as they are; `None` without tags.
    #[must_use]
    pub fn of_tags(device_id: &DeviceId, twin: &Value) -> Option<Self> {
        let tags = twin.get("tags").filter(|tags| tags.as_object().is_some_and(|tags| !tags.is_empty()))?;
        let properties = json!({
            "deviceId": device_id.as_str(),
            "opType": "updateTwin",
            "iothub-message-schema": "twinChangeNotification",
        });
        Some(Self {
            operation: Operation::TwinUpdated,
            device_id: device_id.to_string(),
            body: to_raw_value(&json!({"version": twin["version"], "tags": tags})).ok()?,
            properties: properties.as_object()?.clone(),
        })
    }

    /// The deletion of a device that is gone.
    ///
    /// # Panics
    /// Never: a device id is text.
    #[must_use]
    pub fn of_deletion(device_id: &DeviceId) -> Self {
        let properties = [
            ("deviceId", device_id.as_str()),
            ("opType", "deleteDeviceIdentity"),
            ("iothub-message-schema", "deviceLifecycleNotification"),
        ];
        Self {
            operation: Operation::Deleted,
            device_id: device_id.to_string(),
            body: to_raw_value(&json!({"deviceId": device_id.as_str()})).expect("text is JSON"),
            properties: properties.map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect(),
        }
    }
}

/// The sections of a twin-change body that decide whether it concerns us.
#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow)]
    tags: Option<&'a RawValue>,
    #[serde(borrow)]
    properties: Option<Properties<'a>>,
}

#[derive(Deserialize)]
struct Properties<'a> {
    #[serde(borrow)]
    desired: Option<&'a RawValue>,
}

impl Parts<'_> {
    fn is_echo(&self) -> bool {
        let is_object = |value: Option<&RawValue>| value.is_some_and(|value| value.get().starts_with('{'));
        !is_object(self.tags) && !is_object(self.properties.as_ref().and_then(|properties| properties.desired))
    }
}

fn read_body(body: &[u8]) -> Result<(Box<RawValue>, Parts<'_>), String> {
    let text = std::str::from_utf8(body)
        .map_err(|reason| format!("found a body that is not UTF-8 ({reason}), expected JSON"))?;
    let not_json =
        |reason: serde_json::Error| format!("found a body that is not a twin as JSON ({reason}), expected an object");
    let parts: Parts<'_> = serde_json::from_str(text).map_err(not_json)?;
    let body: Box<RawValue> = serde_json::from_str(text).map_err(not_json)?;
    // A JSON array deserializes into a struct too.
    if !body.get().starts_with('{') {
        return Err("found a body that is not a JSON object, expected a twin or a twin patch".to_owned());
    }
    Ok((body, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognise(body: &str, properties: Value) -> Result<Recognised, String> {
        let Value::Object(properties) = properties else { panic!("properties are an object") };
        HubEvent::recognise(body.as_bytes(), &properties)
    }

    #[test]
    fn lifecycle_and_twin_events_of_devices_are_recognised() {
        for (op_type, body, operation) in [
            ("createDeviceIdentity", r#"{"deviceId":"dev-1"}"#, Operation::Created),
            ("deleteDeviceIdentity", r#"{"deviceId":"dev-1"}"#, Operation::Deleted),
            ("updateTwin", r#"{"version":4,"tags":{"lorawan":{}}}"#, Operation::TwinUpdated),
            ("updateTwin", r#"{"version":5,"properties":{"desired":{"x":1.0,"$version":2}}}"#, Operation::TwinUpdated),
            ("replaceTwin", r#"{"deviceId":"dev-1","version":4}"#, Operation::TwinReplaced),
        ] {
            let Ok(Recognised::Event(event)) = recognise(body, json!({"opType": op_type, "deviceId": "dev-1"})) else {
                panic!("{op_type} {body} is an event")
            };
            assert_eq!((event.operation, event.device_id.as_str(), event.body.get()), (operation, "dev-1", body));
        }
    }

    #[test]
    fn what_is_not_about_a_devices_identity_tags_or_desired_properties_is_ignored() {
        for (properties, body) in [
            (json!({}), "{}"),
            (json!({"opType": "deviceConnected", "deviceId": "dev-1"}), "{}"),
            (json!({"opType": 7}), "{}"),
            (json!({"opType": "createModuleIdentity", "deviceId": "dev-1", "moduleId": "m"}), "{}"),
            (json!({"opType": "updateTwin", "deviceId": "dev-1", "moduleId": "m"}), r#"{"tags":{}}"#),
            (json!({"opType": "updateTwin", "deviceId": "dev-1"}), r#"{"properties":{"reported":{"x":1}}}"#),
            (json!({"opType": "updateTwin", "deviceId": "dev-1"}), r#"{"tags":null,"version":3}"#),
        ] {
            assert!(matches!(recognise(body, properties.clone()), Ok(Recognised::Ignored(_))), "{properties} {body}");
        }
    }

    #[test]
    fn unreadable_events_are_refused_with_what_was_found() {
        let twin = json!({"opType": "replaceTwin", "deviceId": "dev-1"});
        for (properties, body, found) in [
            (twin.clone(), "hello", "not a twin as JSON"),
            (twin.clone(), "[]", "not a"),
            (twin, "[null,null]", "not a JSON object"),
            (json!({"opType": "replaceTwin"}), "{}", "no application property deviceId"),
        ] {
            let reason = recognise(body, properties).unwrap_err();
            assert!(reason.contains(found), "{body}: {reason}");
        }
        let properties = Map::from_iter([("opType".to_owned(), json!("updateTwin"))]);
        assert!(HubEvent::recognise(&[0xff], &properties).unwrap_err().contains("not UTF-8"));
    }
}
