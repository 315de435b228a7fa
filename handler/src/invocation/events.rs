//! An Event Hub batch as the host wraps it, in each of its shapes.
//!
//! | cardinality, dataType | `Data.events` |
//! |---|---|
//! | many, binary | JSON text of an array of base64 strings |
//! | many, string | JSON text of an array of strings |
//! | many, absent | JSON text of an array of parsed bodies |
//! | one, string or absent | JSON text of a string |
//! | one, binary | base64 |
//!
//! `functions/hub_events` asks for the first; an admin invocation and another function.json bring the others.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{decoded, decoded_as, not_an_envelope};
use crate::error::Error;
use crate::json::parse;

/// One event as it lay in the Event Hub.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerEvent {
    /// The body's bytes, unchanged.
    pub body: Vec<u8>,
    /// Application properties.
    pub properties: Map<String, Value>,
    /// Annotations and AMQP properties, plus what the trigger adds.
    pub system_properties: Map<String, Value>,
    /// Position in the partition; unique together with the partition id.
    pub sequence_number: Option<i64>,
    /// When the Event Hub accepted it, as the trigger writes it: UTC without `Z`.
    pub enqueued_time: Option<String>,
}

impl TriggerEvent {
    /// The device the event names, whatever it is about.
    #[must_use]
    pub fn device_id(&self) -> Option<&str> {
        self.properties.get("deviceId")?.as_str()
    }

    /// Whether the Event Hub has had it for less than `age`, as far as that is known.
    #[must_use]
    pub fn is_younger_than(&self, age: Duration, now: OffsetDateTime) -> bool {
        let utc = self.enqueued_time.as_ref().map(|text| format!("{}Z", text.trim_end_matches('Z')));
        let enqueued_at = utc.and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok());
        enqueued_at.is_some_and(|at| now - at < age)
    }
}

/// The state of the trigger's retry policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RetryContext {
    /// 0 on the first try.
    pub retry_count: i64,
    /// −1: for ever.
    pub max_retry_count: i64,
}

/// Retries after which a batch is parked rather than repeated: its order has been waited for long enough. The policy
/// itself goes on for ever, so that a batch whose queue items cannot be written is repeated too, not lost.
const RETRIES_BEFORE_PARKING: i64 = 5;

impl EventBatch {
    /// Whether the retry policy has brought the batch before.
    #[must_use]
    pub fn is_retried(&self) -> bool {
        self.retry.is_some_and(|retry| retry.retry_count > 0)
    }

    /// How often the retry policy has repeated the batch, if that is more often than it takes to be parked: somebody
    /// else, e.g. the queue, keeps it from ending.
    #[must_use]
    pub fn retries_in_vain(&self) -> Option<i64> {
        self.retry.map(|retry| retry.retry_count).filter(|retries| *retries > RETRIES_BEFORE_PARKING)
    }

    /// Whether what cannot be delivered now is to be parked: without a retry policy at once, else after some tries, and
    /// in any case at the last one.
    #[must_use]
    pub fn is_to_be_parked(&self) -> bool {
        self.retry.is_none_or(|RetryContext { retry_count, max_retry_count }| {
            retry_count >= RETRIES_BEFORE_PARKING || (max_retry_count >= 0 && retry_count >= max_retry_count)
        })
    }
}

/// What one invocation of an Event Hub-triggered function brings; the events are in partition order.
#[derive(Debug, Clone, PartialEq)]
pub struct EventBatch {
    /// The partition's id; an admin invocation has none.
    pub partition_id: Option<String>,
    /// The events, oldest first.
    pub events: Vec<TriggerEvent>,
    /// Present when function.json has a retry policy.
    pub retry: Option<RetryContext>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Data", borrow)]
    data: Data<'a>,
    #[serde(rename = "Metadata", default, deserialize_with = "null_as_default")]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    events: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Metadata {
    trigger_partition_context: Value,
    partition_context: Value,
    properties_array: Value,
    system_properties_array: Value,
    sequence_number_array: Value,
    enqueued_time_utc_array: Value,
    properties: Value,
    system_properties: Value,
    sequence_number: Value,
    enqueued_time_utc: Value,
    retry_context: Value,
}

