//! Nothing acknowledged is lost.

use std::time::{Duration, Instant};

use local::event_hub::EventData;
use local::iot_hub::{Effect, Fault, Operation};
use local::stage::{StageOptions, stage};
use local::storage_queue::PutFault;
use local::system::{Options, System};
use local::tts;
use serde_json::{Map, Value, json};

use crate::support::{
    LIMIT, PACKAGE, device, items, messages, package_system, queued, send, sends, system, system_with,
};

#[tokio::test]
async fn a_message_iot_hub_cannot_take_is_acknowledged_parked_and_delivered_later_saying_so() {
    let system = system_with(&[("WEBHOOK_ANSWER_WITHIN_SECONDS", "1")]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::unavailable(Operation::DeviceSend));
    let uplink = device("sensor-1").uplink(2, 17, &[1]);
    let told = send(&system, &uplink).await;
    assert_eq!((told.status, told.body["status"].as_str()), (202, Some("parked")), "{told:?}");
    system.iot_hub.clear_faults();
    let late = messages(&system, 1).await.remove(0);
    assert_eq!(late.properties["redelivered"], "true");
    assert_eq!(send(&system, &uplink).await.status, 200);
    let fresh = messages(&system, 2).await.remove(1);
    assert_eq!(late.system_properties, fresh.system_properties, "same id, same times");
    assert_eq!(late.body, fresh.body);
}

#[tokio::test]
async fn an_item_says_what_it_is_why_it_is_there_and_since_when() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::throttled(Operation::DeviceSend));
    send(&system, &device("sensor-1").uplink(2, 17, &[1])).await;
    let mut item = queued(&system, "parked", 1).await.remove(0);
    let invocation = system.host.invocations().remove(0);
    assert!(invocation.succeeded);
    for name in ["first_seen", "not_before"] {
        assert!(item[name].take().as_str().unwrap().starts_with("20"));
    }
    assert!(item["trace"].take().as_str().unwrap().starts_with("00-"));
    assert!(
        item["reason"]
            .take()
            .as_str()
            .unwrap()
            .starts_with("IoT Hub is unavailable: status 429 ThrottlingBacklogTimeout")
    );
    assert_eq!(item["original"].take()["message"]["uplink_message"]["f_cnt"], 17);
    let expected = json!({"kind": "uplink", "error": "unavailable", "attempts": 1, "device_id": "sensor-1"});
    item.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    assert_eq!(item, expected);
}

#[tokio::test]
async fn a_message_the_hub_refuses_for_good_is_dead_lettered_with_reason_and_original() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.set_device_enabled("sensor-1", false).unwrap();
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 17, &[1])).await.status, 202);
    let item = queued(&system, "dead-letter", 1).await.remove(0);
    assert!(item["reason"].as_str().unwrap().contains("device sensor-1 is disabled"), "{item:#}");
    assert_eq!(item["original"]["message"]["uplink_message"]["f_cnt"], 17);
    assert_eq!(items(&system, "parked"), Vec::<Value>::new());
}

#[tokio::test]
async fn a_message_that_cannot_be_parked_is_not_acknowledged() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::throttled(Operation::DeviceSend));
    system.host.queues().inject(PutFault::UntilCleared);
    let delivery = system.tts.send(&system.webhook, &device("sensor-1").uplink(2, 17, &[1])).await;
    assert!(matches!(delivery, tts::Delivery::Answered { status: 500, .. }), "{delivery:?}");
}

#[tokio::test]
async fn a_message_too_large_for_a_queue_is_compressed_and_delivered_whole() {
    let system = system_with(&[("WEBHOOK_ANSWER_WITHIN_SECONDS", "1")]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::unavailable(Operation::DeviceSend));
    let uplink = device("sensor-1").uplink_of_size(200 * 1024);
    assert_eq!(send(&system, &uplink).await.status, 202);
    system.iot_hub.clear_faults();
    let message = messages(&system, 1).await.remove(0);
    assert_eq!(message.properties.get("trimmed"), None);
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    let gateways = |message: &Value| message["uplink_message"]["rx_metadata"].as_array().unwrap().len();
    assert_eq!(gateways(&body), gateways(&uplink));
}

