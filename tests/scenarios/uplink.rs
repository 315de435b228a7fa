//! Journey 1: what arrives in IoT Hub.

use std::collections::BTreeSet;
use std::time::Duration;

use local::tts::messages::MESSAGE_TYPES;
use serde_json::{Value, json};

use crate::support::{device, messages, send, send_text, sends, system, system_with};

fn without_uplink_tokens(uplink: &Value) -> Value {
    let mut uplink = uplink.clone();
    for gateway in uplink["uplink_message"]["rx_metadata"].as_array_mut().unwrap() {
        gateway.as_object_mut().unwrap().remove("uplink_token");
    }
    uplink
}

#[tokio::test]
async fn an_uplink_reaches_iot_hub_as_json_that_routes_can_query_with_its_ids_as_properties() {
    let system = system().await;
    let text = br#"{"end_device_ids":{"device_id":"sensor-1","application_ids":{"application_id":"plant-a"},"dev_eui":"70B3D57ED0000001","join_eui":"70B3D57ED0FFFF00","dev_addr":"260B1234"},"correlation_ids":["gs:uplink:01J0ABCDEFGHJKMNPQRSTVWXYZ","as:up:01J0ABCDEFGHJKMNPQRSTVWXY2"],"received_at":"2026-11-20T10:00:00.223456789Z","uplink_message":{"f_port":2,"f_cnt":17,"confirmed":true,"decoded_payload":{"temperature":21.50,"exact":1e-3,"big":12345678901234567890}},"simulated":true}"#;
    let told = send_text(&system, &system.webhook, text).await;
    assert_eq!(told.status, 200, "{told:?}");
    let message = messages(&system, 1).await.remove(0);
    assert_eq!(message.device_id, "sensor-1");
    assert_eq!(String::from_utf8(message.body).unwrap(), String::from_utf8_lossy(text));
    assert_eq!(
        json!(message.system_properties),
        json!({
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "message-id": "01J0ABCDEFGHJKMNPQRSTVWXY2:uplink_message",
            "correlation-id": "gs:uplink:01J0ABCDEFGHJKMNPQRSTVWXYZ",
            "creation-time-utc": "2026-11-20T10:00:00.2234567Z",
        })
    );
    assert_eq!(
        json!(message.properties),
        json!({
            "type": "uplink_message",
            "application-id": "plant-a",
            "device-id": "sensor-1",
            "dev-eui": "70B3D57ED0000001",
            "join-eui": "70B3D57ED0FFFF00",
            "dev-addr": "260B1234",
            "f-port": "2",
            "f-cnt": "17",
            "confirmed": "true",
            "simulated": "true",
        })
    );
}

#[tokio::test]
async fn all_message_types_and_those_of_the_future_reach_iot_hub() {
    let system = system().await;
    for message_type in MESSAGE_TYPES {
        let told = send(&system, &device("sensor-1").message(message_type)).await;
        assert_eq!(told.status, 200, "{message_type}: {told:?}");
    }
    let future = br#"{"end_device_ids":{"device_id":"sensor-1"},"received_at":"2027-01-01T00:00:00Z","beacon_heard":{"slot":7}}"#;
    assert_eq!(send_text(&system, &system.webhook, future).await.status, 200);
    let arrived = messages(&system, MESSAGE_TYPES.len() + 1).await;
    let types: Vec<_> = arrived.iter().map(|message| message.properties["type"].as_str()).collect();
    assert_eq!(types, [&MESSAGE_TYPES[..], &["beacon_heard"]].concat());
}

#[tokio::test]
async fn an_uplink_with_two_normalized_measurements_and_a_location_arrives_as_four_messages_with_four_ids() {
    let system = system().await;
    for message in device("tracker-1").normalized_uplink(17) {
        assert_eq!(send(&system, &message).await.status, 200);
    }
    let arrived = messages(&system, 4).await;
    let ids: BTreeSet<_> = arrived.iter().map(|message| message.system_properties["message-id"].clone()).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
    let frames: BTreeSet<_> =
        arrived.iter().map(|message| message.system_properties["correlation-id"].clone()).collect();
    assert_eq!(frames.len(), 1, "all four are about one frame: {frames:?}");
}

#[tokio::test]
async fn a_message_sent_twice_carries_the_same_message_id_so_that_consumers_can_deduplicate() {
    let system = system().await;
    let uplink = device("sensor-1").uplink(2, 17, &[1]);
    send(&system, &uplink).await;
    send(&system, &uplink).await;
    let arrived = messages(&system, 2).await;
    assert_eq!(arrived[0].system_properties["message-id"], arrived[1].system_properties["message-id"]);
}