fn null_as_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Metadata, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads the envelope of the function whose Event Hub binding is called `events`.
///
/// # Errors
/// [`Error::Malformed`] naming the JSON path if it is not one. A strange event body is no error here: it is the
/// event's, not the batch's.
pub fn event_batch(envelope: &[u8]) -> Result<EventBatch, Error> {
    let Envelope { data, metadata } = parse(envelope).map_err(|reason| not_an_envelope(&reason))?;
    let bodies = bodies(data.events)?;
    let mut properties = per_event(metadata.properties_array, metadata.properties).into_iter();
    let mut system_properties = per_event(metadata.system_properties_array, metadata.system_properties).into_iter();
    let mut sequence_numbers = per_event(metadata.sequence_number_array, metadata.sequence_number).into_iter();
    let mut times = per_event(metadata.enqueued_time_utc_array, metadata.enqueued_time_utc).into_iter();
    let events = bodies.into_iter().map(|body| TriggerEvent {
        body,
        properties: object(properties.next()),
        system_properties: object(system_properties.next()),
        sequence_number: sequence_numbers.next().and_then(decoded_as),
        enqueued_time: times.next().and_then(|time| time.as_str().map(str::to_owned)),
    });
    Ok(EventBatch {
        partition_id: partition_id(metadata.trigger_partition_context)
            .or_else(|| partition_id(metadata.partition_context)),
        events: events.collect(),
        retry: decoded_as(metadata.retry_context),
    })
}

/// The `…Array` value of a batch, or the plain value of a single event as an array of one.
fn per_event(array: Value, single: Value) -> Vec<Value> {
    match decoded(array) {
        Value::Array(values) => values,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![single],
    }
}

fn object(value: Option<Value>) -> Map<String, Value> {
    value.and_then(decoded_as).unwrap_or_default()
}

fn partition_id(context: Value) -> Option<String> {
    Some(decoded(context).get("PartitionId")?.as_str()?.to_owned())
}

fn bodies(events: &RawValue) -> Result<Vec<Vec<u8>>, Error> {
    let Ok(text) = serde_json::from_str::<String>(events.get()) else {
        return Ok(elements(events));
    };
    match serde_json::from_str::<&RawValue>(&text) {
        Ok(inner) if inner.get().starts_with('[') => Ok(elements(inner)),
        Ok(inner) if inner.get().starts_with(['"', '{']) => Ok(vec![body(inner)]),
        // Base64 of one binary event; it may also read as a JSON number or literal.
        _ => STANDARD.decode(&text).map(|bytes| vec![bytes]).map_err(|reason| {
            Error::Malformed(format!(
                "`Data.events` is neither JSON text nor base64: {reason}; check function.json's binding"
            ))
        }),
    }
}

fn elements(events: &RawValue) -> Vec<Vec<u8>> {
    match serde_json::from_str::<Vec<&RawValue>>(events.get()) {
        Ok(elements) => elements.into_iter().map(body).collect(),
        Err(_) => vec![body(events)],
    }
}