#[tokio::test]
async fn a_dead_hub_costs_milliseconds_per_message_once_it_is_known_to_be_dead_and_health_says_so() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::new(Operation::DeviceSend, Effect::ResetBefore));
    let first = (1..=5).map(|f_cnt| {
        let (tts, webhook, uplink) =
            (system.tts.clone(), system.webhook.clone(), device("sensor-1").uplink(2, f_cnt, &[1]));
        tokio::spawn(async move { tts.send(&webhook, &uplink).await.delivered() })
    });
    for parked in first.collect::<Vec<_>>() {
        assert!(parked.await.unwrap());
    }
    let began = Instant::now();
    for f_cnt in 6..=24 {
        let told = send(&system, &device("sensor-1").uplink(2, f_cnt, &[1])).await;
        assert!(told.status == 202 && told.reason().contains("not asked"), "{told:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(4), "nineteen messages in less than one message's time budget");
    let health = system.host.invoke_raw("health", b"{}".to_vec()).await;
    let health: Value = serde_json::from_slice(&health.body).unwrap();
    assert!(health["Outputs"]["res"]["body"].as_str().unwrap().contains("open_for_seconds"), "{health}");
    system.iot_hub.clear_faults();
    assert_eq!(messages(&system, 24).await.len(), 24, "all of them once it is back");
}

#[test]
fn parked_messages_are_tried_for_at_least_24_hours() {
    let host: Value = serde_json::from_str(include_str!("../../host.json")).unwrap();
    let queues = &host["extensions"]["queues"];
    assert_eq!(queues["visibilityTimeout"], "00:05:00");
    assert!(queues["maxDequeueCount"].as_u64().unwrap() * 5 >= 24 * 60);
}

#[tokio::test]
async fn after_its_last_dequeue_a_parked_message_lies_in_the_poison_queue() {
    let folder = tempfile::tempdir().unwrap();
    let into = Some(folder.path().to_owned());
    let options = StageOptions { into, ..StageOptions::default() };
    let stage = tokio::task::spawn_blocking(move || stage(&options)).await.unwrap().unwrap();
    let host_json = stage.script_root.join("host.json");
    let text = std::fs::read_to_string(&host_json).unwrap();
    std::fs::write(&host_json, text.replace("\"maxDequeueCount\": 300", "\"maxDequeueCount\": 3")).unwrap();
    let system = System::start_staged(Options::default(), stage.script_root).await.unwrap();
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::quota_exceeded(Operation::DeviceSend));
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 17, &[1])).await.status, 202);
    let item = queued(&system, "parked-poison", 1).await.remove(0);
    assert_eq!(item["original"]["message"]["uplink_message"]["f_cnt"], 17);
    assert_eq!(sends(&system), 1, "before midnight the hub is not even asked");
}

fn twin_event(device_id: &str, properties: &Value, body: &[u8]) -> EventData {
    let Value::Object(mut properties) = properties.clone() else { panic!("properties are an object") };
    properties.insert("deviceId".to_owned(), device_id.into());
    let system_properties = Map::new();
    EventData { body: body.to_vec(), properties, system_properties, partition_key: Some(device_id.to_owned()) }
}

#[tokio::test]
async fn hub_events_are_parked_after_some_tries_and_delivered_when_the_things_stack_is_back() {
    let system = package_system().await;
    system.tts.inject(tts::Fault::always(tts::Effect::Unavailable));
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.patch_twin("sensor-1", json!({"properties": {"desired": {"led": "on"}}})).unwrap();
    queued(&system, "parked", 2).await;
    system.tts.clear_faults();
    let events = system.tts.wait_for_submitted(2, LIMIT).await.unwrap();
    let change = events.iter().find(|event| event.properties["opType"] == "updateTwin").unwrap();
    assert_eq!(change.body["properties"]["desired"]["led"], "on");
}

