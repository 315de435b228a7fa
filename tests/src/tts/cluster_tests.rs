//! Rights, ports, limits, faults and observers, for all servers alike.

use std::time::Instant;

use reqwest::Method;
use serde_json::{Value, json};

use super::registry_tests::{call, create, ids, on};
use super::*;

async fn with_rights(rights: &[&str]) -> TheThingsStack {
    let rights = rights.iter().map(|right| format!("RIGHT_APPLICATION_{right}")).collect();
    TheThingsStack::start(Options { rights, ..Options::default() }).await.expect("starts")
}

#[tokio::test]
async fn the_missing_right_is_named() {
    let key = json!({"end_device": {"ids": ids("sensor-1"), "root_keys": {"app_key": {"key": "11".repeat(16)}}},
        "field_mask": "root_keys.app_key.key"});
    let device = json!({"end_device": {"ids": ids("sensor-1")}});
    for (rights, method, path, body, missing) in [
        (&["DEVICES_WRITE"][..], Method::GET, on("", "sensor-1"), Value::Null, "DEVICES_READ"),
        (
            &["DEVICES_READ"],
            Method::GET,
            on("js", "sensor-1") + "?field_mask=root_keys",
            Value::Null,
            "DEVICES_READ_KEYS",
        ),
        (&["DEVICES_READ"], Method::POST, "/applications/plant-a/devices".to_owned(), device.clone(), "DEVICES_WRITE"),
        (&["DEVICES_READ"], Method::DELETE, on("ns", "sensor-1"), Value::Null, "DEVICES_WRITE"),
        (&["DEVICES_WRITE"], Method::PUT, on("js", "sensor-1"), key, "DEVICES_WRITE_KEYS"),
        (&["DEVICES_WRITE"], Method::POST, on("as", "sensor-1") + "/down/push", json!({}), "TRAFFIC_DOWN_WRITE"),
        (&["DEVICES_WRITE"], Method::GET, on("as", "sensor-1") + "/down", Value::Null, "TRAFFIC_READ"),
        (&["DEVICES_WRITE"], Method::GET, "/applications/plant-a".to_owned(), Value::Null, "INFO"),
    ] {
        let stack = with_rights(rights).await;
        let (status, answer) = call(&stack, method, &path, body).await;
        let details = &answer["details"][0];
        assert_eq!((status, &details["name"]), (403, &json!("insufficient_application_rights")), "{path}");
        assert_eq!(details["attributes"]["missing"], json!([format!("RIGHT_APPLICATION_{missing}")]));
        let held = call(&stack, Method::GET, "/applications/plant-a/rights", Value::Null).await.1;
        assert_eq!(held["rights"][0], format!("RIGHT_APPLICATION_{}", rights[0]));
    }
    let stack = with_rights(&["ALL"]).await;
    let (status, answer) = call(&stack, Method::GET, "/js/applications/plant-b/devices/sensor-1", Value::Null).await;
    assert_eq!((status, &answer["details"][0]["name"]), (403, &json!("no_application_rights")));
    assert_eq!(
        call(&stack, Method::GET, "/auth_info", Value::Null).await.1["api_key"]["api_key"]["rights"][0],
        "RIGHT_APPLICATION_ALL"
    );
    assert_eq!(call(&stack, Method::PATCH, &on("js", "sensor-1"), Value::Null).await.0, 501);
}

#[tokio::test]
async fn the_identity_server_may_be_another_clusters() {
    let options = Options { identity_server_port: Some(0), package_enabled: false, ..Options::default() };
    let stack = TheThingsStack::start(options).await.expect("starts");
    assert_ne!(stack.identity_server_url(), stack.base_url());
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let get = async |url: String| {
        let response = client.get(url).bearer_auth(stack.api_key()).send().await.expect("answer");
        let status = response.status().as_u16();
        (status, serde_json::from_slice::<Value>(&response.bytes().await.expect("body")).expect("json"))
    };
    let no_route = (404, json!({"code": 5, "message": "Not Found"}));
    assert_eq!(get(stack.base_url() + "/applications/plant-a").await, no_route);
    assert_eq!(get(stack.identity_server_url() + "/applications/plant-a").await.0, 200);
    for server in ["js", "ns", "as"] {
        assert_eq!(get(stack.identity_server_url() + &on(server, "sensor-1")).await, no_route);
        assert_eq!(get(stack.base_url() + &on(server, "sensor-1")).await.1["details"][0]["name"], "device_not_found");
    }
    let urls = (stack.base_url(), stack.identity_server_url());
    stack.restart().await.expect("restarts");
    assert_eq!((stack.base_url(), stack.identity_server_url()), urls);
    assert_eq!(get(stack.identity_server_url() + "/applications/plant-a").await.0, 200);
}

