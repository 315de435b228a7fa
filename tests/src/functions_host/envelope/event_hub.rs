//! The envelope of an Event Hub trigger, in its five shapes and the one of an admin call.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Metadata, Sys, encoded, encoded_bytes, whole_seconds, with_fraction};
use crate::event_hub::Event;

/// `cardinality` of the binding; the host's default is `one`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cardinality {
    /// One event per invocation.
    One,
    /// A batch per invocation.
    Many,
}

/// `dataType` of the binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataType {
    /// Not given: text for one event, **parsed** bodies for many.
    #[serde(skip)]
    Absent,
    /// Text; bytes that are not UTF-8 are replaced.
    String,
    /// Base64.
    Binary,
}

/// Where a batch was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionContext {
    /// E.g. `ns1.servicebus.windows.net`.
    pub fully_qualified_namespace: String,
    /// The entity name.
    pub event_hub_name: String,
    /// E.g. `$Default`.
    pub consumer_group: String,
    /// Counted from 0.
    pub partition_id: usize,
}

/// `Data.<binding>` for a batch, or for its first event when the cardinality is one.
///
/// # Errors
/// For `many` without a data type, when a body is not JSON: it fails the **whole** batch before the handler sees it.
/// Also when there is no event at all.
pub fn event_hub_data(events: &[Event], cardinality: Cardinality, data_type: DataType) -> Result<Value, String> {
    let bodies = events.iter().map(|event| event.data.body.as_slice());
    match cardinality {
        Cardinality::One => bodies.map(|body| one(body, data_type)).next().ok_or_else(|| "no event".to_owned()),
        Cardinality::Many => {
            let items = bodies.map(|body| item(body, data_type)).collect::<Result<Vec<_>, _>>()?;
            Ok(encoded(&items.into()))
        }
    }
}

fn one(body: &[u8], data_type: DataType) -> Value {
    match data_type {
        DataType::Absent | DataType::String => encoded(&text(body)),
        DataType::Binary => encoded_bytes(body),
    }
}

fn item(body: &[u8], data_type: DataType) -> Result<Value, String> {
    match data_type {
        DataType::Absent => serde_json::from_slice(body)
            .map_err(|error| format!("Binding parameters to complex objects uses JSON serialization: {error}")),
        DataType::String => Ok(text(body)),
        DataType::Binary => Ok(encoded_bytes(body)),
    }
}

fn text(body: &[u8]) -> Value {
    String::from_utf8_lossy(body).into_owned().into()
}

/// `Metadata` for a batch, or for its first event when the cardinality is one.
///
/// The members of a single event's JSON body become metadata too and may **overwrite** the host's own, unless the
/// data type is binary.
#[must_use]
pub fn event_hub_metadata(
    events: &[Event],
    cardinality: Cardinality,
    data_type: DataType,
    context: &PartitionContext,
    sys: &Sys,
) -> Metadata {
    let mut metadata = Metadata::default();
    for name in ["TriggerPartitionContext", "PartitionContext"] {
        metadata.add(name, &partition_context(context));
    }
    match (cardinality, events.first()) {
        (Cardinality::Many, _) => add_arrays(&mut metadata, events),
        (Cardinality::One, Some(event)) => add_scalars(&mut metadata, event, data_type),
        (Cardinality::One, None) => {}
    }
    metadata.add_sys(sys);
    metadata
}

fn partition_context(context: &PartitionContext) -> Value {
    json!({
        "IsCheckpointingAfterInvocation": true,
        "FullyQualifiedNamespace": context.fully_qualified_namespace,
        "EventHubName": context.event_hub_name,
        "ConsumerGroup": context.consumer_group,
        "PartitionId": context.partition_id.to_string(),
    })
}

fn add_arrays(metadata: &mut Metadata, events: &[Event]) {
    let mut add = |name: &str, item: &dyn Fn(&Event) -> Value| {
        metadata.add(name, &events.iter().map(item).collect::<Vec<_>>().into());
    };
    add("PartitionKeyArray", &|event| json!(event.data.partition_key));
    add("OffsetArray", &|event| event.offset.to_string().into());
    add("OffsetStringArray", &|event| event.offset.to_string().into());
    add("SequenceNumberArray", &|event| event.sequence_number.into());
    add("EnqueuedTimeUtcArray", &|event| with_fraction(event.enqueued_time).into());
    add("PropertiesArray", &|event| event.data.properties.clone().into());
    add("SystemPropertiesArray", &system_properties);
}

fn add_scalars(metadata: &mut Metadata, event: &Event, data_type: DataType) {
    metadata.add("PartitionKey", &json!(event.data.partition_key));
    metadata.add("Offset", &event.offset.to_string().into());
    metadata.add("OffsetString", &event.offset.to_string().into());
    metadata.add("SequenceNumber", &event.sequence_number.into());
    metadata.add_as_is("EnqueuedTimeUtc", whole_seconds(event.enqueued_time).into());
    metadata.add("Properties", &event.data.properties.clone().into());
    metadata.add("SystemProperties", &system_properties(event));
    if data_type != DataType::Binary {
        metadata.spread_body(&event.data.body);
    }
}

fn system_properties(event: &Event) -> Value {
    let mut properties = event.data.system_properties.clone();
    properties.insert("SequenceNumber".to_owned(), event.sequence_number.into());
    properties.insert("Offset".to_owned(), event.offset.into());
    properties.insert("OffsetString".to_owned(), event.offset.to_string().into());
    if let Some(key) = &event.data.partition_key {
        properties.insert("PartitionKey".to_owned(), key.as_str().into());
    }
    properties.insert("EnqueuedTimeUtc".to_owned(), with_fraction(event.enqueued_time).into());
    properties.into()
}

/// `Data.<binding>` of an admin call: the input as a single event, in an array if the cardinality is many.
///
/// # Errors
/// As [`event_hub_data`].
pub fn event_hub_admin_data(input: &str, cardinality: Cardinality, data_type: DataType) -> Result<Value, String> {
    match cardinality {
        Cardinality::One => Ok(one(input.as_bytes(), data_type)),
        Cardinality::Many => Ok(encoded(&json!([item(input.as_bytes(), data_type)?]))),
    }
}

/// `Metadata` of an admin call: the names of a **single** event whatever the cardinality, and no partition context.
///
/// The event was never enqueued, so it has the smallest sequence number there is and no offset.
#[must_use]
pub fn event_hub_admin_metadata(input: &str, cardinality: Cardinality, data_type: DataType, sys: &Sys) -> Metadata {
    let mut metadata = Metadata::default();
    metadata.add("SequenceNumber", &i64::MIN.into());
    metadata.add_as_is("EnqueuedTimeUtc", "0001-01-01T00:00:00".into());
    metadata.add("Properties", &Map::new().into());
    metadata.add("SystemProperties", &json!({"SequenceNumber": i64::MIN, "EnqueuedTimeUtc": "0001-01-01T00:00:00"}));
    if cardinality == Cardinality::One && data_type != DataType::Binary {
        metadata.spread_body(input.as_bytes());
    }
    metadata.add_sys(sys);
    metadata
}

#[cfg(test)]
#[path = "event_hub_tests.rs"]
mod tests;