#[tokio::test]
async fn session_keys_and_uplink_tokens_stay_behind() {
    let system = system().await;
    let mut uplink = device("sensor-1").uplink(2, 17, &[1]);
    let expected = without_uplink_tokens(&uplink);
    assert_ne!(expected, uplink);
    uplink["uplink_message"]["app_s_key"] = json!({"key": "00112233445566778899AABBCCDDEEFF"});
    assert_eq!(send(&system, &uplink).await.status, 200);
    let message = messages(&system, 1).await.remove(0);
    assert_eq!(serde_json::from_slice::<Value>(&message.body).unwrap(), expected);
}

#[tokio::test]
async fn values_that_http_headers_cannot_carry_are_percent_encoded() {
    let system = system().await;
    let text = r#"{"end_device_ids":{"device_id":"sensor-1","dev_eui":"größe: a b%"},"service_data":{}}"#;
    assert_eq!(send_text(&system, &system.webhook, text.as_bytes()).await.status, 200);
    let message = messages(&system, 1).await.remove(0);
    assert_eq!(message.properties["dev-eui"], "gr%C3%B6%C3%9Fe%3A%20a%20b%25");
}

#[tokio::test]
async fn message_types_outside_the_filter_are_acknowledged_and_go_nowhere() {
    let system = system_with(&[("WEBHOOK_MESSAGE_TYPES", "uplink_message, join_accept")]).await;
    let told = send(&system, &device("sensor-1").message("downlink_queued")).await;
    assert_eq!((told.status, told.body["status"].as_str()), (200, Some("ignored")));
    assert!(told.reason().contains("WEBHOOK_MESSAGE_TYPES"), "{told:?}");
    assert_eq!(sends(&system), 0);
    assert_eq!(send(&system, &device("sensor-1").message("join_accept")).await.status, 200);
    assert_eq!(messages(&system, 1).await[0].properties["type"], "join_accept");
}

#[tokio::test]
async fn a_message_of_300_kb_loses_its_weakest_gateways_arrives_and_says_so() {
    let system = system().await;
    // Uplink tokens, which stay behind, are part of what the sender sends.
    let uplink = device("sensor-1").uplink_of_size(450 * 1024);
    assert!(without_uplink_tokens(&uplink).to_string().len() > 300 * 1024);
    let told = send(&system, &uplink).await;
    assert_eq!(told.status, 200, "{told:?}");
    let message = messages(&system, 1).await.remove(0);
    assert_eq!(message.properties["trimmed"], "true");
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    let kept = body["uplink_message"]["rx_metadata"].as_array().unwrap();
    let sent = uplink["uplink_message"]["rx_metadata"].as_array().unwrap();
    let strength = |gateway: &Value| gateway["rssi"].as_f64().unwrap_or_default();
    let weakest_kept = kept.iter().map(strength).fold(f64::INFINITY, f64::min);
    let left_out: Vec<_> = sent.iter().filter(|gateway| strength(gateway) > weakest_kept).collect();
    assert!(!kept.is_empty() && kept.len() < sent.len());
    let stronger_kept = kept.iter().filter(|gateway| strength(gateway) > weakest_kept).count();
    assert_eq!(left_out.len(), stronger_kept, "every gateway stronger than the weakest kept one is kept");
}

#[tokio::test]
async fn the_device_is_named_by_the_path_when_a_field_mask_drops_end_device_ids() {
    let mut system = system().await;
    system.webhook.base_url = format!("{}/devices/{{deviceID}}", system.webhook.base_url);
    system.webhook.field_mask = Some(vec!["up.uplink_message.frm_payload".to_owned()]);
    let told = send(&system, &device("sensor-9").uplink(2, 17, &[1, 2])).await;
    assert_eq!(told.status, 200, "{told:?}");
    let message = messages(&system, 1).await.remove(0);
    assert_eq!((message.device_id.as_str(), message.properties["device-id"].as_str()), ("sensor-9", "sensor-9"));
}

#[tokio::test]
async fn a_known_device_costs_one_iot_hub_call_per_uplink_and_no_registry_call() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    for f_cnt in 1..=20 {
        assert_eq!(send(&system, &device("sensor-1").uplink(2, f_cnt, &[1])).await.status, 200);
    }
    assert_eq!(system.iot_hub.messages().len(), 20);
    assert_eq!(system.iot_hub.requests().len(), 20);
}

#[tokio::test]
async fn webhooks_are_answered_well_before_the_things_stack_gives_up() {
    let mut system = system().await;
    system.webhook.timeout = Duration::from_secs(5);
    let answers = (0..50).map(|number| {
        let uplink = device(&format!("sensor-{number}")).uplink(2, 1, &[1]);
        let (tts, webhook) = (system.tts.clone(), system.webhook.clone());
        tokio::spawn(async move { tts.send(&webhook, &uplink).await.delivered() })
    });
    for answer in answers.collect::<Vec<_>>() {
        assert!(answer.await.unwrap());
    }
    assert_eq!(messages(&system, 50).await.len(), 50);
}
