//! Journey 1: bad input gets a clear answer and goes nowhere.

use local::tts::Format;
use serde_json::json;

use crate::support::{Told, device, send, send_text, sends, system};
use local::system::System;

async fn refused(system: &System, body: &[u8], status: u16, expected: &str) -> Told {
    let told = send_text(system, &system.webhook, body).await;
    assert_eq!(told.status, status, "{told:?}");
    assert!(told.reason().contains(expected), "{told:?}");
    assert_eq!(sends(system), 0);
    told
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_with_the_place() {
    let system = system().await;
    refused(&system, b"temperature=21", 400, "at `.`").await;
    refused(&system, br#"{"end_device_ids":{"device_id":17},"uplink_message":{}}"#, 400, "`end_device_ids.device_id`")
        .await;
    refused(&system, br#"{"uplink_message":{"f_port":"two"}}"#, 400, "`uplink_message.f_port`").await;
}

#[tokio::test]
async fn an_empty_body_is_refused() {
    let system = system().await;
    refused(&system, b"", 400, "found an empty body").await;
}

#[tokio::test]
async fn a_webhook_in_protobuf_format_is_told_to_switch_to_json() {
    let mut system = system().await;
    system.webhook.format = Format::Protobuf;
    let told = send(&system, &device("sensor-1").uplink(2, 17, &[1])).await;
    assert_eq!(told.status, 415, "{told:?}");
    assert!(told.reason().contains("set the webhook's format to JSON"), "{told:?}");
}

#[tokio::test]
async fn a_message_without_its_device_says_which_field_mask_to_change() {
    let mut system = system().await;
    system.webhook.field_mask = Some(vec!["up.uplink_message".to_owned()]);
    let told = send(&system, &device("sensor-1").uplink(2, 17, &[1])).await;
    assert_eq!(told.status, 400, "{told:?}");
    assert!(told.reason().contains("add `end_device_ids` to the webhook's field mask"), "{told:?}");
}

#[tokio::test]
async fn a_device_id_iot_hub_refuses_is_refused_with_the_rule() {
    let system = system().await;
    let message = json!({"end_device_ids": {"device_id": "größe/1"}, "uplink_message": {}}).to_string();
    let told = refused(&system, message.as_bytes(), 400, "expected 1 to 128 ASCII letters").await;
    assert!(told.reason().contains("größe/1"), "{told:?}");
    refused(&system, br#"{"end_device_ids":{"device_id":".."},"uplink_message":{}}"#, 400, "expected 1 to 128").await;
}

#[tokio::test]
async fn a_body_of_2_mb_is_refused_as_too_large() {
    let system = system().await;
    let payload = "x".repeat(2 * 1024 * 1024);
    let message = json!({"end_device_ids": {"device_id": "sensor-1"}, "service_data": {"data": payload}}).to_string();
    refused(&system, message.as_bytes(), 413, "expected at most 1048576").await;
}

#[tokio::test]
async fn a_message_too_large_even_without_gateways_is_refused_with_the_way_out() {
    let system = system().await;
    let payload = "x".repeat(300 * 1024);
    let message = json!({"end_device_ids": {"device_id": "sensor-1"}, "service_data": {"data": payload}}).to_string();
    refused(&system, message.as_bytes(), 413, "shorten the decoded payload").await;
}

#[tokio::test]
async fn a_message_without_any_type_is_refused_with_what_was_found() {
    let system = system().await;
    refused(
        &system,
        br#"{"end_device_ids":{"device_id":"sensor-1"},"correlation_ids":[]}"#,
        400,
        "found no message type",
    )
    .await;
}

#[tokio::test]
async fn a_message_of_another_application_does_not_become_one_of_ours() {
    let system = system().await;
    let message = br#"{"end_device_ids":{"device_id":"sensor-1","application_ids":{"application_id":"plant-b"}},"uplink_message":{}}"#;
    let told = refused(&system, message, 400, "expected \"plant-a\" as TTS_APPLICATION_ID").await;
    assert!(told.reason().contains("plant-b"), "{told:?}");
}

#[tokio::test]
async fn a_refusal_never_repeats_the_payload() {
    let system = system().await;
    let payload = "secret-measurement".repeat(10_000);
    let told =
        refused(&system, format!(r#"{{"uplink_message":"{payload}"}}"#).as_bytes(), 400, "at `uplink_message`").await;
    assert!(!told.reason().contains("secret-measurement"), "{told:?}");
    assert!(system.host.logs().iter().all(|line| !line.text.contains("secret-measurement")));
}

#[tokio::test]
async fn a_missing_or_wrong_webhook_secret_is_refused_and_either_of_two_is_accepted() {
    let system =
        crate::support::system_with(&[("WEBHOOK_SECRETS", "the-old-secret-of-2025,the-new-secret-of-2026")]).await;
    for (secret, status) in [
        (None, 401),
        (Some("guess"), 401),
        (Some("the-old-secret-of-2025"), 200),
        (Some("the-new-secret-of-2026"), 200),
    ] {
        let mut webhook = system.webhook.clone();
        webhook.headers.remove("X-Webhook-Secret");
        webhook.headers.extend(secret.map(|secret| ("X-Webhook-Secret".to_owned(), secret.to_owned())));
        let body = device("sensor-1").uplink(2, 17, &[1]).to_string();
        let told = send_text(&system, &webhook, body.as_bytes()).await;
        assert_eq!(told.status, status, "{secret:?} {told:?}");
        assert!(status == 200 || told.reason().contains("X-Webhook-Secret"), "{told:?}");
        assert!(!told.reason().contains("guess") && !told.reason().contains("of-2025"), "{told:?}");
    }
}

#[tokio::test]
async fn without_configured_secrets_the_function_key_alone_guards_the_door() {
    let system = crate::support::system_with(&[("WEBHOOK_SECRETS", "")]).await;
    let mut webhook = system.webhook.clone();
    webhook.headers.remove("X-Webhook-Secret");
    let body = device("sensor-1").uplink(2, 17, &[1]).to_string();
    assert_eq!(send_text(&system, &webhook, body.as_bytes()).await.status, 200);
    webhook.headers.insert("x-functions-key".to_owned(), "guess".to_owned());
    assert_eq!(send_text(&system, &webhook, body.as_bytes()).await.status, 401);
}
