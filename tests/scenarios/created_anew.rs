//! Devices deleted while something of them is under way, and others created under their ids.

use local::iot_hub::{self, Operation};
use local::system::System;
use local::tts::{Effect, Fault, Server};
use serde_json::{Value, json};

use crate::sensor::{SLOW, asked, registered, with_remains_of_sensor, with_sensor};
use crate::support::{
    LIMIT, all_events_handled, create_tagged, items, lorawan_status, lorawan_tags, nothing_is_parked, park_event,
    queued, system, tag,
};

/// The EUIs of `sensor-1`, as an item names them.
fn euis() -> Value {
    json!({"devEui": "70B3D57ED0000001", "joinEui": "70B3D57ED0FFFF00"})
}

#[tokio::test]
async fn a_device_created_anew_is_whole_although_its_old_deletion_was_cut_short() {
    let system = with_sensor().await;
    for server in [Server::Application, Server::Network] {
        assert!(system.tts.remove_device(server, "plant-a", "sensor-1"));
    }
    park_event(&system, "deleteDeviceIdentity", json!({"deviceId": "sensor-1"})).await;
    nothing_is_parked(&system).await;
    registered(&system).await;
}

#[tokio::test]
async fn a_device_created_anew_whose_change_waits_is_not_deleted_late() {
    let system = with_sensor().await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    system.iot_hub.patch_twin("sensor-1", json!({"tags": {"lorawanStatus": {"state": "waiting"}}})).unwrap();
    park_event(&system, "deleteDeviceIdentity", json!({"deviceId": "sensor-1"})).await;
    nothing_is_parked(&system).await;
    assert!(registered(&system).await.has_session, "it is still the device that has joined");
    lorawan_status(&system, "sensor-1", "registered").await;
}

#[tokio::test]
async fn a_device_created_anew_with_other_euis_and_the_old_status_does_not_keep_the_old_registration() {
    let system = with_sensor().await;
    let mut tags = system.iot_hub.twin("sensor-1").unwrap()["tags"].clone();
    tags["lorawan"]["devEui"] = json!("70B3D57ED00000FF");
    system.tts.inject(Fault::always(Effect::Unauthenticated));
    system.iot_hub.delete_device("sensor-1").unwrap();
    system.iot_hub.create_device_with_twin("sensor-1", json!({"tags": tags})).unwrap();
    all_events_handled(&system).await;
    system.host.queues().clear("parked").await.unwrap();
    system.tts.clear_faults();
    park_event(&system, "deleteDeviceIdentity", json!({"deviceId": "sensor-1"})).await;
    nothing_is_parked(&system).await;
    let ids = registered(&system).await.at(Server::Identity).unwrap()["ids"].clone();
    assert_eq!(ids["dev_eui"], "70B3D57ED00000FF", "{ids}");
    assert_eq!(items(&system, "dead-letter").len(), 0);
}

