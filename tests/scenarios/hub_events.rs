//! Journey 2: what arrives in The Things Stack.

use std::collections::BTreeSet;

use local::event_hub::EventData;
use local::functions_host::envelope::{self, Cardinality, DataType, Sys};
use local::iot_hub::HubError;
use local::system::{Options, System};
use local::tts::{self, Effect, Fault, SubmittedEvent};
use serde_json::{Map, Value, json};

use crate::support::{LIMIT, PACKAGE, package_system, start};

async fn submitted(system: &System, count: usize) -> Vec<SubmittedEvent> {
    system.tts.wait_for_submitted(count, LIMIT).await.expect("the events arrive")
}

fn set_desired(system: &System, device_id: &str, desired: Value) -> Result<Value, HubError> {
    system.iot_hub.patch_twin(device_id, json!({"properties": {"desired": desired}}))
}

/// An event as any sender might put it on the Event Hub.
pub(crate) fn event(device_id: &str, properties: Value, body: &[u8]) -> EventData {
    let Value::Object(properties) = properties else { panic!("properties are an object") };
    EventData {
        body: body.to_vec(),
        properties,
        system_properties: Map::new(),
        partition_key: Some(device_id.to_owned()),
    }
}

fn twin_event(device_id: &str, number: usize) -> EventData {
    let body =
        json!({"version": number, "properties": {"desired": {"number": number, "$version": number}}}).to_string();
    event(
        device_id,
        json!({"deviceId": device_id, "hubName": "hub", "opType": "updateTwin", "iothub-message-schema": "twinChangeNotification"}),
        body.as_bytes(),
    )
}

fn numbers(events: &[SubmittedEvent], device_id: &str) -> Vec<u64> {
    let own = events.iter().filter(|event| event.device_id == device_id);
    own.filter_map(|event| event.body["properties"]["desired"]["number"].as_u64()).collect()
}

#[tokio::test]
async fn a_changed_desired_property_reaches_the_things_stack_with_the_hubs_application_properties() {
    let system = package_system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    set_desired(&system, "sensor-1", json!({"rawDownlink": {"fPort": 15, "framePayload": "01FF"}})).unwrap();
    let events = submitted(&system, 2).await;
    assert_eq!(events[1].device_id, "sensor-1");
    assert_eq!(events[1].body["properties"]["desired"]["rawDownlink"], json!({"fPort": 15, "framePayload": "01FF"}));
    let names: Vec<_> = events[1].properties.keys().map(String::as_str).collect();
    let expected = ["hubName", "deviceId", "operationTimestamp", "opType", "iothub-message-schema"];
    assert_eq!(BTreeSet::from_iter(names), BTreeSet::from(expected));
    assert_eq!(events[1].properties["iothub-message-schema"], "twinChangeNotification");
}

#[tokio::test]
async fn devices_created_tagged_and_deleted_in_iot_hub_are_announced_in_order() {
    let system = package_system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.patch_twin("sensor-1", json!({"tags": {"lorawan": {"devEui": "70B3D57ED0000001"}}})).unwrap();
    system.iot_hub.delete_device("sensor-1").unwrap();
    let events = submitted(&system, 3).await;
    let op_types: Vec<_> = events.iter().map(|event| event.properties["opType"].as_str().unwrap()).collect();
    assert_eq!(op_types, ["createDeviceIdentity", "updateTwin", "deleteDeviceIdentity"]);
}

#[tokio::test]
async fn reported_properties_do_not_come_back_as_events() {
    let system = package_system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.patch_reported("sensor-1", json!({"decodedPayload": {"t": 21}})).unwrap();
    set_desired(&system, "sensor-1", json!({"led": true})).unwrap();
    let events = submitted(&system, 2).await;
    assert_eq!(events[1].body["properties"]["desired"]["led"], true, "the route's condition drops the echo");
    // A hub whose route has no condition sends the echo too.
    let echo = json!({"version": 3, "properties": {"reported": {"t": 21, "$version": 2}}}).to_string();
    system.event_hub.send(event("sensor-1", json!({"deviceId": "sensor-1", "opType": "updateTwin"}), echo.as_bytes()));
    system.host.wait_for_log(|line| line.contains("an echo of telemetry"), LIMIT).await.unwrap();
    assert_eq!(system.tts.submitted().len(), 2);
}

