//! Queues of downlinks, called as a client calls them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use super::registry_tests::{call, create, ids, on};
use super::*;

async fn push(stack: &TheThingsStack, downlink: Value) -> (u16, Value) {
    let path = on("as", "sensor-1") + "/down/push";
    call(stack, Method::POST, &path, json!({"downlinks": [downlink]})).await
}

#[tokio::test]
async fn downlinks_wait_in_order_and_go_one_by_one() {
    let stack = TheThingsStack::start(Options::default()).await.expect("starts");
    create(&stack, "sensor-1").await;
    let downlink = json!({"f_port": 2, "frm_payload": "AQI=", "correlation_ids": ["azure:desired:7"]});
    let (status, body) = push(&stack, downlink.clone()).await;
    assert_eq!((status, &body["code"], &body["details"][0]["name"]), (400, &json!(9), &json!("no_device_session")));
    assert!(stack.start_session("plant-a", "sensor-1"));
    assert_eq!(push(&stack, downlink).await, (200, json!({})));
    assert_eq!(push(&stack, json!({"decoded_payload": {"led": true}})).await, (200, json!({})));
    let queue = stack.wait_for_downlinks("plant-a", "sensor-1", 2, Duration::ZERO).await.expect("two");
    assert_eq!((&queue[0]["f_port"], &queue[0]["correlation_ids"][0]), (&json!(2), &json!("azure:desired:7")));
    assert!(queue[0]["correlation_ids"][1].as_str().is_some_and(|id| id.starts_with("as:downlink:")));
    assert_eq!((&queue[1]["f_port"], &queue[1]["frm_payload"]), (&json!(15), &json!("eyJsZWQiOnRydWV9")));
    let listed = call(&stack, Method::GET, &(on("as", "sensor-1") + "/down"), Value::Null).await;
    assert_eq!(listed, (200, json!({"downlinks": queue})));
    assert_eq!(stack.take_downlink("plant-a", "sensor-1").as_ref(), Some(&queue[0]));
    assert_eq!(stack.downlinks("plant-a", "sensor-1").len(), 1);
}

async fn with_session(options: Options) -> TheThingsStack {
    let stack = TheThingsStack::start(options).await.expect("starts");
    create(&stack, "sensor-1").await;
    assert!(stack.start_session("plant-a", "sensor-1"));
    stack
}

fn on_port(f_port: u32) -> Value {
    json!({"f_port": f_port, "frm_payload": "AQ=="})
}

fn and(name: &str, value: Value) -> Value {
    let mut downlink = on_port(2);
    downlink[name] = value;
    downlink
}

fn bytes(count: usize) -> String {
    STANDARD.encode(vec![1; count])
}

fn at(time: &str) -> Value {
    json!({"absolute_time": time})
}

#[tokio::test]
async fn bad_downlinks_are_refused() {
    let stack = with_session(Options::default()).await;
    let long = "x".repeat(101);
    for (downlink, code, name) in [
        (json!({"frm_payload": "AQ=="}), 3, "no_f_port"),
        (on_port(0), 3, "no_f_port"),
        (on_port(224), 3, "validation"),
        (on_port(256), 3, "validation"),
        (json!({"f_port": 2}), 3, "no_payload"),
        (json!({"f_port": 2, "frm_payload": ""}), 3, "no_payload"),
        (and("frm_payload", bytes(256).into()), 3, "validation"),
        (and("frm_payload", bytes(243).into()), 3, "application_downlink_too_long"),
        (and("frm_payload", "xyz".into()), 3, ""),
        (and("f_port", "2".into()), 3, ""),
        (and("priority", "URGENT".into()), 3, ""),
        (and("confirmed", "yes".into()), 3, ""),
        (and("confirmed_retry", json!({"max_attempts": 33})), 3, "downlink_max_retries_invalid"),
        (and("confirmed_retry", json!({"max_attempts": 101})), 3, "validation"),
        (and("correlation_ids", json!([long])), 3, "validation"),
        (and("class_b_c", json!({"gateways": [{"gateway_ids": {"gateway_id": "GW"}}]})), 3, "validation"),
        (and("class_b_c", at("2099-05-01T10:00:00+00:00")), 3, ""),
        (and("class_b_c", at("2025-05-01T10:00:00Z")), 9, "downlink_expired"),
        (json!("AQ=="), 3, ""),
    ] {
        let (status, body) = push(&stack, downlink.clone()).await;
        let found = body["details"][0]["name"].as_str().unwrap_or_default();
        assert_eq!((status, &body["code"], found), (400, &json!(code), name), "{downlink}");
    }
    assert_eq!(stack.downlinks("plant-a", "sensor-1"), Vec::<Value>::new());
}

