//! Events that come again after a try that was cut short, somewhere at The Things Stack or in the twin.

use local::system::System;
use local::tts::{Effect, Fault, Server};
use serde_json::{Value, json};

use crate::sensor::{SLOW, asked, registered, with_sensor};
use crate::support::{
    LIMIT, all_events_handled, create_tagged, eventually, items, lorawan_status, lorawan_tags, nothing_is_parked,
    park_event, queued, system, tag,
};

async fn name(system: &System) -> Value {
    registered(system).await.at(Server::Identity).unwrap()["name"].clone()
}

/// A downlink, and a batch of two more, the first of which is refused for good, and of a change that goes on failing.
async fn batch_with_a_refused_downlink() -> System {
    let system = with_sensor().await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    let desire = |frame: &str| {
        let desired = json!({"rawDownlink": {"fPort": 15, "framePayload": frame}});
        system.iot_hub.patch_twin("sensor-1", json!({"properties": {"desired": desired}})).unwrap();
    };
    // While the first is under way, the others become one batch.
    system.tts.inject(Fault::once(Effect::Delay(SLOW)).with_path_end("/down/push"));
    desire("00");
    asked(&system, "POST", "/as/applications/plant-a/devices/sensor-1/down/push", 1).await;
    system.tts.inject(Fault::always(Effect::Unauthenticated).with_method("PUT"));
    system.tts.inject(Fault::once(Effect::RejectDevice("sensor-1".to_owned())).with_path_end("/down/push"));
    desire("01");
    desire("02");
    tag(&system, "sensor-1", &json!({"name": "Attic"}));
    system
}

fn frames(system: &System) -> Vec<Value> {
    let downlinks = system.tts.downlinks("plant-a", "sensor-1");
    downlinks.iter().map(|downlink| downlink["frm_payload"].clone()).collect()
}

#[tokio::test]
async fn a_downlink_refused_for_good_does_not_come_behind_a_newer_one_when_its_batch_is_repeated() {
    let system = batch_with_a_refused_downlink().await;
    all_events_handled(&system).await;
    assert_eq!(items(&system, "dead-letter").len(), 1);
    assert_eq!(frames(&system), ["AA==", "Ag=="]);
}

#[tokio::test]
async fn a_downlink_refused_for_good_does_not_come_behind_a_newer_one_after_a_kill_and_a_person_is_told() {
    let system = batch_with_a_refused_downlink().await;
    system.tts.wait_for_downlinks("plant-a", "sensor-1", 2, LIMIT).await.unwrap();
    system.host.kill_handler().await;
    system.tts.clear_faults();
    let item = queued(&system, "dead-letter", 1).await.remove(0);
    assert!(item["reason"].as_str().unwrap().contains("found a newer downlink in the device's queue"), "{item}");
    assert_eq!(frames(&system), ["AA==", "Ag=="]);
}

#[tokio::test]
async fn a_downlink_that_waits_does_not_have_its_device_written_again_and_again() {
    let system = system().await;
    let desired = json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}});
    let twin = json!({"tags": {"lorawan": lorawan_tags()}, "properties": {"desired": desired}});
    system.iot_hub.create_device_with_twin("sensor-1", twin).unwrap();
    asked(&system, "POST", "/as/applications/plant-a/devices/sensor-1/down/push", 3).await;
    let puts = system.tts.requests().iter().filter(|request| request.method == "PUT").count();
    assert_eq!(puts, 3, "at the other servers than the Identity Server, once");
}

#[tokio::test]
async fn a_downlink_waits_while_another_device_has_its_id() {
    let system = with_sensor().await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    let identity = registered(&system).await.at(Server::Identity).unwrap().clone();
    system.iot_hub.delete_device("sensor-1").unwrap();
    all_events_handled(&system).await;
    system.tts.put_device(Server::Identity, "plant-a", "sensor-1", &identity);
    let mut tags = lorawan_tags();
    tags["devEui"] = json!("70B3D57ED0000002");
    create_tagged(&system, "sensor-1", &tags);
    lorawan_status(&system, "sensor-1", "refused").await;
    let desired = json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}});
    system.iot_hub.patch_twin("sensor-1", json!({"properties": {"desired": desired}})).unwrap();
    let item = queued(&system, "parked", 1).await.remove(0);
    assert!(item["reason"].as_str().unwrap().contains("were refused"), "{item}");
}

