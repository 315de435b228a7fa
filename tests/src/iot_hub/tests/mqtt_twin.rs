//! The twin over MQTT.

use std::time::Duration;

use serde_json::json;

use super::mqtt_client::{DESIRED, MqttClient, TWIN_RESPONSES, acknowledged, publish};
use super::*;
use crate::iot_hub::Operation;
use crate::iot_hub::mqtt::packet::Packet;

fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// A bench with `dev1`, which listens for answers.
async fn twin_bench() -> (Bench, MqttClient) {
    let bench = Bench::start_with(vec![Route {
        name: "all".to_owned(),
        source: Source::TwinChangeEvents,
        condition: "true".to_owned(),
    }]);
    let bench = bench.await;
    bench.hub.create_device("dev1").unwrap();
    let mut client = MqttClient::device(&bench, "dev1").await;
    assert_eq!(client.subscribe(TWIN_RESPONSES, 0).await, Some(0));
    (bench, client)
}

#[tokio::test]
async fn a_device_reads_its_twin_without_tags_and_metadata() {
    let (bench, mut client) = twin_bench().await;
    bench.hub.patch_twin("dev1", json!({"tags": {"a": 1}, "properties": {"desired": {"b": {"c": 2}}}})).unwrap();
    bench.hub.patch_reported("dev1", json!({"d": 3})).unwrap();
    let (topic, body) = client.get().await;
    assert_eq!(topic, "$iothub/twin/res/200/?$rid=g");
    assert_eq!(object(&body), json!({"desired": {"b": {"c": 2}, "$version": 2}, "reported": {"d": 3, "$version": 2}}));
}

