//! Identities and twins over REST.

use serde_json::json;

use super::*;

#[tokio::test]
async fn an_identity_is_created_once_read_updated_and_deleted() {
    let bench = Bench::start().await;
    let owner = |method: Method| bench.signed("registryReadWrite", method, "/devices/dev1");
    let body = r#"{"deviceId":"dev1","status":"enabled","authentication":{"type":"sas","symmetricKey":{"primaryKey":"","secondaryKey":""}}}"#;
    let created = owner(Method::PUT).body(body).send().await.unwrap();
    assert_eq!(created.status(), 200);
    let etag = header(&created, "etag").to_owned();
    let created = json(created).await;
    assert_eq!(etag, format!("\"{}\"", created["etag"].as_str().unwrap()));
    let again = owner(Method::PUT).body(body).send().await.unwrap();
    assert_eq!((again.status().as_u16(), header(&again, "iothub-errorcode")), (409, "DeviceAlreadyExists"));
    let message = "ErrorCode:DeviceAlreadyExists;A device with ID 'dev1' is already registered.";
    assert_eq!(json(again).await["Message"], message);
    assert_eq!(json(owner(Method::GET).send().await.unwrap()).await, created);
    let updated = owner(Method::PUT).header("If-Match", &etag).body(body).send().await.unwrap();
    assert_eq!(updated.status(), 200);
    let stale = owner(Method::PUT).header("If-Match", &etag).body(body);
    assert_eq!(refusal(stale).await, (412, "PreconditionFailed".to_owned()));
    assert_eq!(refusal(owner(Method::DELETE)).await, (412, "PreconditionFailed".to_owned()));
    assert_eq!(owner(Method::DELETE).header("If-Match", "*").send().await.unwrap().status(), 204);
    assert_eq!(refusal(owner(Method::GET)).await, (404, "DeviceNotFound".to_owned()));
    assert_eq!(bench.hub.registry_calls(), 8);
}

#[tokio::test]
async fn the_list_ends_where_top_says() {
    let bench = Bench::start().await;
    for id in ["c", "a", "b"] {
        bench.hub.create_device(id).unwrap();
    }
    let list = async |query: &str| {
        let request = bench.signed("registryRead", Method::GET, &format!("/devices{query}"));
        let devices = json(request.send().await.unwrap()).await;
        devices.as_array().unwrap().iter().map(|device| device["deviceId"].as_str().unwrap().to_owned()).collect()
    };
    let all: Vec<String> = list("").await;
    assert_eq!(all, ["a", "b", "c"]);
    let two: Vec<String> = list("?top=2").await;
    assert_eq!(two, ["a", "b"]);
    assert_eq!(bench.hub.devices(), all);
    let nonsense = bench.signed("registryRead", Method::GET, "/devices?top=x");
    assert_eq!(refusal(nonsense).await, (400, "ArgumentInvalid".to_owned()));
}

#[tokio::test]
async fn each_call_needs_its_right() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let table = [
        ("registryRead", Method::GET, "/devices/dev1", 200),
        ("registryRead", Method::DELETE, "/devices/dev1", 401),
        ("registryReadWrite", Method::GET, "/twins/dev1", 401),
        ("device", Method::GET, "/devices/dev1", 401),
        ("service", Method::GET, "/twins/dev1", 200),
        ("service", Method::GET, "/devices", 401),
        ("device", Method::POST, "/devices/dev1/messages/events", 204),
        ("service", Method::POST, "/devices/dev1/messages/events", 401),
    ];
    for (policy, method, path, status) in table {
        let response = bench.signed(policy, method, path).send().await.unwrap();
        assert_eq!(response.status(), status, "{policy} {path}");
    }
}

