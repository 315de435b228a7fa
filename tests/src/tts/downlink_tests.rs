//! Queues of downlinks, called as a client calls them.

use reqwest::Method;
use serde_json::{Value, json};

use super::registry_tests::{call, create, on};
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