#[tokio::test]
async fn a_deletion_cut_short_is_finished_although_a_device_that_was_refused_has_come_and_gone_meanwhile() {
    let system = with_remains_of_sensor().await;
    let mut tags = lorawan_tags();
    tags["devEui"] = json!("70B3D57ED00000FF");
    create_tagged(&system, "sensor-1", &tags);
    lorawan_status(&system, "sensor-1", "refused").await;
    system.iot_hub.delete_device("sensor-1").unwrap();
    all_events_handled(&system).await;
    assert!(system.tts.device("plant-a", "sensor-1").is_some(), "it may be anybody's");
    park_event(&system, "deleteDeviceIdentity", json!({"deviceId": "sensor-1"})).await;
    system.tts.wait_for_no_device("plant-a", "sensor-1", LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_device_whose_registration_could_not_be_noted_is_deleted_although_its_tags_were_refused_afterwards() {
    let system = system().await;
    system.tts.inject(Fault::once(Effect::Delay(SLOW)).at(Server::Application));
    create_tagged(&system, "sensor-1", &lorawan_tags());
    asked(&system, "PUT", "/as/applications/plant-a/devices/sensor-1", 1).await;
    system.iot_hub.inject(iot_hub::Fault::server_error(Operation::Twin));
    registered(&system).await;
    tag(&system, "sensor-1", &json!({"appKey": "no key"}));
    system.iot_hub.clear_faults();
    lorawan_status(&system, "sensor-1", "refused").await;
    system.iot_hub.delete_device("sensor-1").unwrap();
    system.tts.wait_for_no_device("plant-a", "sensor-1", LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_late_registration_cut_short_after_the_deletion_leaves_nothing_behind() {
    let system = with_remains_of_sensor().await;
    park_event(&system, "updateTwin", json!({"tags": {"lorawan": euis()}, "version": 2})).await;
    system.tts.wait_for_no_device("plant-a", "sensor-1", LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_late_change_of_a_device_that_is_gone_leaves_one_alone_that_it_may_not_be_about() {
    let system = with_remains_of_sensor().await;
    let others = json!({"devEui": "70B3D57ED00000FF"});
    for lorawan in [json!(true), others] {
        park_event(&system, "updateTwin", json!({"tags": {"lorawan": lorawan}, "version": 2})).await;
        nothing_is_parked(&system).await;
    }
    assert!(system.tts.device("plant-a", "sensor-1").is_some());
}

#[tokio::test]
async fn a_parked_change_of_some_tags_names_its_device() {
    let system = with_sensor().await;
    system.tts.inject(Fault::always(Effect::Unavailable));
    tag(&system, "sensor-1", &json!({"name": "Cellar"}));
    let item = queued(&system, "parked", 1).await.remove(0);
    assert_eq!(item["original"]["body"]["tags"]["lorawan"], euis(), "{item}");
}

/// Somebody writes the identity of `sensor-1`, whose `deviceEtag` moves.
fn write_identity(system: &System) {
    for is_enabled in [false, true] {
        system.iot_hub.set_device_enabled("sensor-1", is_enabled).unwrap();
    }
}

#[tokio::test]
async fn a_device_whose_identity_was_written_and_whose_euis_were_changed_is_deleted_all_the_same() {
    let system = with_sensor().await;
    write_identity(&system);
    tag(&system, "sensor-1", &json!({"devEui": "70B3D57ED00000FF"}));
    lorawan_status(&system, "sensor-1", "refused").await;
    system.iot_hub.delete_device("sensor-1").unwrap();
    system.tts.wait_for_no_device("plant-a", "sensor-1", LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_device_created_anew_whose_identity_was_written_is_not_deleted_late() {
    let system = with_sensor().await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    write_identity(&system);
    park_event(&system, "deleteDeviceIdentity", json!({"deviceId": "sensor-1"})).await;
    nothing_is_parked(&system).await;
    assert!(registered(&system).await.has_session, "it is still the device that has joined");
}

#[tokio::test]
async fn downlinks_of_a_device_go_on_although_its_newest_tags_were_refused_and_its_identity_was_written() {
    let system = with_sensor().await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    tag(&system, "sensor-1", &json!({"name": "x".repeat(51)}));
    lorawan_status(&system, "sensor-1", "refused").await;
    write_identity(&system);
    let desired = json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}});
    system.iot_hub.patch_twin("sensor-1", json!({"properties": {"desired": desired}})).unwrap();
    system.tts.wait_for_downlinks("plant-a", "sensor-1", 1, LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_downlink_does_not_go_with_the_old_registration_of_a_device_created_anew() {
    let system = with_sensor().await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    // The old device's deletion and the new one's creation fail, and the downlink is the first that comes through.
    system.tts.inject(Fault::always(Effect::Unauthenticated));
    system.iot_hub.delete_device("sensor-1").unwrap();
    create_tagged(&system, "sensor-1", &lorawan_tags());
    all_events_handled(&system).await;
    system.host.queues().clear("parked").await.unwrap();
    system.tts.clear_faults();
    let desired = json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}});
    system.iot_hub.patch_twin("sensor-1", json!({"properties": {"desired": desired}})).unwrap();
    system.tts.wait_for_downlinks("plant-a", "sensor-1", 1, LIMIT).await.unwrap();
    park_event(&system, "deleteDeviceIdentity", json!({"deviceId": "sensor-1"})).await;
    nothing_is_parked(&system).await;
    assert_eq!(system.tts.downlinks("plant-a", "sensor-1").len(), 1);
}

#[tokio::test]
async fn a_downlink_for_a_device_that_was_deleted_does_not_go_to_the_one_created_anew() {
    let system = with_sensor().await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    // While a change fails, all the others become one batch.
    system.tts.inject(Fault::always(Effect::Unauthenticated));
    tag(&system, "sensor-1", &json!({"name": "Cellar"}));
    asked(&system, "PUT", "/applications/plant-a/devices/sensor-1", 1).await;
    let desired = |frame: &str| json!({"rawDownlink": {"fPort": 15, "framePayload": frame}});
    system.iot_hub.patch_twin("sensor-1", json!({"properties": {"desired": desired("01")}})).unwrap();
    system.iot_hub.delete_device("sensor-1").unwrap();
    let twin = json!({"tags": {"lorawan": lorawan_tags()}, "properties": {"desired": desired("02")}});
    system.iot_hub.create_device_with_twin("sensor-1", twin).unwrap();
    system.tts.clear_faults();
    all_events_handled(&system).await;
    registered(&system).await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    nothing_is_parked(&system).await;
    let requests = system.tts.requests();
    let pushed = requests.iter().filter(|request| request.path.ends_with("/down/push") && request.status == 200);
    assert_eq!(pushed.count(), 1);
}

#[tokio::test]
async fn a_device_is_deleted_although_the_next_one_of_its_id_was_refused_and_deleted_too() {
    let system = with_sensor().await;
    system.tts.inject(Fault::always(Effect::Unauthenticated));
    tag(&system, "sensor-1", &json!({"name": "Cellar"}));
    asked(&system, "PUT", "/applications/plant-a/devices/sensor-1", 1).await;
    system.iot_hub.delete_device("sensor-1").unwrap();
    let mut tags = lorawan_tags();
    tags["devEui"] = json!("70B3D57ED0999999");
    let twin = json!({"tags": {"lorawan": tags, "lorawanStatus": {"state": "refused"}}});
    system.iot_hub.create_device_with_twin("sensor-1", twin).unwrap();
    system.iot_hub.delete_device("sensor-1").unwrap();
    system.tts.clear_faults();
    system.tts.wait_for_no_device("plant-a", "sensor-1", LIMIT).await.unwrap();
}

/// Has `sensor-1` registered late while it is deleted and created anew; its deletion is carried out first.
async fn registered_late_while_it_is_created_anew(system: &System, anew: Value) {
    for server in Server::ALL {
        assert!(system.tts.remove_device(server, "plant-a", "sensor-1"));
    }
    system.tts.inject(Fault::once(Effect::Delay(SLOW)).at(Server::Join).with_method("PUT"));
    park_event(system, "updateTwin", json!({"tags": {"lorawan": true}, "version": 2})).await;
    asked(system, "PUT", "/js/applications/plant-a/devices/sensor-1", 2).await;
    system.iot_hub.delete_device("sensor-1").unwrap();
    all_events_handled(system).await;
    system.iot_hub.create_device_with_twin("sensor-1", anew).unwrap();
    all_events_handled(system).await;
}

#[tokio::test]
async fn a_registration_overtaken_by_a_deletion_leaves_nothing_behind_although_the_device_was_created_anew() {
    let system = with_sensor().await;
    registered_late_while_it_is_created_anew(&system, json!({"tags": {"site": "roof"}})).await;
    system.host.wait_for_log(|line| line.contains("parked item redelivered"), LIMIT).await.unwrap();
    assert_eq!(system.tts.device("plant-a", "sensor-1"), None);
    assert_eq!(system.iot_hub.twin("sensor-1").unwrap()["tags"], json!({"site": "roof"}));
}

#[tokio::test]
async fn a_registration_overtaken_by_a_deletion_does_not_keep_the_id_from_the_device_created_anew() {
    let system = with_sensor().await;
    let mut tags = lorawan_tags();
    tags["devEui"] = json!("70B3D57ED00000FF");
    registered_late_while_it_is_created_anew(&system, json!({"tags": {"lorawan": tags}})).await;
    nothing_is_parked(&system).await;
    lorawan_status(&system, "sensor-1", "registered").await;
    let ids = registered(&system).await.at(Server::Join).unwrap()["ids"].clone();
    assert_eq!(ids["dev_eui"], "70B3D57ED00000FF", "{ids}");
}

#[tokio::test]
async fn a_late_registration_cut_short_leaves_nothing_behind_although_the_device_was_created_anew() {
    let system = with_sensor().await;
    let identity = registered(&system).await.at(Server::Identity).unwrap().clone();
    system.iot_hub.delete_device("sensor-1").unwrap();
    system.iot_hub.create_device_with_twin("sensor-1", json!({"tags": {"site": "roof"}})).unwrap();
    all_events_handled(&system).await;
    system.tts.put_device(Server::Identity, "plant-a", "sensor-1", &identity);
    park_event(&system, "updateTwin", json!({"tags": {"lorawan": euis()}, "version": 7})).await;
    system.tts.wait_for_no_device("plant-a", "sensor-1", LIMIT).await.unwrap();
}
