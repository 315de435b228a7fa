//! The Functions host's envelope: no bytes make its readers panic, and what the host stand-in wraps comes out unchanged.

use handler::invocation::{event_batch, http_request, queue_message};
use handler::tts::webhook;
use local::event_hub::{Event, EventData};
use local::functions_host::envelope::{
    Cardinality, DataType, HttpRequest, Metadata, PartitionContext, Sys, envelope as wrapped, event_hub_data,
    event_hub_metadata, http_data, http_metadata, queue_data, queue_metadata,
};
use local::storage_queue::Message;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

/// Readers take any bytes; bodies, events and queue messages survive the host's encoding.
pub fn envelope(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    // Bytes in members nobody reads are not looked at, so they need not be text.
    let is_json = serde_json::from_str::<&RawValue>(&text).is_ok();
    if let Ok(request) = http_request(input) {
        let _ = (request.header("content-type"), webhook::body(&request), webhook::id_in_path(&request, "devices"));
    }
    let is_read = http_request(input).is_ok() || event_batch(input).is_ok() || queue_message(input).is_ok();
    assert!(is_json || !is_read, "only JSON is an envelope");
    a_request_comes_out_unchanged(&text);
    a_queue_message_comes_out_unchanged(&text);
    events_come_out_unchanged(input, &text);
}

fn a_request_comes_out_unchanged(text: &str) {
    let request = HttpRequest {
        headers: [("Content-Type", "application/json"), ("X-Any", text)].map(|(k, v)| (k.into(), v.into())).into(),
        params: Map::from_iter([("rest".to_owned(), text.into())]),
        body: Some(text.into()),
        ..HttpRequest::default()
    };
    let bytes = bytes("req", http_data(&request), http_metadata(&request, &sys()));
    let request = http_request(&bytes).expect("the host's envelope is read");
    assert_eq!(request.body(), text);
    assert_eq!(request.header("x-any").as_deref(), Some(text));
    assert_eq!(request.param("rest").as_deref(), Some(text));
}

fn a_queue_message_comes_out_unchanged(text: &str) {
    let at = OffsetDateTime::UNIX_EPOCH;
    let message = Message {
        id: "1".to_owned(),
        pop_receipt: "1".to_owned(),
        insertion_time: at,
        expiration_time: at,
        next_visible_time: at,
        dequeue_count: 3,
        text: text.to_owned(),
    };
    for data_type in [DataType::Absent, DataType::String] {
        let metadata = queue_metadata(&message, text.as_bytes(), data_type, &sys());
        let bytes = bytes("item", queue_data(text.as_bytes(), data_type), metadata);
        assert_eq!(queue_message(&bytes).expect("the host's envelope is read").text, text);
    }
}

fn events_come_out_unchanged(input: &[u8], text: &str) {
    let properties = Map::from_iter([("deviceId".to_owned(), Value::from(text))]);
    let event = |body: &[u8], sequence_number| Event {
        data: EventData { body: body.to_vec(), properties: properties.clone(), ..EventData::default() },
        sequence_number,
        offset: 0,
        enqueued_time: OffsetDateTime::UNIX_EPOCH,
    };
    let events = [event(input, 7), event(b"{}", i64::MAX)];
    for (cardinality, count) in [(Cardinality::Many, 2), (Cardinality::One, 1)] {
        let batch =
            event_batch(&batch_of(&events, cardinality, DataType::Binary)).expect("the host's envelope is read");
        assert_eq!(batch.partition_id.as_deref(), Some("3"));
        assert_eq!(batch.events.len(), count);
        for (found, sent) in batch.events.iter().zip(&events) {
            assert_eq!((&found.body, &found.properties), (&sent.data.body, &sent.data.properties));
            assert_eq!((found.sequence_number, found.device_id()), (Some(sent.sequence_number), Some(text)));
        }
    }
    if let Ok(body @ Value::Object(_)) = serde_json::from_slice::<Value>(input) {
        let batch = event_batch(&batch_of(&events, Cardinality::Many, DataType::Absent)).expect("it is read");
        assert_eq!(batch.events[0].body, body.to_string().into_bytes());
    }
}

fn batch_of(events: &[Event], cardinality: Cardinality, data_type: DataType) -> Vec<u8> {
    let context = PartitionContext {
        fully_qualified_namespace: "ns.servicebus.windows.net".to_owned(),
        event_hub_name: "events".to_owned(),
        consumer_group: "$Default".to_owned(),
        partition_id: 3,
    };
    let data = event_hub_data(events, cardinality, data_type).unwrap_or_else(|reason| json!(reason));
    bytes("events", data, event_hub_metadata(events, cardinality, data_type, &context, &sys()))
}

fn bytes(binding: &str, data: Value, metadata: Metadata) -> Vec<u8> {
    wrapped(binding, data, metadata).to_string().into_bytes()
}

fn sys() -> Sys {
    Sys { method_name: "any".to_owned(), utc_now: OffsetDateTime::UNIX_EPOCH, rand_guid: Uuid::nil() }
}
