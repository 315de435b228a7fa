//! The Event Hub shapes, compared with envelopes written down by hand.

use time::OffsetDateTime;
use uuid::Uuid;

use super::super::envelope;
use super::*;
use crate::event_hub::EventData;

fn event(body: &[u8], sequence_number: i64, offset: i64, milliseconds: i128) -> Event {
    Event {
        data: EventData {
            body: body.to_vec(),
            properties: json!({"level": "info"}).as_object().unwrap().clone(),
            system_properties: json!({"iothub-message-source": "Telemetry"}).as_object().unwrap().clone(),
            partition_key: (sequence_number == 1041).then(|| "dev-7".to_owned()),
        },
        sequence_number,
        offset,
        enqueued_time: OffsetDateTime::from_unix_timestamp_nanos(1_795_204_805_000_000_000 + milliseconds * 1_000_000)
            .unwrap(),
    }
}

fn events() -> Vec<Event> {
    vec![event(b"{\"t\":21.5,\"n\":1}", 1041, 88120, 11), event(b"{\"t\":21.75,\"n\":2}", 1042, 88480, 64)]
}

fn sys() -> Sys {
    Sys {
        method_name: "ingest".to_owned(),
        utc_now: OffsetDateTime::from_unix_timestamp_nanos(1_795_204_805_123_456_700).unwrap(),
        rand_guid: Uuid::nil(),
    }
}

fn sys_json() -> Value {
    json!({
        "MethodName": "ingest",
        "UtcNow": "2026-11-20T20:00:05.1234567Z",
        "RandGuid": "00000000-0000-0000-0000-000000000000",
    })
}

fn context() -> PartitionContext {
    PartitionContext {
        fully_qualified_namespace: "ns1.servicebus.windows.net".to_owned(),
        event_hub_name: "telemetry".to_owned(),
        consumer_group: "$Default".to_owned(),
        partition_id: 3,
    }
}

fn context_json() -> Value {
    json!({
        "IsCheckpointingAfterInvocation": true,
        "FullyQualifiedNamespace": "ns1.servicebus.windows.net",
        "EventHubName": "telemetry",
        "ConsumerGroup": "$Default",
        "PartitionId": "3",
    })
}

#[test]
fn a_batch_of_binary_events_gives_the_documented_envelope() {
    let data = event_hub_data(&events(), Cardinality::Many, DataType::Binary).unwrap();
    let metadata = event_hub_metadata(&events(), Cardinality::Many, DataType::Binary, &context(), &sys());
    let expected = json!({
        "Data": {"events": "[\"eyJ0IjoyMS41LCJuIjoxfQ==\",\"eyJ0IjoyMS43NSwibiI6Mn0=\"]"},
        "Metadata": {
            "TriggerPartitionContext": context_json(),
            "PartitionContext": context_json(),
            "PartitionKeyArray": "[\"dev-7\",null]",
            "OffsetArray": "[\"88120\",\"88480\"]",
            "OffsetStringArray": "[\"88120\",\"88480\"]",
            "SequenceNumberArray": "[1041,1042]",
            "EnqueuedTimeUtcArray": "[\"2026-11-20T20:00:05.011\",\"2026-11-20T20:00:05.064\"]",
            "PropertiesArray": "[{\"level\":\"info\"},{\"level\":\"info\"}]",
            "SystemPropertiesArray": "[{\"iothub-message-source\":\"Telemetry\",\"SequenceNumber\":1041,\
                \"Offset\":88120,\"OffsetString\":\"88120\",\"PartitionKey\":\"dev-7\",\
                \"EnqueuedTimeUtc\":\"2026-11-20T20:00:05.011\"},{\"iothub-message-source\":\"Telemetry\",\
                \"SequenceNumber\":1042,\"Offset\":88480,\"OffsetString\":\"88480\",\
                \"EnqueuedTimeUtc\":\"2026-11-20T20:00:05.064\"}]",
            "sys": sys_json(),
        },
    });
    assert_eq!(envelope("events", data, metadata), expected);
}

