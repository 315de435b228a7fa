//! The device registries, called as a client calls them.

use reqwest::Method;
use serde_json::{Value, json};

use super::refusal_tests::{refused, with};
use super::*;

const DEV_EUI: &str = "70B3D57ED0000001";
const JOIN_EUI: &str = "70B3D57ED0FFFF00";

/// Calls below the base URL; the key is the stack's own.
pub(super) async fn call(stack: &TheThingsStack, method: Method, path: &str, body: Value) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let request = client.request(method, format!("{}{path}", stack.base_url())).bearer_auth(stack.api_key());
    let response = request.body(body.to_string()).send().await.expect("answer");
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.expect("body")).expect("json"))
}

pub(super) fn ids(device_id: &str) -> Value {
    json!({"device_id": device_id, "dev_eui": DEV_EUI, "join_eui": JOIN_EUI})
}

/// Creates a device at all four servers.
pub(super) async fn create(stack: &TheThingsStack, device_id: &str) {
    let set = |fields: Value, paths: &[&str]| {
        let mut device = fields;
        device["ids"] = ids(device_id);
        json!({"end_device": device, "field_mask": {"paths": paths}})
    };
    let keys = json!({"root_keys": {"app_key": {"key": "00112233445566778899aabbccddeeff"}}});
    let radio = json!({"frequency_plan_id": "EU_863_870_TTN", "lorawan_version": "1.0.2",
        "lorawan_phy_version": "1.0.2-b", "supports_join": true});
    let formatters = json!({"formatters": {"down_formatter": "FORMATTER_REPOSITORY"}});
    let radio_paths = ["frequency_plan_id", "lorawan_version", "lorawan_phy_version", "supports_join"];
    for (method, path, body) in [
        (Method::POST, "/applications/plant-a/devices".to_owned(), set(json!({"name": "Sensor 1"}), &[])),
        (Method::PUT, on("js", device_id), set(keys, &["root_keys.app_key.key"])),
        (Method::PUT, on("ns", device_id), set(radio, &radio_paths)),
        (Method::PUT, on("as", device_id), set(formatters, &["formatters.down_formatter"])),
    ] {
        let (status, answer) = call(stack, method, &path, body).await;
        assert_eq!(status, 200, "{path}: {answer}");
    }
}

/// A device's path at a server.
pub(super) fn on(server: &str, device_id: &str) -> String {
    format!("/{server}/applications/plant-a/devices/{device_id}").replace("//", "/")
}

#[tokio::test]
async fn a_device_is_made_looked_at_and_deleted() {
    let stack = TheThingsStack::start(Options::default()).await.expect("starts");
    create(&stack, "sensor-1").await;
    let device = stack.wait_for_device("plant-a", "sensor-1", Duration::ZERO).await.expect("complete");
    let join = device.join.expect("join server");
    assert_eq!(join["root_keys"]["app_key"]["key"], "00112233445566778899AABBCCDDEEFF");
    assert_eq!(device.network.expect("network server")["lorawan_phy_version"], "PHY_V1_0_2_REV_B");
    assert_eq!(stack.devices("plant-a"), ["sensor-1"]);
    let (status, body) = call(&stack, Method::GET, &on("", "sensor-1"), Value::Null).await;
    assert_eq!((status, &body["ids"]["dev_eui"], body.get("name")), (200, &json!(DEV_EUI), None));
    let path = on("", "sensor-1") + "?field_mask=name,version_ids";
    assert_eq!(call(&stack, Method::GET, &path, Value::Null).await.1["name"], "Sensor 1");
    for server in ["as", "ns", "js", ""] {
        let (status, body) = call(&stack, Method::DELETE, &on(server, "sensor-1"), Value::Null).await;
        assert_eq!((status, body), (200, json!({})));
        assert_eq!(call(&stack, Method::GET, &on(server, "sensor-1"), Value::Null).await.0, 404);
    }
    assert_eq!(stack.device("plant-a", "sensor-1"), None);
    create(&stack, "sensor-1").await;
}

#[tokio::test]
async fn every_server_says_in_its_own_words_that_there_is_no_device() {
    let stack = TheThingsStack::start(Options::default()).await.expect("starts");
    let uid = json!({"device_uid": "plant-a.sensor-1"});
    let name = json!({"application_id": "plant-a", "device_id": "sensor-1"});
    for (server, method, name, attributes) in [
        ("", Method::GET, "pkg/identityserver/store:end_device_not_found", &name),
        ("", Method::PUT, "pkg/identityserver/store:end_device_not_found", &name),
        ("", Method::DELETE, "pkg/identityserver/store:end_device_not_found", &name),
        ("js", Method::GET, "pkg/joinserver:device_not_found", &uid),
        ("ns", Method::DELETE, "pkg/networkserver:device_not_found", &uid),
        ("as", Method::DELETE, "pkg/applicationserver:device_not_found", &uid),
    ] {
        let answer = refused(&stack, method, &on(server, "sensor-1"), with(json!({"name": "x"}), &[])).await;
        assert_eq!(answer, (404, name.to_owned(), attributes.clone()));
    }
    let body = with(json!({}), &[]);
    assert_eq!(refused(&stack, Method::PUT, &on("as", "Sensor_1"), body).await.1, "pkg/errors:validation");
}

#[tokio::test]
async fn some_things_never_change() {
    let stack = TheThingsStack::start(Options::default()).await.expect("starts");
    create(&stack, "sensor-1").await;
    let other = || json!({"device_id": "sensor-1", "dev_eui": "70B3D57ED0000002", "join_eui": "70B3D57ED0FFFF00"});
    for (server, fields, paths, name, field) in [
        ("js", json!({"ids": other()}), &["ids.dev_eui"][..], "pkg/joinserver/redis:read_only_field", "ids.dev_eui"),
        ("ns", json!({"ids": other()}), &[], "pkg/networkserver/redis:read_only_field", "ids.dev_eui"),
        ("as", json!({"ids": other()}), &["ids"], "pkg/applicationserver/redis:read_only_field", "ids.dev_eui"),
        ("ns", json!({"supports_join": false}), &["supports_join"], "pkg/networkserver:field_value", "supports_join"),
    ] {
        let answer = refused(&stack, Method::PUT, &on(server, "sensor-1"), with(fields, paths)).await;
        assert_eq!(answer, (400, name.to_owned(), json!({"field": field})));
    }
    let update = |paths| with(json!({"name": "Sensor 2", "description": "new"}), paths);
    assert_eq!(call(&stack, Method::PUT, &on("", "sensor-1"), update(&["description"])).await.0, 200);
    let device = stack.device("plant-a", "sensor-1").and_then(|device| device.identity).expect("there");
    assert_eq!((&device["name"], &device["description"]), (&json!("Sensor 1"), &json!("new")));
    let forbidden = refused(&stack, Method::PUT, &on("", "sensor-1"), update(&["ids.dev_eui"])).await;
    assert_eq!(forbidden.2, json!({"forbidden_paths": ["ids.dev_eui"]}));
}
