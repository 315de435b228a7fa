//! Tags and ids that The Things Stack will never take, and who is told.

use local::system::System;
use local::tts::Server;
use serde_json::{Value, json};

use crate::support::{
    all_events_handled, create_tagged, items, lorawan_status, lorawan_tags, nothing_is_parked, park_event, park_item,
    queued, system, tag,
};

fn with(name: &str, value: Value) -> Value {
    let mut tags = lorawan_tags();
    tags[name] = value;
    tags
}

#[tokio::test]
async fn wrong_tags_are_explained_in_the_twin_and_dead_lettered_without_a_call() {
    let system = system().await;
    let cases = [
        (with("appKey", json!(null)), "tags.lorawan.appKey is missing"),
        (
            with("devEui", json!("70B3D57ED00000")),
            "tags.lorawan.devEui: found \"70B3D57ED00000\", expected 16 hex digits",
        ),
        (with("appKey", json!("0011")), "tags.lorawan.appKey: found another text, expected 32 hex digits"),
        (with("lorawanVersion", json!("1.1")), "tags.lorawan.nwkKey is missing"),
        (with("lorawanVersion", json!("2.0")), "expected a LoRaWAN version"),
        (with("joinEui", json!(1)), "tags.lorawan.joinEui: found a number, expected a text"),
    ];
    for (number, (tags, reason)) in cases.iter().enumerate() {
        let device_id = format!("sensor-{number}");
        create_tagged(&system, &device_id, tags);
        let status = lorawan_status(&system, &device_id, "refused").await;
        assert!(status["reason"].as_str().unwrap().contains(reason), "{status}");
    }
    let reasons: Vec<_> =
        queued(&system, "dead-letter", cases.len()).await.iter().map(|item| item["reason"].to_string()).collect();
    for (_, reason) in &cases {
        let reason = json!(reason).to_string();
        assert!(reasons.iter().any(|found| found.contains(reason.trim_matches('"'))), "{reason}: {reasons:#?}");
    }
    assert_eq!(system.tts.requests().len(), 0);
    tag(&system, "sensor-0", &json!({"appKey": "00112233445566778899aabbccddee01", "devEui": "70b3d57ed0000009"}));
    lorawan_status(&system, "sensor-0", "registered").await;
}

#[tokio::test]
async fn an_unknown_frequency_plan_is_refused_and_leaves_no_half_registered_device() {
    let system = system().await;
    create_tagged(&system, "sensor-1", &with("frequencyPlanId", json!("EU_433")));
    let status = lorawan_status(&system, "sensor-1", "refused").await;
    let reason = status["reason"].as_str().unwrap();
    assert!(reason.contains("Network Server: status 404 pkg/frequencyplans:not_found"), "{reason}");
    queued(&system, "dead-letter", 1).await;
    assert!(system.tts.device("plant-a", "sensor-1").is_none(), "what was begun is taken back");
}

#[tokio::test]
async fn euis_of_another_device_are_refused_with_its_owner() {
    let system = system().await;
    let ids = json!({"dev_eui": "70B3D57ED0000001", "join_eui": "70B3D57ED0FFFF00"});
    system.tts.put_device(Server::Identity, "plant-z", "pump-7", &json!({"ids": ids}));
    create_tagged(&system, "sensor-1", &lorawan_tags());
    let status = lorawan_status(&system, "sensor-1", "refused").await;
    let reason = status["reason"].as_str().unwrap();
    assert!(reason.contains("these EUIs belong to device pump-7 of application plant-z"), "{reason}");
    assert!(queued(&system, "dead-letter", 1).await[0]["reason"].as_str().unwrap().contains("pump-7"));
}

#[tokio::test]
async fn an_id_that_another_device_has_is_refused_with_both_euis() {
    let system = system().await;
    let ids = json!({"dev_eui": "70B3D57ED0000009", "join_eui": "70B3D57ED0FFFF00"});
    system.tts.put_device(Server::Identity, "plant-a", "sensor-1", &json!({"ids": ids}));
    create_tagged(&system, "sensor-1", &lorawan_tags());
    let status = lorawan_status(&system, "sensor-1", "refused").await;
    let reason = status["reason"].as_str().unwrap();
    assert!(reason.contains("70B3D57ED0000009") && reason.contains("expected 70B3D57ED0000001"), "{reason}");
}