#[tokio::test]
async fn what_it_knew_survives_a_restart() {
    let stack = TheThingsStack::start(Options::default()).await.expect("starts");
    create(&stack, "sensor-1").await;
    stack.stop().await;
    stack.restart().await.expect("restarts");
    stack.restart().await.expect("restarts while it runs");
    assert_eq!(call(&stack, Method::GET, &on("js", "sensor-1"), Value::Null).await.0, 200);
    assert_eq!(stack.requests().len(), 5);
}

#[tokio::test]
async fn who_asks_too_often_is_refused() {
    let options = Options { rate_limit: Some(RateLimit::per_minute(2)), ..Options::default() };
    let stack = TheThingsStack::start(options).await.expect("starts");
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let get = async |path: String| {
        client.get(stack.base_url() + &path).bearer_auth(stack.api_key()).send().await.expect("answer")
    };
    for (available, status) in [("1", 404), ("0", 404), ("0", 429)] {
        let answer = get(on("js", "sensor-1")).await;
        assert_eq!(answer.status(), status);
        assert_eq!(
            (&answer.headers()["x-rate-limit-limit"], &answer.headers()["x-rate-limit-available"]),
            (&"2".parse().expect("value"), &available.parse().expect("value"))
        );
        assert_eq!(
            (answer.headers().contains_key("x-rate-limit-retry"), answer.headers().contains_key("retry-after")),
            (status == 429, false)
        );
        assert!(answer.headers().contains_key("x-rate-limit-reset"));
    }
    assert_eq!(get(on("ns", "sensor-1")).await.status(), 404);
    assert_eq!(stack.rate_limited(), 1);
    let body: Value =
        serde_json::from_slice(&get(on("js", "sensor-1")).await.bytes().await.expect("body")).expect("json");
    assert_eq!((&body["code"], &body["details"][0]["name"]), (&json!(8), &json!("rate_limit_exceeded")));
}

#[tokio::test]
async fn faults_are_aimed() {
    let stack = TheThingsStack::start(Options::default()).await.expect("starts");
    create(&stack, "sensor-1").await;
    stack.inject(Fault::always(Effect::Unavailable).at(Server::Identity));
    stack.inject(Fault::always(Effect::Internal).at(Server::Join).with_method("DELETE"));
    stack.inject(Fault::always(Effect::NoRights).of_device("sensor-2"));
    stack.inject(Fault::once(Effect::ResetAfterAccepting).with_path_end("/down/push"));
    let status = async |method, path: String| call(&stack, method, &path, Value::Null).await.0;
    assert_eq!(status(Method::GET, on("", "sensor-1")).await, 503);
    assert_eq!(status(Method::GET, on("js", "sensor-1")).await, 200);
    assert_eq!(status(Method::DELETE, on("js", "sensor-1")).await, 500);
    assert_eq!(status(Method::GET, on("as", "sensor-1")).await, 200);
    assert_eq!(status(Method::GET, on("as", "sensor-2")).await, 403);
    let body = json!({"end_device": {"ids": {"device_id": "sensor-2"}}});
    assert_eq!(call(&stack, Method::POST, "/ns/applications/plant-a/devices", body).await.0, 403);
    assert!(stack.start_session("plant-a", "sensor-1"));
    let client = reqwest::Client::builder().no_proxy().build().expect("client");
    let push = || {
        let body = json!({"downlinks": [{"f_port": 2, "frm_payload": "AQ=="}]}).to_string();
        let url = stack.base_url() + &on("as", "sensor-1") + "/down/push";
        client.post(url).bearer_auth(stack.api_key()).body(body).send()
    };
    assert!(push().await.is_err());
    assert_eq!(stack.downlinks("plant-a", "sensor-1").len(), 1);
    assert_eq!(push().await.expect("answer").status(), 200);
}