#[tokio::test]
async fn module_events_telemetry_and_unknown_events_are_ignored_visibly() {
    let system = package_system().await;
    for (properties, reason) in [
        (json!({"deviceId": "sensor-1", "moduleId": "m", "opType": "updateTwin"}), "it is about a module"),
        (json!({"deviceId": "sensor-1", "moduleId": "m", "opType": "createModuleIdentity"}), "it is about a module"),
        (json!({}), "it has no opType"),
        (json!({"deviceId": "sensor-1", "opType": "deviceConnected"}), "its opType is not one of"),
    ] {
        system.event_hub.send(event("sensor-1", properties, b"{}"));
        system.host.wait_for_log(|line| line.contains(reason), LIMIT).await.unwrap();
    }
    assert_eq!(system.tts.requests().len(), 0);
    assert!(system.host.invocations().iter().all(|invocation| invocation.succeeded));
}

#[tokio::test]
async fn an_event_that_is_not_json_or_not_utf8_does_not_hold_up_the_others() {
    let system = package_system().await;
    let twin = json!({"deviceId": "sensor-1", "opType": "updateTwin"});
    system.event_hub.send(twin_event("sensor-1", 1));
    system.event_hub.send(event("sensor-1", twin.clone(), b"hello"));
    system.event_hub.send(event("sensor-1", twin.clone(), &[0xff, 0xfe]));
    system.event_hub.send(event("sensor-1", twin, b"[]"));
    system.event_hub.send(twin_event("sensor-1", 2));
    assert_eq!(numbers(&submitted(&system, 2).await, "sensor-1"), [1, 2]);
    for reason in ["not a twin as JSON", "not UTF-8"] {
        let line = system.host.wait_for_log(|line| line.contains(reason), LIMIT).await.unwrap();
        assert!(line.text.contains("\"sequence_number\""), "{}", line.text);
    }
}

#[tokio::test]
async fn one_event_the_things_stack_rejects_is_split_out_and_the_rest_go_through_in_order() {
    let system = package_system().await;
    system.tts.inject(Fault::always(Effect::RejectDevice("sensor-3".to_owned())));
    let events: Vec<_> = (0..40).map(|number| twin_event(&format!("sensor-{}", number % 5), number)).collect();
    let answer = invoke(&system, &events).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let arrived = submitted(&system, 32).await;
    assert_eq!(arrived.len(), 32);
    for device in [0, 1, 2, 4] {
        assert_eq!(
            numbers(&arrived, &format!("sensor-{device}")),
            (0..8).map(|turn| turn * 5 + device).collect::<Vec<_>>()
        );
    }
    let refused = system.host.logs().iter().filter(|line| line.text.contains("The Things Stack refused")).count();
    assert_eq!(refused, 8, "one log line for each of the eight rejected events");
}

#[tokio::test]
async fn a_device_id_the_things_stack_does_not_take_is_named_and_does_not_sink_the_batch() {
    let system = package_system().await;
    system.iot_hub.create_device("Sensor_1").unwrap();
    system.iot_hub.create_device("sensor-2").unwrap();
    assert_eq!(submitted(&system, 1).await[0].device_id, "sensor-2");
    let line = system.host.wait_for_log(|line| line.contains("Sensor_1"), LIMIT).await.unwrap();
    assert!(line.text.contains("expected 3 to 36 lower-case letters"), "{}", line.text);
}

