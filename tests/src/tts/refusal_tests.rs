//! What the device registries refuse, and how they say it.

use reqwest::Method;
use serde_json::{Value, json};

use super::registry_tests::{call, create, ids, on};
use super::*;

/// An end device with these fields beside its usual ids, and a mask.
pub(super) fn with(fields: Value, paths: &[&str]) -> Value {
    let mut device = fields;
    if device.get("ids").is_none() {
        device["ids"] = ids("sensor-1");
    }
    json!({"end_device": device, "field_mask": {"paths": paths}})
}

/// Status, name and attributes of a refusal; without details the name is empty.
fn refusal((status, body): (u16, Value)) -> (u16, String, Value) {
    let details = &body["details"][0];
    let name = match (details["namespace"].as_str(), details["name"].as_str()) {
        (Some(namespace), Some(name)) => format!("{namespace}:{name}"),
        _ => String::new(),
    };
    (status, name, details["attributes"].clone())
}

pub(super) async fn refused(stack: &TheThingsStack, method: Method, path: &str, body: Value) -> (u16, String, Value) {
    refusal(call(stack, method, path, body).await)
}

/// One refusal: the body, then status, name and attributes of the answer.
type Row = (Value, u16, &'static str, Value);

const INVALID: &str = "pkg/errors:validation";
const NO_SUCH_FIELD: &str = "pkg/rpcmiddleware/validator:field_mask_paths";

/// The attributes of the row must be there; there may be more.
async fn assert_refused(stack: &TheThingsStack, method: Method, path: &str, rows: Vec<Row>) {
    for (body, status, name, expected) in rows {
        let answer = refused(stack, method.clone(), path, body.clone()).await;
        assert_eq!((answer.0, answer.1.as_str()), (status, name), "{body}");
        for (name, value) in expected.as_object().into_iter().flatten() {
            assert_eq!(answer.2[name], *value, "{body}");
        }
    }
    assert_eq!(stack.devices("plant-a"), Vec::<String>::new());
}

fn field(name: &str) -> Value {
    json!({"field": name})
}

#[tokio::test]
async fn ids_and_euis_have_their_form() {
    let stack = TheThingsStack::start(Options::default()).await.expect("starts");
    let id = |id: &str| with(json!({"ids": {"device_id": id}}), &[]);
    let eui = |eui: &str| with(json!({"ids": {"device_id": "sensor-1", "dev_eui": eui}}), &[]);
    let forbidden = "pkg/identityserver/blocklist:forbidden_id";
    let rows = vec![
        (json!({}), 400, INVALID, field("end_device")),
        (id("Sensor-1"), 400, INVALID, field("end_device.ids.device_id")),
        (id("ab"), 400, INVALID, field("end_device.ids.device_id")),
        (id(&"a".repeat(37)), 400, INVALID, field("end_device.ids.device_id")),
        (id("admin"), 400, forbidden, json!({"id": "admin"})),
        (id("device"), 400, forbidden, json!({"id": "device"})),
        (eui("70B3"), 400, "", Value::Null),
        (eui("70B3D57ED000000X"), 400, "", Value::Null),
    ];
    assert_refused(&stack, Method::POST, "/applications/plant-a/devices", rows).await;
}

#[tokio::test]
async fn the_identity_server_creates_only_what_is_valid() {
    let addresses = ServerAddresses { network: Some("eu1.example.com:8884".to_owned()), ..ServerAddresses::default() };
    let options = Options { server_addresses: addresses, ..Options::default() };
    let stack = TheThingsStack::start(options).await.expect("starts");
    let one = |name: &str, value: Value| with(json!({name: value}), &[]);
    let attributes: serde_json::Map<_, _> = (0..11).map(|number| (format!("name-{number}"), json!("x"))).collect();
    let at = |name: &str| field(&format!("end_device.{name}"));
    let mismatch = json!({"address": "nam1.example.com", "expected": "eu1.example.com:8884"});
    let rows = vec![
        (one("name", json!("x".repeat(51))), 400, INVALID, at("name")),
        (one("name", json!(7)), 400, "", Value::Null),
        (one("description", json!("x".repeat(2001))), 400, INVALID, at("description")),
        (one("attributes", attributes.into()), 400, INVALID, at("attributes")),
        (one("attributes", json!({"Azure": "x"})), 400, INVALID, at("attributes[Azure]")),
        (one("attributes", json!({"abc": "x".repeat(201)})), 400, INVALID, at("attributes[abc]")),
        (one("version_ids", json!({"brand_id": "The Acme"})), 400, INVALID, at("version_ids.brand_id")),
        (one("join_server_address", json!("https://eu1.example.com")), 400, INVALID, at("join_server_address")),
        (one("join_server_address", json!("eu1.example.com/api")), 400, INVALID, at("join_server_address")),
        (
            one("network_server_address", json!("nam1.example.com")),
            400,
            "pkg/identityserver:network_server_address_mismatch",
            mismatch,
        ),
    ];
    assert_refused(&stack, Method::POST, "/applications/plant-a/devices", rows).await;
    let body = one("network_server_address", json!("eu1.example.com"));
    assert_eq!(call(&stack, Method::POST, "/applications/plant-a/devices", body).await.0, 200);
    let path = "/applications/plant-a?field_mask=network_server_address";
    let application = call(&stack, Method::GET, path, Value::Null).await.1;
    assert_eq!(application["network_server_address"], "eu1.example.com:8884");
}

#[tokio::test]
async fn ids_and_euis_belong_to_one_device() {
    let options = Options { further_applications: vec!["plant-b".to_owned()], ..Options::default() };
    let stack = TheThingsStack::start(options).await.expect("starts");
    create(&stack, "sensor-1").await;
    let devices = "/applications/plant-a/devices";
    let body = call(&stack, Method::POST, devices, with(json!({}), &[])).await.1;
    let cause = &body["details"][0]["cause"];
    assert_eq!((&body["code"], &body["details"][0]["name"]), (&json!(6), &json!("id_taken")));
    assert_eq!(
        (&cause["name"], &cause["attributes"]["driver_constraint"]),
        (&json!("already_exists"), &json!("end_device_id_index"))
    );
    let owner = json!({"join_eui": "70B3D57ED0FFFF00", "dev_eui": "70B3D57ED0000001", "device_id": "sensor-1",
        "application_id": "plant-a"});
    let plant_b = "/applications/plant-b/devices";
    let second = |fields: Value, paths: &[&str]| {
        let mut fields = fields;
        fields["ids"] = ids("sensor-2");
        with(fields, paths)
    };
    let taken = |namespace: &str| (409, format!("{namespace}:end_device_euis_taken"), owner.clone());
    assert_eq!(refused(&stack, Method::POST, plant_b, second(json!({}), &[])).await, taken("pkg/identityserver"));
    // The identity server has forgotten it, the join server has not.
    assert_eq!(call(&stack, Method::DELETE, &on("", "sensor-1"), Value::Null).await.0, 200);
    assert_eq!(call(&stack, Method::POST, plant_b, second(json!({}), &[])).await.0, 200);
    let key = json!({"root_keys": {"app_key": {"key": "00112233445566778899aabbccddeeff"}}});
    for path in ["/js/applications/plant-b/devices/sensor-2", "/as/applications/plant-b/devices/sensor-2"] {
        let body = second(if path.starts_with("/js") { key.clone() } else { json!({}) }, &[]);
        assert_eq!(refused(&stack, Method::PUT, path, body).await, taken("pkg/internal/registry"));
    }
}

#[tokio::test]
async fn the_join_server_wants_euis_and_keys() {
    let stack = TheThingsStack::start(Options::default()).await.expect("starts");
    let ids = |ids: Value| with(json!({"ids": ids}), &[]);
    let key = |key: &str| with(json!({"root_keys": {"app_key": {"key": key}}}), &["root_keys.app_key.key"]);
    let no_value = "pkg/joinserver:field_value";
    let foreign = with(json!({}), &["name", "root_keys.app_key.key", "frequency_plan_id"]);
    let rows = vec![
        (ids(json!({"dev_eui": "70B3D57ED0000001"})), 400, "pkg/joinserver:no_join_eui", Value::Null),
        (ids(json!({"join_eui": "70B3D57ED0FFFF00"})), 400, "pkg/joinserver:no_dev_eui", Value::Null),
        (key(&"0".repeat(32)), 400, no_value, field("root_keys.app_key.key")),
        (with(json!({}), &["root_keys"]), 400, no_value, field("root_keys.app_key.key")),
        (key("0011"), 400, "", Value::Null),
        (foreign, 400, NO_SUCH_FIELD, json!({"forbidden_paths": ["name", "frequency_plan_id"]})),
    ];
    assert_refused(&stack, Method::PUT, &on("js", "sensor-1"), rows).await;
}

/// A device for the network server, with one field changed.
fn radio(name: &str, value: Value) -> Value {
    let mut fields = json!({"frequency_plan_id": "EU_863_870_TTN", "lorawan_version": "MAC_V1_0_2",
        "lorawan_phy_version": "PHY_V1_0_2_REV_B", "supports_join": true});
    fields[name] = value;
    let paths = ["frequency_plan_id", "lorawan_version", "lorawan_phy_version", "supports_join", "version_ids.band_id"];
    with(fields, &paths)
}

#[tokio::test]
async fn the_network_server_wants_a_plan_versions_and_euis() {
    let stack = TheThingsStack::start(Options::default()).await.expect("starts");
    let no_value = "pkg/networkserver:field_value";
    let rows = vec![
        (with(json!({}), &["root_keys"]), 400, NO_SUCH_FIELD, json!({"forbidden_paths": ["root_keys"]})),
        (with(json!({}), &[]), 400, no_value, field("frequency_plan_id")),
        (radio("frequency_plan_id", json!("")), 400, no_value, field("frequency_plan_id")),
        (radio("frequency_plan_id", json!("MARS")), 404, "pkg/frequencyplans:not_found", json!({"id": "MARS"})),
        (radio("lorawan_version", json!("2.0")), 400, "", Value::Null),
        (radio("lorawan_version", json!("MAC_UNKNOWN")), 400, no_value, field("lorawan_version")),
        (radio("lorawan_phy_version", json!(13)), 400, "", Value::Null),
        (radio("supports_join", json!("true")), 400, "", Value::Null),
        (radio("version_ids", json!({"band_id": "US_902_928"})), 400, no_value, field("version_ids.band_id")),
        (radio("ids", json!({"device_id": "sensor-1"})), 400, no_value, field("ids.join_eui")),
    ];
    assert_refused(&stack, Method::PUT, &on("ns", "sensor-1"), rows).await;
    for (name, value) in [
        ("lorawan_version", json!("V1_0_2")),
        ("lorawan_version", json!(3)),
        ("lorawan_phy_version", json!("RP001_V1_0_2")),
        ("version_ids", json!({"band_id": "EU_863_870"})),
    ] {
        assert_eq!(call(&stack, Method::PUT, &on("ns", "sensor-1"), radio(name, value)).await.0, 200);
    }
}

#[tokio::test]
async fn only_what_the_mask_names_is_written() {
    let stack = TheThingsStack::start(Options::default()).await.expect("starts");
    let forbidden = json!({"forbidden_paths": ["frequency_plan_id", "session"]});
    let rows = vec![
        (with(json!({}), &["frequency_plan_id", "session"]), 400, NO_SUCH_FIELD, forbidden),
        (with(json!({"formatters": {"down_formatter": "BASIC"}}), &["formatters"]), 400, "", Value::Null),
        (json!({"end_device": {"ids": ids("sensor-1")}, "field_mask": 7}), 400, "", Value::Null),
    ];
    assert_refused(&stack, Method::PUT, &on("as", "sensor-1"), rows).await;
    let body = json!({"endDevice": {"ids": {"deviceId": "sensor-9", "devEui": "70b3d57ed0000001",
        "joinEui": "cLPVftD//wA="}, "serialNumber": "abc", "formatters": {"downFormatter": "JAVASCRIPT"}},
        "fieldMask": "serial_number"});
    assert_eq!(call(&stack, Method::PUT, &on("as", "sensor-1"), body).await.0, 200);
    let device = stack.device("plant-a", "sensor-1").and_then(|device| device.application).expect("there");
    assert_eq!((&device["serial_number"], device.get("formatters")), (&json!("abc"), None));
    let ids = json!({"device_id": "sensor-1", "application_ids": {"application_id": "plant-a"},
        "dev_eui": "70B3D57ED0000001", "join_eui": "70B3D57ED0FFFF00"});
    assert_eq!(device["ids"], ids);
}