#[tokio::test]
async fn good_downlinks_are_taken() {
    let stack = with_session(Options::default()).await;
    for downlink in [
        and("f_port", 255.into()),
        and("priority", "HIGHEST".into()),
        and("class_b_c", at("2099-05-01T10:00:00Z")),
        and("class_b_c", json!({"gateways": [{"gateway_ids": {"gateway_id": "gw-1"}, "antenna_index": 0}]})),
        and("confirmed", true.into()),
        and("frm_payload", bytes(242).into()),
    ] {
        assert_eq!(push(&stack, downlink.clone()).await.0, 200, "{downlink}");
    }
}

#[tokio::test]
async fn replacing_clears_and_pushing_nothing_does_nothing() {
    let stack = with_session(Options { downlink_queue_capacity: 2, ..Options::default() }).await;
    let path = |operation: &str| on("as", "sensor-1") + "/down/" + operation;
    let of = |count: usize| json!({"downlinks": vec![json!({"f_port": 2, "frm_payload": "AQ=="}); count]});
    for (operation, body, status, left) in [
        ("push", of(2), 200, 2),
        ("push", of(0), 200, 2),
        ("push", of(1), 429, 2),
        ("replace", of(3), 429, 2),
        ("replace", of(1), 200, 1),
        ("push", of(1), 200, 2),
        ("replace", json!({}), 200, 0),
    ] {
        let (found, answer) = call(&stack, Method::POST, &path(operation), body.clone()).await;
        assert_eq!((found, stack.downlinks("plant-a", "sensor-1").len()), (status, left), "{operation} {body}");
        if status == 429 {
            assert_eq!(answer["details"][0]["name"], "downlink_queue_capacity");
        }
    }
    let url = stack.base_url() + &path("push");
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let full = client.post(url).bearer_auth(stack.api_key()).body(of(3).to_string()).send().await.expect("answer");
    assert!(full.status() == 429 && !full.headers().keys().any(|name| name.as_str().starts_with("x-rate-limit")));
    let listed = call(&stack, Method::GET, &(on("as", "sensor-1") + "/down"), Value::Null).await;
    assert_eq!(listed, (200, json!({})));
}

#[tokio::test]
async fn a_formatter_encodes_and_without_one_what_is_decoded_is_lost() {
    let stack = with_session(Options { encoder_f_port: 0, ..Options::default() }).await;
    let decoded = |f_port: u32| json!({"f_port": f_port, "decoded_payload": {"led": 0}});
    assert_eq!(push(&stack, decoded(0)).await.1["details"][0]["name"], "no_f_port");
    assert_eq!(push(&stack, decoded(7)).await.0, 200);
    let set = |formatters: Value| {
        let body =
            json!({"end_device": {"ids": ids("sensor-1"), "formatters": formatters}, "field_mask": "formatters"});
        async { call(&stack, Method::PUT, &on("as", "sensor-1"), body).await.0 }
    };
    assert_eq!(set(json!({"down_formatter": "FORMATTER_JAVASCRIPT", "down_formatter_parameter": "99"})).await, 200);
    assert_eq!(push(&stack, decoded(0)).await.0, 200);
    assert_eq!(set(json!({})).await, 200);
    assert_eq!(push(&stack, decoded(0)).await.1["details"][0]["name"], "no_f_port");
    assert_eq!(push(&stack, decoded(5)).await.0, 200);
    let queue = stack.downlinks("plant-a", "sensor-1");
    let sent: Vec<_> =
        queue.iter().map(|downlink| (downlink["f_port"].as_u64(), downlink["frm_payload"].as_str())).collect();
    let encoded = Some("eyJsZWQiOjB9");
    assert_eq!(sent, [(Some(7), encoded), (Some(99), encoded), (Some(5), None)]);
}

#[tokio::test]
async fn an_unknown_device_has_no_queue() {
    let stack = TheThingsStack::start(Options::default()).await.expect("starts");
    let (status, body) = push(&stack, json!({"f_port": 2, "frm_payload": "AQ=="})).await;
    assert_eq!((status, &body["details"][0]["name"]), (404, &json!("device_not_found")));
    assert!(!stack.start_session("plant-a", "sensor-1"));
    assert_eq!(stack.take_downlink("plant-a", "sensor-1"), None);
    let (status, body) = call(&stack, Method::GET, &(on("as", "sensor-1") + "/down"), Value::Null).await;
    assert_eq!((status, &body["details"][0]["namespace"]), (404, &json!("pkg/applicationserver")));
}