#[tokio::test]
async fn a_batch_of_ten_thousand_events_goes_through_with_every_devices_order_kept() {
    let system = package_system().await;
    let events: Vec<_> = (0..10_000).map(|number| twin_event(&format!("sensor-{}", number % 100), number)).collect();
    let answer = invoke(&system, &events).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let arrived = system.tts.submitted();
    assert_eq!(arrived.len(), 10_000);
    for device in 0..100 {
        let own = numbers(&arrived, &format!("sensor-{device}"));
        assert_eq!(own, (0..100).map(|turn| turn * 100 + device).collect::<Vec<_>>());
    }
    assert_eq!(system.tts.requests().len(), 20, "requests of five hundred");
}

#[tokio::test]
async fn events_wait_for_the_things_stack_to_come_back_and_keep_their_order() {
    for effect in [
        Effect::Unavailable,
        Effect::Internal,
        Effect::Reset,
        Effect::RateLimited,
        Effect::Unauthenticated,
        Effect::NoRights,
    ] {
        let system = package_system().await;
        system.tts.inject(Fault::times(effect.clone(), 2));
        (1..=5).for_each(|number| system.event_hub.send(twin_event("sensor-1", number)));
        let arrived = submitted(&system, 5).await;
        assert_eq!(numbers(&arrived, "sensor-1"), [1, 2, 3, 4, 5], "{effect:?}");
        let invocations = system.host.invocations();
        assert!(
            invocations.iter().any(|invocation| !invocation.succeeded && invocation.status == Some(503)),
            "{effect:?}"
        );
    }
}

#[tokio::test]
async fn a_things_stack_without_the_package_fails_the_batch_and_says_what_to_check() {
    let settings = [PACKAGE].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let system = start(Options {
        tts: tts::Options { package_enabled: false, ..tts::Options::default() },
        settings: settings.into(),
        ..Options::default()
    })
    .await;
    system.event_hub.send(twin_event("sensor-1", 1));
    let line = system.host.wait_for_log(|line| line.contains("no package azure-iot-hub"), LIMIT).await.unwrap();
    assert!(line.text.contains("TTS_DELIVERY"), "{}", line.text);
}

#[tokio::test]
async fn all_shapes_of_the_event_hub_trigger_are_understood() {
    use Cardinality::{Many, One};
    for (cardinality, data_type) in [
        (Many, DataType::Binary),
        (Many, DataType::String),
        (Many, DataType::Absent),
        (One, DataType::String),
        (One, DataType::Absent),
        (One, DataType::Binary),
    ] {
        let system = package_system().await;
        let answer = invoke_shaped(&system, &[twin_event("sensor-1", 7)], cardinality, data_type).await;
        assert_eq!(answer.status, 200, "{cardinality:?} {data_type:?}: {}", String::from_utf8_lossy(&answer.body));
        let arrived = system.tts.submitted();
        assert_eq!(numbers(&arrived, "sensor-1"), [7], "{cardinality:?} {data_type:?}");
        assert_eq!(arrived[0].properties["opType"], "updateTwin");
    }
}

async fn invoke(system: &System, events: &[EventData]) -> local::functions_host::RawAnswer {
    invoke_shaped(system, events, Cardinality::Many, DataType::Binary).await
}

/// Invokes `hub_events` with a batch of one's own making.
async fn invoke_shaped(
    system: &System,
    events: &[EventData],
    cardinality: Cardinality,
    data_type: DataType,
) -> local::functions_host::RawAnswer {
    let hub = local::event_hub::EventHub::new("events", 1);
    events.iter().cloned().for_each(|event| hub.send(EventData { partition_key: None, ..event }));
    let events = hub.events();
    let context = envelope::PartitionContext {
        fully_qualified_namespace: "ns1.servicebus.windows.net".to_owned(),
        event_hub_name: "events".to_owned(),
        consumer_group: "$Default".to_owned(),
        partition_id: 0,
    };
    let data = envelope::event_hub_data(&events, cardinality, data_type).unwrap();
    let metadata = envelope::event_hub_metadata(&events, cardinality, data_type, &context, &Sys::now("hub_events"));
    let body = envelope::envelope("events", data, metadata).to_string().into_bytes();
    system.host.invoke_raw("hub_events", body).await
}