#[tokio::test]
async fn a_twin_is_patched_replaced_and_guarded_by_its_etag() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let twin = |method: Method| bench.signed("service", method, "/twins/dev1");
    let patch = json!({"tags": {"site": "roof"}, "properties": {"desired": {"interval": 60}}}).to_string();
    let patched = twin(Method::PATCH).header("If-Match", "\"AAAAAAAAAAE=\"").body(patch.clone()).send().await.unwrap();
    assert_eq!((patched.status().as_u16(), header(&patched, "etag")), (200, "\"AAAAAAAAAAI=\""));
    let patched = json(patched).await;
    assert_eq!((&patched["version"], &patched["tags"]), (&json!(3), &json!({"site": "roof"})));
    assert_eq!(patched["properties"]["desired"]["$metadata"]["interval"]["$lastUpdatedVersion"], 2);
    assert_eq!(json(twin(Method::GET).send().await.unwrap()).await, patched);
    for stale in ["\"AAAAAAAAAAE=\"", "AAAAAAAAAAE="] {
        let stale = twin(Method::PATCH).header("If-Match", stale).body(patch.clone());
        assert_eq!(refusal(stale).await, (412, "PreconditionFailed".to_owned()));
    }
    for current in ["AAAAAAAAAAI=", "*"] {
        let patched = twin(Method::PATCH).header("If-Match", current).body(patch.clone()).send().await.unwrap();
        assert_eq!(patched.status(), 200, "{current}");
    }
    let replaced = twin(Method::PUT).body(json!({"properties": {"desired": {"b": 1}}}).to_string());
    let replaced = json(replaced.send().await.unwrap()).await;
    assert_eq!(replaced.get("tags"), None);
    assert_eq!(replaced["properties"]["desired"].get("interval"), None);
    let too_wide = twin(Method::PATCH).body(json!({"tags": {"a b": 1}}).to_string());
    assert_eq!(refusal(too_wide).await, (400, "ArgumentInvalid".to_owned()));
    assert_eq!(refusal(twin(Method::PATCH).body("[]")).await, (400, "IotHubFormatError".to_owned()));
    let nobody = bench.signed("service", Method::GET, "/twins/nobody");
    assert_eq!(refusal(nobody).await, (404, "DeviceNotFound".to_owned()));
}

#[tokio::test]
async fn an_identity_write_moves_the_device_etag_and_not_the_twins() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let before = bench.hub.twin("dev1").unwrap();
    bench.hub.set_device_enabled("dev1", false).unwrap();
    let after = bench.hub.twin("dev1").unwrap();
    assert_eq!((&before["etag"], &before["version"]), (&after["etag"], &after["version"]));
    assert_ne!(before["deviceEtag"], after["deviceEtag"]);
    assert_eq!(after["status"], "disabled");
}

#[tokio::test]
async fn the_name_of_a_taken_port_is_in_the_error() {
    let bench = Bench::start().await;
    let port = bench.hub.https_port();
    let options = || Options { https_port: port, ..Options::new(EventHub::new("other", 1)).unwrap() };
    let error = IotHub::start(options()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("IoT Hub cannot listen on 127.0.0.1:{port}"));
    bench.hub.stop().await;
    assert!(IotHub::start(options()).await.is_ok());
}

#[tokio::test]
async fn a_condition_that_cannot_be_read_names_its_route() {
    let route = Route { condition: "(".to_owned(), ..Route::lifecycle() };
    let options = Options { routes: vec![route], ..Options::new(EventHub::new("other", 1)).unwrap() };
    assert_eq!(IotHub::start(options).await.unwrap_err().to_string(), "route lifecycle");
}

#[tokio::test]
async fn bulk_entries_succeed_or_fail_on_their_own() {
    let bench = Bench::start().await;
    bench.hub.create_device("old").unwrap();
    let post = async |entries: &Value| {
        let request = bench.signed("registryReadWrite", Method::POST, "/devices").body(entries.to_string());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), json(response).await)
    };
    let entries = json!([
        {"id": "new", "importMode": "create", "tags": {"site": "roof"}},
        {"id": "old", "importMode": "create"},
        {"id": "old", "importMode": "deleteIfMatchETag"},
        {"id": "old", "importMode": "updateIfMatchETag", "status": "disabled"},
        {"id": "old", "importMode": "updateTwin", "properties": {"desired": {"a": 1}}},
    ]);
    let failure = |code: &str, status: &str, operation: &str| json!({"deviceId": "old", "errorCode": code, "errorStatus": status, "moduleId": null, "operation": operation});
    let errors = json!([
        failure("DeviceAlreadyExists", "A device with ID 'old' is already registered.", "create"),
        failure("PreconditionFailed", "Etag missing", "deleteIfMatchETag"),
        failure("PreconditionFailed", "Etag missing", "updateIfMatchETag"),
    ]);
    assert_eq!(post(&entries).await, (400, json!({"isSuccessful": false, "errors": errors, "warnings": []})));
    assert_eq!(bench.hub.twin("old").unwrap()["properties"]["desired"]["a"], 1);
    let delete = json!([{"id": "new", "importMode": "delete"}, {"id": "old", "importMode": "delete"}]);
    assert_eq!(post(&delete).await, (200, json!({"isSuccessful": true, "errors": [], "warnings": []})));
    assert!(bench.hub.devices().is_empty());
    let many: Vec<_> = (0..101).map(|number| json!({ "id": format!("dev{number}") })).collect();
    assert_eq!(post(&json!(many)).await.0, 413);
}
