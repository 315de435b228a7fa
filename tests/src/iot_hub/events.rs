//! The events a hub makes of what happens to it, in the shape routing delivers them.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::clock::{epoch_milliseconds, timestamp};
use super::message::DeviceToCloudMessage;
use crate::event_hub::EventData;

/// What happened, with the event's body.
#[derive(Debug)]
pub(crate) enum Notification {
    CreateDeviceIdentity(Value),
    DeleteDeviceIdentity(Value),
    UpdateTwin(Value),
    ReplaceTwin(Value),
}

impl Notification {
    fn parts(&self) -> (&'static str, &'static str, &'static str, &Value) {
        const LIFECYCLE: (&str, &str) = ("deviceLifecycleEvents", "deviceLifecycleNotification");
        const TWIN: (&str, &str) = ("twinChangeEvents", "twinChangeNotification");
        let ((source, schema), operation, body) = match self {
            Self::CreateDeviceIdentity(body) => (LIFECYCLE, "createDeviceIdentity", body),
            Self::DeleteDeviceIdentity(body) => (LIFECYCLE, "deleteDeviceIdentity", body),
            Self::UpdateTwin(body) => (TWIN, "updateTwin", body),
            Self::ReplaceTwin(body) => (TWIN, "replaceTwin", body),
        };
        (source, schema, operation, body)
    }

    /// The event about a device. Live, `user-id` is binary and was seen with garbage behind the hub's name; here
    /// it is the name.
    pub(crate) fn event(&self, hub_name: &str, device_id: &str, now: OffsetDateTime) -> EventData {
        let (source, schema, operation, body) = self.parts();
        let properties = json!({
            "hubName": hub_name,
            "deviceId": device_id,
            "operationTimestamp": timestamp(now),
            "iothub-message-schema": schema,
            "opType": operation,
        });
        let system_properties = json!({
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "correlation-id": Uuid::new_v4().simple().to_string(),
            "user-id": hub_name,
            "iothub-connection-device-id": device_id,
            "iothub-enqueuedtime": epoch_milliseconds(now),
            "iothub-message-source": source,
        });
        EventData {
            body: body.to_string().into_bytes(),
            properties: object(properties),
            system_properties: object(system_properties),
            partition_key: Some(device_id.to_owned()),
        }
    }
}

/// A routed device-to-cloud message: the device's properties, and who it was.
pub(crate) fn telemetry(message: &DeviceToCloudMessage, generation_id: &str) -> EventData {
    let method = json!({
        "scope": message.authentication_scope, "type": "sas", "issuer": "iothub", "acceptingIpFilterRule": null,
    });
    let mut system_properties = object(json!({
        "iothub-connection-device-id": message.device_id,
        "iothub-connection-auth-method": method.to_string(),
        "iothub-connection-auth-generation-id": generation_id,
        "iothub-enqueuedtime": epoch_milliseconds(message.enqueued_time),
        "iothub-message-source": "Telemetry",
    }));
    for (name, value) in &message.system_properties {
        let annotation = match name.as_str() {
            "creation-time-utc" | "message-schema" | "interface-id" | "ack" => format!("iothub-{name}"),
            own => own.to_owned(),
        };
        system_properties.insert(annotation, json!(value));
    }
    EventData {
        body: message.body.clone(),
        properties: message.properties.iter().map(|(name, value)| (name.clone(), json!(value))).collect(),
        system_properties,
        partition_key: Some(message.device_id.clone()),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