/// A device that was refused because another has its id in The Things Stack, and then deleted.
async fn refused_and_deleted() -> System {
    let system = system().await;
    let ids = json!({"dev_eui": "70B3D57ED0000009", "join_eui": "70B3D57ED0FFFF00"});
    system.tts.put_device(Server::Identity, "plant-a", "sensor-1", &json!({"ids": ids}));
    create_tagged(&system, "sensor-1", &lorawan_tags());
    lorawan_status(&system, "sensor-1", "refused").await;
    queued(&system, "dead-letter", 1).await;
    system.iot_hub.delete_device("sensor-1").unwrap();
    all_events_handled(&system).await;
    system
}

#[tokio::test]
async fn deleting_a_refused_device_leaves_the_one_alone_that_has_its_id() {
    let system = refused_and_deleted().await;
    assert!(system.tts.device("plant-a", "sensor-1").is_some());
}

#[tokio::test]
async fn deleting_a_refused_device_late_leaves_the_one_alone_that_has_its_id() {
    let system = refused_and_deleted().await;
    let euis = json!({"devEui": "70B3D57ED0000001", "joinEui": "70B3D57ED0FFFF00"});
    for status in [json!(null), json!({"applied": false})] {
        park_event(&system, "deleteDeviceIdentity", json!({"tags": {"lorawan": euis, "lorawanStatus": status}})).await;
        nothing_is_parked(&system).await;
    }
    assert!(system.tts.device("plant-a", "sensor-1").is_some());
}

#[tokio::test]
async fn a_refused_registration_taken_out_of_the_dead_letters_after_its_deletion_leaves_the_one_alone_that_has_its_id()
{
    let system = refused_and_deleted().await;
    let item = items(&system, "dead-letter").remove(0);
    assert_eq!(item["original"]["body"]["tags"]["lorawan"]["devEui"], "70B3D57ED0000001", "{item}");
    park_item(&system, &item).await;
    nothing_is_parked(&system).await;
    assert!(system.tts.device("plant-a", "sensor-1").is_some());
}

#[tokio::test]
async fn changed_euis_are_refused_until_the_old_ones_are_back() {
    let system = system().await;
    create_tagged(&system, "sensor-1", &lorawan_tags());
    lorawan_status(&system, "sensor-1", "registered").await;
    let calls = system.tts.requests().len();
    tag(&system, "sensor-1", &json!({"devEui": "70B3D57ED0000002"}));
    let status = lorawan_status(&system, "sensor-1", "refused").await;
    assert!(status["reason"].as_str().unwrap().contains("delete the device in IoT Hub and create it anew"), "{status}");
    assert_eq!(system.tts.requests().len(), calls, "no call for it");
    tag(&system, "sensor-1", &json!({"devEui": "70B3D57ED0000001"}));
    lorawan_status(&system, "sensor-1", "registered").await;
}

#[tokio::test]
async fn device_ids_the_things_stack_does_not_take_are_refused_with_the_rule_if_they_are_lorawan_devices() {
    let system = system().await;
    let long = "a".repeat(37);
    for device_id in ["Sensor-1", "sensor_1", &long] {
        create_tagged(&system, device_id, &lorawan_tags());
    }
    // A device that has nothing to do with LoRaWAN may be called anything.
    system.iot_hub.create_device("Pump_1").unwrap();
    system.iot_hub.delete_device("Pump_1").unwrap();
    all_events_handled(&system).await;
    let refused = items(&system, "dead-letter");
    assert_eq!(refused.len(), 3);
    for item in refused {
        assert!(item["reason"].as_str().unwrap().contains("3 to 36 lower-case letters"), "{item}");
    }
    assert_eq!(system.tts.requests().len(), 0);
}