#[tokio::test]
async fn a_device_writes_reported_properties_and_the_change_is_routed() {
    let (bench, mut client) = twin_bench().await;
    let answer = client.patch(r#"{"battery":3.5,"gone":null}"#).await;
    assert_eq!(answer, ("$iothub/twin/res/204/?$rid=p&$version=2".to_owned(), String::new()));
    assert_eq!(client.patch("{}").await.0, "$iothub/twin/res/204/?$rid=p&$version=3");
    let twin = bench.hub.twin("dev1").unwrap();
    assert_eq!(twin["properties"]["reported"]["battery"], 3.5);
    let events = bench.events();
    assert_eq!(events.len(), 2);
    let body: Value = serde_json::from_slice(&events[0].data.body).unwrap();
    assert_eq!((&body["version"], &body["properties"]["reported"]["$version"]), (&json!(3), &json!(2)));
    assert_eq!(events[0].data.properties["opType"], "updateTwin");
}

#[tokio::test]
async fn what_a_twin_may_not_hold_is_refused_in_the_topic_and_in_the_body() {
    let (bench, mut client) = twin_bench().await;
    let deep = (0..12).fold("1".to_owned(), |inner, _| format!("{{\"a\":{inner}}}"));
    let wide = json!({"a": "x".repeat(4000), "b": ["x".repeat(4000), "x".repeat(100)]}).to_string();
    let table = [
        ("not JSON", "{", 400_006),
        ("no object", "[1]", 400_004),
        ("a dot in a key", r#"{"gps.lat":1}"#, 400_004),
        ("a version", r#"{"$version":7}"#, 400_004),
        ("a null in an array", r#"{"a":[null]}"#, 400_004),
        ("too deep", &deep, 400_004),
        ("too large", &wide, 400_004),
    ];
    for (name, patch, code) in table {
        let (topic, body) = client.patch(patch).await;
        assert_eq!(topic, "$iothub/twin/res/400/?$rid=p", "{name}");
        assert_eq!(object(&body)["errorCode"], code, "{name}");
        assert!(object(&body)["message"].is_string() && object(&body)["trackingId"].is_string(), "{name}");
    }
    assert_eq!(bench.hub.twin("dev1").unwrap()["properties"]["reported"]["$version"], 1);
    assert!(bench.events().is_empty());
}

#[tokio::test]
async fn whoever_has_not_subscribed_to_answers_gets_none() {
    let bench = Bench::start().await;
    bench.hub.create_device("dev1").unwrap();
    let mut client = MqttClient::device(&bench, "dev1").await;
    client.send(Packet::Publish(publish("$iothub/twin/GET/?$rid=1", ""))).await;
    let patch = publish("$iothub/twin/PATCH/properties/reported/?$rid=2", r#"{"a":1}"#);
    client.send(Packet::Publish(acknowledged(5, patch))).await;
    assert_eq!(client.receive().await, Some(Packet::PubAck(5)));
    assert!(client.is_quiet().await);
    assert_eq!(bench.hub.twin("dev1").unwrap()["properties"]["reported"]["a"], 1);
    let statuses: Vec<_> = bench.hub.mqtt_requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(0), None, None]);
}

#[tokio::test]
async fn answers_have_the_quality_of_the_subscription_and_numbers_of_their_own() {
    let (_bench, mut client) = twin_bench().await;
    assert_eq!(client.subscribe(TWIN_RESPONSES, 2).await, Some(1));
    for packet_id in [1, 2] {
        client.send(Packet::Publish(acknowledged(77, publish("$iothub/twin/GET/?$rid=1", "")))).await;
        assert_eq!(client.receive().await, Some(Packet::PubAck(77)));
        let Some(Packet::Publish(answer)) = client.receive().await else { panic!("no answer") };
        assert_eq!((answer.topic.as_str(), answer.packet_id), ("$iothub/twin/res/200/?$rid=1", packet_id));
        client.send(Packet::PubAck(packet_id)).await;
    }
}

#[tokio::test]
async fn a_device_that_listens_hears_what_changed_in_its_desired_properties() {
    let (bench, mut client) = twin_bench().await;
    let desired = |patch: Value| json!({"properties": {"desired": patch}});
    bench.hub.patch_twin("dev1", desired(json!({"a": 1, "b": {"c": 1, "d": 1}}))).unwrap();
    assert!(client.is_quiet().await);
    assert_eq!(client.subscribe(DESIRED, 1).await, Some(1));
    bench.hub.patch_twin("dev1", json!({"tags": {"x": 1}})).unwrap();
    assert!(client.is_quiet().await);
    bench.hub.patch_twin("dev1", desired(json!({"a": null, "e": [1]}))).unwrap();
    let (topic, body) = client.message().await;
    assert_eq!(topic, "$iothub/twin/PATCH/properties/desired/?$version=3");
    assert_eq!(object(&body), json!({"a": null, "e": [1], "$version": 3}));
    let replacement = desired(json!({"b": {"c": 2}, "f": true}));
    let put = bench.signed("service", Method::PUT, "/twins/dev1").body(replacement.to_string());
    assert_eq!(put.send().await.unwrap().status(), 200);
    let (topic, body) = client.message().await;
    assert_eq!(topic, "$iothub/twin/PATCH/properties/desired/?$version=4");
    assert_eq!(object(&body), json!({"b": {"c": 2, "d": null}, "e": null, "f": true, "$version": 4}));
    client.send(Packet::Unsubscribe { packet_id: 4, filters: vec![DESIRED.to_owned()] }).await;
    assert_eq!(client.receive().await, Some(Packet::UnsubAck(4)));
    bench.hub.patch_twin("dev1", desired(json!({"g": 1}))).unwrap();
    assert!(client.is_quiet().await);
}

#[tokio::test]
async fn waiting_ends_when_the_device_reported_what_is_wanted_or_the_time_is_over() {
    let (bench, mut client) = twin_bench().await;
    let waiting = bench.hub.wait_for_reported("dev1", Duration::from_secs(10), |reported| reported["a"] == 2);
    let writing = async {
        client.patch(r#"{"a":1}"#).await;
        client.patch(r#"{"a":2}"#).await
    };
    let (reported, _) = tokio::join!(waiting, writing);
    assert_eq!(reported.unwrap()["$version"], 3);
    let waiting = bench.hub.wait_for_reported("dev1", Duration::from_millis(1), |reported| reported["a"] == 3);
    assert!(waiting.await.unwrap_err().starts_with("after 1ms, dev1 reported {\"a\":2,"));
    assert_eq!(bench.hub.mqtt_calls(Operation::MqttTwinPatch), 2);
}