#[tokio::test]
async fn events_nobody_can_read_and_events_the_things_stack_refuses_are_dead_lettered() {
    let system = package_system().await;
    system.tts.inject(tts::Fault::always(tts::Effect::RejectDevice("sensor-2".to_owned())));
    let twin = json!({"opType": "replaceTwin"});
    system.event_hub.send(twin_event("sensor-1", &twin, b"hello"));
    system.event_hub.send(twin_event("sensor-2", &twin, b"{}"));
    system.event_hub.send(twin_event("Sensor_3", &twin, b"{}"));
    let mut reasons: Vec<_> =
        queued(&system, "dead-letter", 3).await.iter().map(|item| item["reason"].to_string()).collect();
    reasons.sort();
    for (reason, expected) in
        reasons.iter().zip(["The Things Stack refused", "found a body that is not", "found device id"])
    {
        assert!(reason.contains(expected), "{reasons:#?}");
    }
}

#[tokio::test]
async fn no_key_enters_a_queue_a_log_or_health() {
    let system = system_with(&[PACKAGE, ("WEBHOOK_ANSWER_WITHIN_SECONDS", "1")]).await;
    let (app_key, nwk_key, session_key) =
        ("00112233445566778899AABBCCDDEE01", "00112233445566778899AABBCCDDEE02", "00112233445566778899AABBCCDDEE03");
    system.tts.inject(tts::Fault::always(tts::Effect::NoRights));
    let tags = json!({"lorawan": {"devEui": "70B3D57ED0000001", "appKey": app_key, "nwkKey": nwk_key}});
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.patch_twin("sensor-1", json!({"tags": tags})).unwrap();
    let truncated = format!(r#"{{"tags":{{"lorawan":{{"appKey":"{app_key}"#);
    system.event_hub.send(twin_event("sensor-2", &json!({"opType": "updateTwin"}), truncated.as_bytes()));
    let refused = json!({"tags": tags}).to_string();
    system.event_hub.send(twin_event("Sensor_3", &json!({"opType": "updateTwin"}), refused.as_bytes()));
    system.iot_hub.inject(Fault::throttled(Operation::DeviceSend));
    let mut uplink = device("sensor-1").uplink(2, 17, &[1]);
    uplink["uplink_message"]["app_s_key"] = json!({"key": session_key});
    assert_eq!(send(&system, &uplink).await.status, 202);
    queued(&system, "dead-letter", 2).await;
    queued(&system, "parked", 2).await;
    let logs = system.host.logs().into_iter().map(|line| line.text);
    let items = ["parked", "dead-letter"].into_iter().flat_map(|name| system.host.output_messages(name));
    let health = system.host.invoke_raw("health", b"{}".to_vec()).await;
    let everything: Vec<_> = logs.chain(items).chain([String::from_utf8_lossy(&health.body).into_owned()]).collect();
    let device = r#""lorawan":{"devEui":"70B3D57ED0000001"}"#;
    assert!(everything.iter().any(|text| text.contains(device)), "which device is meant is kept");
    for secret in [app_key, nwk_key, session_key, system.tts.api_key()] {
        assert!(!everything.iter().any(|text| text.contains(secret)), "{secret} is in {everything:#?}");
    }
}

#[tokio::test]
async fn a_strangers_queue_message_is_dead_lettered_as_it_is() {
    let system = system().await;
    // A queue message is base64, as the host writes and reads it.
    system.host.queues().put_creating("parked", "aGVsbG8=").await.unwrap();
    let limit = Instant::now() + LIMIT;
    while system.host.output_messages("dead-letter") != ["hello"] {
        assert!(Instant::now() < limit);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