#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn submitted(&self, _: Vec<SubmittedEvent>, _: bool, _: std::time::Instant) {}

    fn spoiled(&self, _: &[u8], _: &[Effect]) {}

    fn device_set(&self, server: Server, change: &DeviceChange<'_>) {
        let DeviceChange { device_id, written, is_new, is_answered, .. } = change;
        let name = &written["name"];
        state::locked(&self.0).push(format!("{server:?} {device_id} {name} new {is_new} answered {is_answered}"));
    }

    fn device_deleted(&self, server: Server, application_id: &str, device_id: &str, is_answered: bool) {
        state::locked(&self.0).push(format!("{server:?} {application_id} {device_id} deleted {is_answered}"));
    }

    fn downlinks(&self, accepted: &AcceptedDownlinks<'_>) {
        let AcceptedDownlinks { downlinks, is_replace, .. } = accepted;
        state::locked(&self.0).push(format!("{} replace {is_replace}", json!(downlinks)));
    }
}

#[tokio::test]
async fn an_observer_sees_devices_and_downlinks() {
    let notes = Arc::new(Notes::default());
    let options = Options { observer: Some(notes.clone()), ..Options::default() };
    let stack = TheThingsStack::start(options).await.expect("starts");
    create(&stack, "sensor-1").await;
    stack.start_session("plant-a", "sensor-1");
    let update = json!({"end_device": {"name": "New"}, "field_mask": "name"});
    let downlinks = json!({"downlinks": [{"f_port": 2, "frm_payload": "AQ=="}]});
    for (method, path, body) in [
        (Method::PUT, on("", "sensor-1"), update),
        (Method::POST, on("as", "sensor-1") + "/down/replace", downlinks),
        (Method::DELETE, on("as", "sensor-1"), Value::Null),
    ] {
        assert_eq!(call(&stack, method, &path, body).await.0, 200);
    }
    let expected = [
        r#"Identity sensor-1 "Sensor 1" new true answered true"#,
        "Join sensor-1 null new true answered true",
        "Network sensor-1 null new true answered true",
        "Application sensor-1 null new true answered true",
        r#"Identity sensor-1 "New" new false answered true"#,
        r#"[{"f_port":2,"frm_payload":"AQ=="}] replace true"#,
        "Application plant-a sensor-1 deleted true",
    ];
    assert_eq!(*state::locked(&notes.0), expected);
}

#[tokio::test]
async fn waiting_ends_with_what_there_is() {
    let stack = TheThingsStack::start(Options::default()).await.expect("starts");
    let waiting = stack.clone();
    let limit = Duration::from_secs(10);
    let waiting = tokio::spawn(async move { waiting.wait_for_device("plant-a", "sensor-1", limit).await });
    create(&stack, "sensor-1").await;
    assert!(waiting.await.expect("task").is_ok());
    let begin = Instant::now();
    let missing =
        stack.wait_for_downlinks("plant-a", "sensor-1", 1, Duration::from_millis(20)).await.expect_err("none");
    assert!(missing.starts_with("sensor-1 at [Identity, Join, Network, Application] with 0 downlinks"), "{missing}");
    assert!(begin.elapsed() >= Duration::from_millis(20));
    let foreign = json!({"ids": {"dev_eui": "70B3D57ED0000009", "join_eui": "70B3D57ED0FFFF00"}, "name": "theirs"});
    stack.put_device(Server::Identity, "plant-z", "their-1", &foreign);
    assert_eq!(stack.devices("plant-z"), ["their-1"]);
    let body = json!({"end_device": {"ids": {"device_id": "sensor-9", "dev_eui": "70B3D57ED0000009",
        "join_eui": "70B3D57ED0FFFF00"}}});
    let (status, answer) = call(&stack, Method::POST, "/applications/plant-a/devices", body.clone()).await;
    assert_eq!((status, &answer["details"][0]["attributes"]["application_id"]), (409, &json!("plant-z")));
    stack.put_device(Server::Identity, "plant-z", "their-1", &json!({"name": "without EUIs"}));
    assert_eq!(call(&stack, Method::POST, "/applications/plant-a/devices", body).await.0, 200);
    assert_eq!(call(&stack, Method::DELETE, &on("", "sensor-9"), Value::Null).await.0, 200);
    assert!(stack.wait_for_no_device("plant-a", "sensor-9", Duration::ZERO).await.is_ok());
}
