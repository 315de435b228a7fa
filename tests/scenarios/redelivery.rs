//! A parked event is redelivered while its device changes again: in the end The Things Stack knows what the hub knows.

use std::time::Duration;

use local::system::System;
use local::tts::{Effect, Fault, SubmittedEvent};
use serde_json::{Value, json};

use crate::support::{LIMIT, eventually, package_system, park_event};

/// Longer than the stream needs to overtake a submission.
const OVERTAKEN: Duration = Duration::from_secs(1);

/// Waits until The Things Stack is being asked for the `count`th time.
async fn asked(system: &System, count: usize) {
    let are_there = eventually(|| (system.tts.requests().len() >= count).then_some(())).await;
    assert!(are_there.is_some(), "{} of {count} requests", system.tts.requests().len());
}

/// What the events from the `first`th on say, and whether they are the hub's.
async fn told(system: &System, first: usize, count: usize) -> Vec<(String, bool)> {
    let events = system.tts.wait_for_submitted(first + count, LIMIT).await.expect("the events arrive");
    let operation = |event: &SubmittedEvent| event.properties["opType"].as_str().map(str::to_owned).unwrap_or_default();
    let events = &events[first..];
    events.iter().map(|event| (operation(event), event.properties.contains_key("operationTimestamp"))).collect()
}

fn expected(events: &[(&str, bool)]) -> Vec<(String, bool)> {
    events.iter().map(|(operation, is_hubs)| ((*operation).to_owned(), *is_hubs)).collect()
}

fn tagged(site: &str) -> Value {
    json!({"tags": {"lorawan": {"devEui": "70B3D57ED0000001"}, "site": site}, "properties": {"desired": {"led": "on"}}})
}

#[tokio::test]
async fn a_late_change_does_not_bring_back_a_device_that_is_deleted_meanwhile() {
    let system = package_system().await;
    system.iot_hub.create_device_with_twin("sensor-1", tagged("roof")).unwrap();
    told(&system, 0, 1).await;
    system.tts.inject(Fault::once(Effect::Delay(OVERTAKEN)));
    park_event(&system, "updateTwin", json!({"version": 3, "tags": {"site": true}})).await;
    asked(&system, 2).await;
    system.iot_hub.delete_device("sensor-1").unwrap();
    let in_order = [("deleteDeviceIdentity", true), ("updateTwin", true), ("deleteDeviceIdentity", false)];
    assert_eq!(told(&system, 1, 3).await, expected(&in_order));
}

#[tokio::test]
async fn a_late_change_that_came_through_unanswered_does_not_bring_back_a_device_either() {
    let system = package_system().await;
    system.iot_hub.create_device_with_twin("sensor-1", tagged("roof")).unwrap();
    told(&system, 0, 1).await;
    system.tts.inject(Fault::once(Effect::Delay(OVERTAKEN)));
    system.tts.inject(Fault::once(Effect::ResetAfterAccepting));
    park_event(&system, "updateTwin", json!({"version": 3, "tags": {"site": true}})).await;
    asked(&system, 2).await;
    system.iot_hub.delete_device("sensor-1").unwrap();
    let in_order = [("deleteDeviceIdentity", true), ("updateTwin", true), ("deleteDeviceIdentity", false)];
    assert_eq!(told(&system, 1, 3).await, expected(&in_order));
}

#[tokio::test]
async fn tags_that_change_while_older_ones_are_under_way_are_told_again() {
    let system = package_system().await;
    system.iot_hub.create_device_with_twin("sensor-1", tagged("roof")).unwrap();
    told(&system, 0, 1).await;
    system.tts.inject(Fault::once(Effect::Delay(OVERTAKEN)));
    park_event(&system, "updateTwin", json!({"version": 3, "tags": {"site": true}})).await;
    asked(&system, 2).await;
    system.iot_hub.patch_twin("sensor-1", json!({"tags": {"site": "cellar", "lorawan": {"name": "x"}}})).unwrap();
    assert_eq!(
        told(&system, 1, 3).await,
        expected(&[("updateTwin", true), ("updateTwin", true), ("updateTwin", false)])
    );
    let sites: Vec<_> = system.tts.submitted()[1..].iter().map(|event| event.body["tags"]["site"].clone()).collect();
    assert_eq!(sites, ["cellar", "roof", "cellar"]);
}

#[tokio::test]
async fn a_device_created_anew_while_its_late_deletion_is_under_way_is_announced_again_without_a_second_downlink() {
    let system = package_system().await;
    system.tts.inject(Fault::once(Effect::Delay(OVERTAKEN)));
    park_event(&system, "deleteDeviceIdentity", json!({"deviceId": "sensor-1", "version": 3})).await;
    asked(&system, 1).await;
    system.iot_hub.create_device_with_twin("sensor-1", tagged("cellar")).unwrap();
    let in_order = [("createDeviceIdentity", true), ("deleteDeviceIdentity", true), ("updateTwin", false)];
    assert_eq!(told(&system, 0, 3).await, expected(&in_order));
    let announced = system.tts.submitted().remove(2).body;
    assert_eq!((&announced["tags"]["site"], announced.get("properties")), (&json!("cellar"), None));
}

#[tokio::test]
async fn a_parked_event_whose_device_stays_as_it_is_costs_one_request() {
    let system = package_system().await;
    system.iot_hub.create_device_with_twin("sensor-1", tagged("roof")).unwrap();
    told(&system, 0, 1).await;
    park_event(&system, "updateTwin", json!({"version": 3, "tags": {"site": true}})).await;
    assert_eq!(told(&system, 1, 1).await, expected(&[("updateTwin", true)]));
    system.host.wait_for_log(|line| line.contains("parked item redelivered"), LIMIT).await.unwrap();
    assert_eq!(system.tts.requests().len(), 2);
}