/// A body from an array element or a single value: base64 if the text is that, otherwise the text itself.
/// JSON objects and arrays start with a character base64 does not have, so real events are never mistaken.
fn body(value: &RawValue) -> Vec<u8> {
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) => STANDARD.decode(&text).unwrap_or_else(|_| text.into_bytes()),
        Err(_) => value.get().as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn batch(envelope: &Value) -> EventBatch {
        event_batch(envelope.to_string().as_bytes()).unwrap()
    }

    fn text(events: &[TriggerEvent]) -> Vec<String> {
        events.iter().map(|event| String::from_utf8(event.body.clone()).unwrap()).collect()
    }

    #[test]
    fn every_shape_of_the_trigger_yields_the_same_bodies() {
        let two = [r#"{"t":21.50}"#, r#"{"t":2}"#];
        for (shape, events, expected) in [
            ("many, binary", r#"["eyJ0IjoyMS41MH0=","eyJ0IjoyfQ=="]"#, &two[..]),
            ("many, string", r#"["{\"t\":21.50}","{\"t\":2}"]"#, &two[..]),
            ("many, absent", r#"[{"t":21.50},{"t":2}]"#, &two[..]),
            ("one, string or absent", r#""{\"t\":21.50}""#, &two[..1]),
            ("one, binary", "eyJ0IjoyMS41MH0=", &two[..1]),
        ] {
            let batch = batch(&json!({"Data": {"events": events}, "Metadata": {}}));
            assert_eq!(text(&batch.events), expected, "{shape}");
        }
    }

    #[test]
    fn metadata_of_a_batch_is_matched_to_its_events_by_position() {
        let batch = batch(&json!({
            "Data": {"events": "[\"e30=\",\"e30=\"]"},
            "Metadata": {
                "TriggerPartitionContext": {"PartitionId": "3", "EventHubName": "events"},
                "PropertiesArray": "[{\"opType\":\"updateTwin\"},{}]",
                "SystemPropertiesArray": "[{},{\"iothub-message-source\":\"twinChangeEvents\"}]",
                "SequenceNumberArray": "[1041,1042]",
                "RetryContext": {"RetryCount": 1, "MaxRetryCount": 5, "Exception": {"Message": "…"}, "State": {}},
            }
        }));
        assert_eq!(batch.partition_id.as_deref(), Some("3"));
        assert_eq!(batch.retry, Some(RetryContext { retry_count: 1, max_retry_count: 5 }));
        assert_eq!(batch.events[0].properties["opType"], "updateTwin");
        assert_eq!(batch.events[0].sequence_number, Some(1041));
        assert_eq!(batch.events[1].system_properties["iothub-message-source"], "twinChangeEvents");
        assert_eq!(batch.events[1].properties, Map::new());
    }

    #[test]
    fn an_admin_invocation_brings_one_event_with_single_style_metadata() {
        let batch = batch(&json!({
            "Data": {"events": "[\"e30=\"]"},
            "Metadata": {"Properties": {"opType": "updateTwin"}, "SequenceNumber": "7", "SystemProperties": null}
        }));
        assert_eq!(batch.partition_id, None);
        assert_eq!(batch.events[0].properties["opType"], "updateTwin");
        assert_eq!(batch.events[0].sequence_number, Some(7));
    }

    #[test]
    fn missing_null_and_short_metadata_is_tolerated() {
        for metadata in
            [json!({}), json!(null), json!({"PropertiesArray": "[]", "SequenceNumberArray": null, "New": 1})]
        {
            let batch = batch(&json!({"Data": {"events": "[\"e30=\"]"}, "Metadata": metadata}));
            assert_eq!(batch.events.len(), 1);
            assert_eq!(batch.events[0].sequence_number, None);
        }
        let without = event_batch(br#"{"Data":{"events":"[]"}}"#).unwrap();
        assert_eq!(without.events, []);
    }

    #[test]
    fn bodies_that_are_not_json_or_not_utf8_stay_as_they_are() {
        let batch = batch(&json!({"Data": {"events": "[\"//4=\",\"aGVsbG8=\"]"}, "Metadata": {}}));
        assert_eq!(batch.events[0].body, [0xff, 0xfe]);
        assert_eq!(batch.events[1].body, b"hello");
    }

    #[test]
    fn a_binding_that_is_missing_or_unreadable_is_refused() {
        for envelope in [&br#"{"Data":{}}"#[..], br#"{"Data":{"events":"not base64!"}}"#, b"[]"] {
            assert!(matches!(event_batch(envelope), Err(Error::Malformed(_))));
        }
    }
}
