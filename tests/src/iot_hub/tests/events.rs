//! Lifecycle and twin-change events, compared whole.

use serde_json::json;

use super::*;

/// What has its own value in every run.
const CHANGING: [(&str, &str); 3] =
    [("properties", "operationTimestamp"), ("system", "correlation-id"), ("system", "iothub-enqueuedtime")];

/// An event as JSON; times and ids that differ from run to run are checked for being there and replaced by `…`.
fn readable(event: &Event) -> Value {
    let data = &event.data;
    let body: Value = serde_json::from_slice(&data.body).unwrap();
    let mut event = json!({
        "body": without_times(&body), "properties": data.properties, "system": data.system_properties,
        "key": data.partition_key,
    });
    for (part, name) in CHANGING {
        assert!(!event[part][name].is_null(), "{name}");
        event[part][name] = json!("…");
    }
    event
}

fn without_times(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entry = |(key, value): (&String, &Value)| match value.as_str() {
                Some(time) if key == "$lastUpdated" && !time.starts_with("0001") => (key.clone(), json!("…")),
                Some(_) | None => (key.clone(), without_times(value)),
            };
            Value::Object(map.iter().map(entry).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => value.clone(),
    }
}

/// What every event of `dev1` has, with the three words that differ.
fn event(source: &str, schema: &str, operation: &str, body: &Value) -> Value {
    json!({
        "body": body,
        "properties": {
            "hubName": "localhost", "deviceId": "dev1", "operationTimestamp": "…",
            "iothub-message-schema": schema, "opType": operation,
        },
        "system": {
            "content-type": "application/json", "content-encoding": "utf-8", "correlation-id": "…",
            "user-id": "localhost", "iothub-connection-device-id": "dev1", "iothub-enqueuedtime": "…",
            "iothub-message-source": source,
        },
        "key": "dev1",
    })
}

fn lifecycle(operation: &str, body: &Value) -> Value {
    event("deviceLifecycleEvents", "deviceLifecycleNotification", operation, body)
}

fn twin_change(operation: &str, body: &Value) -> Value {
    event("twinChangeEvents", "twinChangeNotification", operation, body)
}

fn all_events(bench: &Bench) -> Vec<Value> {
    bench.events().iter().map(readable).collect()
}

#[tokio::test]
async fn creating_and_deleting_a_device_tell_its_twin() {
    let bench = Bench::start_with(vec![Route::lifecycle()]).await;
    bench.hub.create_device("dev1").unwrap();
    bench.hub.set_device_enabled("dev1", false).unwrap();
    bench.hub.patch_twin("dev1", json!({"tags": {"site": "roof"}})).unwrap();
    bench.hub.delete_device("dev1").unwrap();
    let section = json!({"$metadata": {"$lastUpdated": "0001-01-01T00:00:00Z"}, "$version": 1});
    let properties = json!({"desired": section, "reported": section});
    let created = json!({"deviceId": "dev1", "etag": "AAAAAAAAAAE=", "version": 2, "properties": properties});
    let deleted = json!({
        "deviceId": "dev1", "etag": "AAAAAAAAAAI=", "version": 3, "tags": {"site": "roof"}, "properties": properties,
    });
    let expected = [lifecycle("createDeviceIdentity", &created), lifecycle("deleteDeviceIdentity", &deleted)];
    assert_eq!(all_events(&bench), expected);
}

#[tokio::test]
async fn a_device_that_begins_with_tags_tells_them_when_it_is_created() {
    let bench = Bench::start().await;
    let twin = json!({"tags": {"site": "roof"}, "properties": {"desired": {"a": 1}}});
    bench.hub.create_device_with_twin("dev1", twin).unwrap();
    let stamp = json!({"$lastUpdated": "…", "$lastUpdatedVersion": 1});
    let metadata = json!({"$lastUpdated": "…", "$lastUpdatedVersion": 1, "a": stamp});
    let reported = json!({"$metadata": {"$lastUpdated": "0001-01-01T00:00:00Z"}, "$version": 1});
    let body = json!({
        "deviceId": "dev1", "etag": "AAAAAAAAAAE=", "version": 2, "tags": {"site": "roof"},
        "properties": {"desired": {"a": 1, "$metadata": metadata, "$version": 1}, "reported": reported},
    });
    assert_eq!(all_events(&bench), [lifecycle("createDeviceIdentity", &body)]);
}