#[test]
fn a_single_text_event_leaks_its_body_into_the_metadata() {
    let data = event_hub_data(&events(), Cardinality::One, DataType::Absent).unwrap();
    let metadata = event_hub_metadata(&events(), Cardinality::One, DataType::Absent, &context(), &sys());
    let expected = json!({
        "Data": {"event": "\"{\\\"t\\\":21.5,\\\"n\\\":1}\""},
        "Metadata": {
            "TriggerPartitionContext": context_json(),
            "PartitionContext": context_json(),
            "PartitionKey": "\"dev-7\"",
            "Offset": "\"88120\"",
            "OffsetString": "\"88120\"",
            "SequenceNumber": "1041",
            "EnqueuedTimeUtc": "2026-11-20T20:00:05",
            "Properties": {"level": "info"},
            "SystemProperties": {
                "iothub-message-source": "Telemetry",
                "SequenceNumber": 1041,
                "Offset": 88120,
                "OffsetString": "88120",
                "PartitionKey": "dev-7",
                "EnqueuedTimeUtc": "2026-11-20T20:00:05.011",
            },
            "t": "21.5",
            "n": "1",
            "sys": sys_json(),
        },
    });
    assert_eq!(envelope("event", data, metadata), expected);
}

#[test]
fn a_single_text_event_may_overwrite_the_hosts_own_metadata_and_a_binary_one_may_not() {
    let sly = [event(b"{\"SequenceNumber\":7}", 1041, 0, 0)];
    for (data_type, expected) in [(DataType::String, "7"), (DataType::Binary, "1041")] {
        let metadata = event_hub_metadata(&sly, Cardinality::One, data_type, &context(), &sys());
        assert_eq!(metadata.into_value()["SequenceNumber"], expected, "{data_type:?}");
    }
}

#[test]
fn the_five_shapes_of_data_differ_as_documented() {
    for (cardinality, data_type, expected) in [
        (Cardinality::Many, DataType::Absent, "[{\"t\":21.5,\"n\":1},{\"t\":21.75,\"n\":2}]"),
        (Cardinality::Many, DataType::String, "[\"{\\\"t\\\":21.5,\\\"n\\\":1}\",\"{\\\"t\\\":21.75,\\\"n\\\":2}\"]"),
        (Cardinality::Many, DataType::Binary, "[\"eyJ0IjoyMS41LCJuIjoxfQ==\",\"eyJ0IjoyMS43NSwibiI6Mn0=\"]"),
        (Cardinality::One, DataType::Absent, "\"{\\\"t\\\":21.5,\\\"n\\\":1}\""),
        (Cardinality::One, DataType::String, "\"{\\\"t\\\":21.5,\\\"n\\\":1}\""),
        (Cardinality::One, DataType::Binary, "eyJ0IjoyMS41LCJuIjoxfQ=="),
    ] {
        let data = event_hub_data(&events(), cardinality, data_type).unwrap();
        assert_eq!(data, json!(expected), "{cardinality:?} {data_type:?}");
    }
}

#[test]
fn one_body_that_is_not_json_fails_a_batch_without_a_data_type_and_no_other() {
    let mixed = [event(b"{}", 0, 0, 0), event(b"\xff", 1, 64, 0)];
    assert!(event_hub_data(&mixed, Cardinality::Many, DataType::Absent).is_err());
    assert_eq!(event_hub_data(&mixed, Cardinality::Many, DataType::String), Ok(json!("[\"{}\",\"\u{fffd}\"]")));
    assert_eq!(event_hub_data(&mixed, Cardinality::Many, DataType::Binary), Ok(json!("[\"e30=\",\"/w==\"]")));
}

#[test]
fn an_admin_call_gives_one_event_with_the_names_of_a_single_one() {
    let data = event_hub_admin_data("{\"t\":1}", Cardinality::Many, DataType::Binary).unwrap();
    let metadata = event_hub_admin_metadata("{\"t\":1}", Cardinality::Many, DataType::Binary, &sys());
    let expected = json!({
        "Data": {"events": "[\"eyJ0IjoxfQ==\"]"},
        "Metadata": {
            "SequenceNumber": "-9223372036854775808",
            "EnqueuedTimeUtc": "0001-01-01T00:00:00",
            "Properties": {},
            "SystemProperties": {
                "SequenceNumber": -9_223_372_036_854_775_808_i64,
                "EnqueuedTimeUtc": "0001-01-01T00:00:00",
            },
            "sys": sys_json(),
        },
    });
    assert_eq!(envelope("events", data, metadata), expected);
}