#[tokio::test]
async fn a_change_cut_short_and_then_taken_back_leaves_nothing_behind() {
    let system = with_sensor().await;
    system.tts.inject(Fault::always(Effect::Internal).at(Server::Network));
    tag(&system, "sensor-1", &json!({"name": "Hall", "frequencyPlanId": "EU_863_870"}));
    asked(&system, "PUT", "/ns/applications/plant-a/devices/sensor-1", 2).await;
    assert_eq!(name(&system).await, "Hall");
    tag(&system, "sensor-1", &json!({"name": "Roof"}));
    system.tts.clear_faults();
    all_events_handled(&system).await;
    nothing_is_parked(&system).await;
    assert_eq!(name(&system).await, "Roof");
    lorawan_status(&system, "sensor-1", "registered").await;
}

#[tokio::test]
async fn a_late_change_that_was_cut_short_is_written_whatever_the_twin_remembers() {
    let system = with_sensor().await;
    let mut identity = registered(&system).await.at(Server::Identity).unwrap().clone();
    identity["name"] = json!("Hall");
    system.tts.put_device(Server::Identity, "plant-a", "sensor-1", &identity);
    park_event(&system, "updateTwin", json!({"tags": {"lorawan": true}, "version": 2})).await;
    nothing_is_parked(&system).await;
    assert_eq!(name(&system).await, "Roof");
}

#[tokio::test]
async fn the_outcome_is_in_the_twin_although_it_changed_in_between() {
    let system = system().await;
    system.tts.inject(Fault::once(Effect::Delay(SLOW)).at(Server::Application));
    create_tagged(&system, "sensor-1", &lorawan_tags());
    asked(&system, "PUT", "/as/applications/plant-a/devices/sensor-1", 1).await;
    system.iot_hub.patch_twin("sensor-1", json!({"properties": {"desired": {"interval": 60}}})).unwrap();
    lorawan_status(&system, "sensor-1", "registered").await;
}

#[tokio::test]
async fn a_downlink_that_has_to_wait_does_not_come_behind_a_newer_one_of_its_batch() {
    let system = with_sensor().await;
    let path = "/as/applications/plant-a/devices/sensor-1/down/push";
    let is_slow = || system.tts.inject(Fault::once(Effect::Delay(SLOW)).with_path_end("/down/push"));
    let desire = |frame: &str| {
        let desired = json!({"rawDownlink": {"fPort": 15, "framePayload": frame}});
        system.iot_hub.patch_twin("sensor-1", json!({"properties": {"desired": desired}})).unwrap();
    };
    is_slow();
    desire("00");
    asked(&system, "POST", path, 1).await;
    // While that is under way, these come to be one batch.
    is_slow();
    desire("01");
    desire("02");
    tag(&system, "sensor-1", &json!({"name": "Hall"}));
    asked(&system, "POST", path, 2).await;
    // The next downlink would be slow, too; then the batch fails as a whole. The device joins in between.
    is_slow();
    system.tts.inject(Fault::once(Effect::Internal).with_method("PUT"));
    let is_refused = |request: &&local::tts::Request| request.path.ends_with(path) && request.status == 400;
    let refused = || system.tts.requests().iter().filter(is_refused).count();
    assert!(eventually(|| (refused() == 2).then_some(())).await.is_some());
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    all_events_handled(&system).await;
    nothing_is_parked(&system).await;
    let queue = system.tts.downlinks("plant-a", "sensor-1");
    let last = queue.last().map(|downlink| downlink["frm_payload"].clone());
    assert_eq!(last, Some(json!("Ag==")), "{queue:?}");
}

#[tokio::test]
async fn what_the_tags_switch_off_or_mention_no_more_is_written_after_a_failure_too() {
    for is_not_class_c in [json!(false), json!(null)] {
        let system = system().await;
        let mut tags = lorawan_tags();
        tags["supportsClassC"] = json!(true);
        create_tagged(&system, "sensor-1", &tags);
        lorawan_status(&system, "sensor-1", "registered").await;
        tag(&system, "sensor-1", &json!({"supportsClassC": is_not_class_c, "frequencyPlanId": "MARS_1"}));
        lorawan_status(&system, "sensor-1", "refused").await;
        tag(&system, "sensor-1", &json!({"frequencyPlanId": "EU_863_870_TTN"}));
        lorawan_status(&system, "sensor-1", "registered").await;
        let device = registered(&system).await;
        let class_c = &device.at(Server::Network).unwrap()["supports_class_c"];
        assert!(!class_c.as_bool().unwrap_or_default(), "{is_not_class_c}");
    }
}