#[tokio::test]
async fn the_same_events_come_from_rest() {
    let bench = Bench::start_with(vec![Route::lifecycle(), Route::all_twin_changes()]).await;
    let put = bench.signed("iothubowner", Method::PUT, "/devices/dev1").body(r#"{"deviceId":"dev1"}"#);
    put.send().await.unwrap();
    let patch = bench.signed("iothubowner", Method::PATCH, "/twins/dev1").body(r#"{"tags":{"a":1}}"#);
    patch.send().await.unwrap();
    let delete = bench.signed("iothubowner", Method::DELETE, "/devices/dev1").header("If-Match", "*");
    delete.send().await.unwrap();
    let operations: Vec<_> = bench.events().iter().map(|event| event.data.properties["opType"].clone()).collect();
    assert_eq!(operations, ["createDeviceIdentity", "updateTwin", "deleteDeviceIdentity"]);
}

#[tokio::test]
async fn a_twin_change_tells_the_submitted_patch() {
    let bench = Bench::start_with(vec![Route::twin_changes()]).await;
    bench.hub.create_device("dev1").unwrap();
    let desired = json!({"interval": 60, "gone": null});
    bench.hub.patch_twin("dev1", json!({"tags": {"site": "roof"}, "properties": {"desired": desired}})).unwrap();
    bench.hub.patch_twin("dev1", json!({"properties": {"desired": {"interval": 60}}})).unwrap();
    bench.hub.patch_twin("dev1", json!({})).unwrap();
    let stamp = |version: u64| json!({"$lastUpdated": "…", "$lastUpdatedVersion": version});
    let metadata = |root: u64| json!({"$lastUpdated": "…", "$lastUpdatedVersion": root, "interval": stamp(2)});
    let first = json!({"interval": 60, "gone": null, "$metadata": metadata(2), "$version": 2});
    let second = json!({"interval": 60, "$metadata": metadata(3), "$version": 3});
    let expected = [
        twin_change("updateTwin", &json!({"version": 3, "tags": {"site": "roof"}, "properties": {"desired": first}})),
        twin_change("updateTwin", &json!({"version": 4, "properties": {"desired": second}})),
    ];
    assert_eq!(all_events(&bench), expected);
}

#[tokio::test]
async fn other_peoples_tags_are_not_routed() {
    let bench = Bench::start_with(vec![Route::twin_changes()]).await;
    bench.hub.create_device("dev1").unwrap();
    for tags in [json!({"site": "roof"}), json!({"lorawan": null}), json!({"lorawan": {"devEui": "70B3D57ED0000001"}})]
    {
        bench.hub.patch_twin("dev1", json!({"tags": tags})).unwrap();
    }
    let body = json!({"version": 5, "tags": {"lorawan": {"devEui": "70B3D57ED0000001"}}});
    assert_eq!(all_events(&bench), [twin_change("updateTwin", &body)]);
}

#[tokio::test]
async fn a_replacement_tells_the_whole_twin() {
    let bench = Bench::start_with(vec![Route::twin_changes()]).await;
    bench.hub.create_device("dev1").unwrap();
    let put = bench.signed("service", Method::PUT, "/twins/dev1");
    put.body(json!({"properties": {"desired": {"a": 1}}}).to_string()).send().await.unwrap();
    let stamp = json!({"$lastUpdated": "…", "$lastUpdatedVersion": 2});
    let metadata = json!({"$lastUpdated": "…", "$lastUpdatedVersion": 2, "a": stamp});
    let reported = json!({"$metadata": {"$lastUpdated": "0001-01-01T00:00:00Z"}, "$version": 1});
    let body = json!({
        "deviceId": "dev1", "etag": "AAAAAAAAAAI=", "version": 3, "tags": {},
        "properties": {"desired": {"a": 1, "$metadata": metadata, "$version": 2}, "reported": reported},
    });
    assert_eq!(all_events(&bench), [twin_change("replaceTwin", &body)]);
}

#[tokio::test]
async fn reported_properties_are_echoed_only_to_a_route_that_wants_them() {
    let quiet = Bench::start_with(vec![Route::twin_changes()]).await;
    let everything = Route { condition: "true".to_owned(), ..Route::twin_changes() };
    let loud = Bench::start_with(vec![everything, Route::twin_changes()]).await;
    for bench in [&quiet, &loud] {
        bench.hub.create_device("dev1").unwrap();
        let twin = bench.hub.patch_reported("dev1", json!({"battery": 3.1})).unwrap();
        assert_eq!(twin["properties"]["reported"]["battery"], 3.1);
    }
    assert_eq!(all_events(&quiet), [json!(null); 0]);
    let metadata = json!({"$lastUpdated": "…", "battery": {"$lastUpdated": "…"}});
    let reported = json!({"battery": 3.1, "$metadata": metadata, "$version": 2});
    let body = json!({"version": 3, "properties": {"reported": reported}});
    assert_eq!(all_events(&loud), [twin_change("updateTwin", &body)]);
}

#[tokio::test]
async fn a_refused_change_tells_nothing() {
    let bench = Bench::start().await;
    assert!(bench.hub.create_device("not an id").is_err());
    assert!(bench.hub.delete_device("dev1").is_err());
    assert!(bench.hub.patch_twin("dev1", json!({"tags": {}})).is_err());
    assert!(bench.hub.patch_reported("dev1", json!({})).is_err());
    assert_eq!(bench.events(), []);
}
