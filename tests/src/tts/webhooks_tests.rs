//! The webhook registry and simulated messages, called as a client calls them.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::refusal_tests::refused;
use super::registry_tests::{call, create};
use super::*;

const PATH: &str = "/as/webhooks/plant-a/azure-hub";
const SIMULATE: &str = "/as/applications/plant-a/devices/sensor-1/up/simulate";

async fn started() -> TheThingsStack {
    TheThingsStack::start(Options::default()).await.expect("starts")
}

fn webhook(base_url: &str) -> Value {
    json!({"webhook": {"ids": {"application_ids": {"application_id": "plant-a"}, "webhook_id": "azure-hub"},
        "base_url": base_url, "headers": {"X-Webhook-Secret": "s"}, "format": "json", "uplink_message": {}},
        "field_mask": {"paths": ["base_url", "headers", "format", "uplink_message"]}})
}

fn uplink() -> Value {
    json!({"uplink_message": {"f_port": 1, "frm_payload": "AQ==", "settings": {"frequency": "868300000",
        "data_rate": {"lora": {"bandwidth": 125_000, "spreading_factor": 7}}}}})
}

#[tokio::test]
async fn a_webhook_is_created_changed_by_its_mask_and_deleted() {
    let stack = started().await;
    assert_eq!(call(&stack, Method::GET, PATH, Value::Null).await.0, 404);
    let (status, answer) = call(&stack, Method::PUT, PATH, webhook("https://f/api/tts")).await;
    assert_eq!((status, &answer["base_url"]), (200, &json!("https://f/api/tts")));
    let mut change = webhook("https://g/api/tts");
    change["field_mask"] = json!("base_url");
    call(&stack, Method::PUT, PATH, change).await;
    let path = format!("{PATH}?field_mask=base_url,headers,uplink_message,join_accept");
    let (_, answer) = call(&stack, Method::GET, &path, Value::Null).await;
    assert_eq!(answer["base_url"], "https://g/api/tts");
    assert_eq!(answer["headers"], json!({"X-Webhook-Secret": "s"}), "names keep their case");
    assert_eq!((&answer["uplink_message"], &answer["join_accept"]), (&json!({}), &Value::Null));
    assert_eq!(call(&stack, Method::DELETE, PATH, Value::Null).await.0, 200);
    assert_eq!(stack.webhook("plant-a", "azure-hub"), None);
}

#[tokio::test]
async fn what_a_webhook_may_not_be_is_refused() {
    let stack = started().await;
    for (field, value, named) in [
        ("base_url", json!("no url"), "webhook.base_url"),
        ("format", json!("xml"), "webhook.format"),
        ("headers", json!({"a": "x".repeat(5000)}), "webhook.headers"),
        ("uplink_message", json!({"path": "x".repeat(65)}), "webhook.uplink_message.path"),
    ] {
        let mut request = webhook("https://f/api/tts");
        request["webhook"][field] = value;
        let (status, _, attributes) = refused(&stack, Method::PUT, PATH, request).await;
        assert_eq!((status, &attributes["field"]), (400, &json!(named)));
    }
    let mut request = webhook("https://f/api/tts");
    request["field_mask"] = json!("health_status");
    let (status, name, _) = refused(&stack, Method::PUT, PATH, request).await;
    assert_eq!((status, name.as_str()), (400, "pkg/rpcmiddleware/validator:field_mask_paths"));
    let rights = vec!["RIGHT_APPLICATION_TRAFFIC_READ".to_owned()];
    let stack = TheThingsStack::start(Options { rights, ..Options::default() }).await.expect("starts");
    let (status, _, attributes) = refused(&stack, Method::PUT, PATH, webhook("https://f/api/tts")).await;
    let missing = json!(["RIGHT_APPLICATION_SETTINGS_BASIC", "RIGHT_APPLICATION_TRAFFIC_DOWN_WRITE"]);
    assert_eq!((status, &attributes["missing"]), (403, &missing));
}

#[tokio::test]
async fn a_simulated_uplink_goes_to_the_webhooks_and_says_that_it_is_simulated() {
    let stack = started().await;
    create(&stack, "sensor-1").await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("port");
    let base_url = format!("http://{}/api/tts", listener.local_addr().expect("address"));
    call(&stack, Method::PUT, PATH, webhook(&base_url)).await;
    assert_eq!(call(&stack, Method::POST, SIMULATE, uplink()).await, (200, json!({})));
    let (mut stream, _) =
        tokio::time::timeout(Duration::from_secs(20), listener.accept()).await.expect("in time").expect("call");
    let mut request = String::new();
    while !request.contains("\"simulated\":true") {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).await.expect("request");
        assert!(length > 0, "{request}");
        request.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    assert!(request.starts_with("POST /api/tts") && request.contains("\"device_id\":\"sensor-1\""), "{request}");
    assert!(request.to_lowercase().contains("x-webhook-secret: s"), "{request}");
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.expect("answer");
}

#[tokio::test]
async fn what_cannot_be_simulated_is_refused() {
    let stack = started().await;
    assert_eq!(refused(&stack, Method::POST, SIMULATE, uplink()).await.0, 404, "no such device");
    create(&stack, "sensor-1").await;
    let mut simulated = uplink();
    simulated["simulated"] = json!(true);
    for (request, field) in [
        (simulated, "up.simulated"),
        (json!({}), "up.up"),
        (json!({"uplink_message": {"settings": {"data_rate": {}}}}), "up.uplink_message.settings.frequency"),
        (json!({"uplink_message": {"f_port": 1}}), "up.uplink_message.settings.data_rate"),
    ] {
        let (status, _, attributes) = refused(&stack, Method::POST, SIMULATE, request).await;
        assert_eq!((status, &attributes["field"]), (400, &json!(field)));
    }
}
