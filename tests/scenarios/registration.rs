//! Devices of The Things Stack that follow the tags of IoT Hub's twins.

use local::system::{Options, System};
use local::tts::{self, Effect, Fault, RegisteredDevice, Server};
use serde_json::{Value, json};

use crate::support::{
    LIMIT, all_events_handled, create_tagged, device, eventually, items, lorawan_status, lorawan_tags, queued, send,
    start, system, system_with, tag,
};

async fn registered(system: &System, device_id: &str) -> RegisteredDevice {
    system.tts.wait_for_device("plant-a", device_id, LIMIT).await.expect("the device is registered")
}

/// Calls of The Things Stack's API so far, as `POST /applications/…`.
fn calls(system: &System) -> Vec<String> {
    let requests = system.tts.requests();
    requests
        .iter()
        .map(|request| format!("{} {}", request.method, request.path.trim_start_matches("/api/v3")))
        .collect()
}

#[tokio::test]
async fn tags_on_a_device_register_it_at_all_four_servers_and_say_so() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    let mut tags = lorawan_tags();
    tags["name"] = json!("Roof");
    tags["provisioned"] = json!(true);
    tags["versionIdentifiers"] = json!({
        "brandId": "acme", "modelId": "t1000", "hardwareVersion": "1.0", "firmwareVersion": "1.2", "bandId": "EU_863_870",
    });
    tag(&system, "sensor-1", &tags);
    let status = lorawan_status(&system, "sensor-1", "registered").await;
    assert_eq!(status["reason"], json!(null), "the vendor's mark is tolerated");
    let device = registered(&system, "sensor-1").await;
    let [identity, join, network, application] = [
        device.at(Server::Identity).unwrap(),
        device.at(Server::Join).unwrap(),
        device.at(Server::Network).unwrap(),
        device.at(Server::Application).unwrap(),
    ];
    assert_eq!((&identity["name"], &identity["network_server_address"]), (&json!("Roof"), &json!("127.0.0.1")));
    assert_eq!(identity["ids"]["dev_eui"], "70B3D57ED0000001");
    assert_eq!(join["root_keys"], json!({"app_key": {"key": "00112233445566778899AABBCCDDEE01"}}));
    assert_eq!(
        (&network["frequency_plan_id"], &network["lorawan_version"], &network["lorawan_phy_version"]),
        (&json!("EU_863_870_TTN"), &json!("MAC_V1_0_3"), &json!("PHY_V1_0_3_REV_A"))
    );
    assert_eq!(application["formatters"]["up_formatter"], "FORMATTER_REPOSITORY", "payload formatters load");
    assert_eq!(application["version_ids"]["model_id"], "t1000");
}

#[tokio::test]
async fn a_device_created_or_imported_with_tags_is_registered_with_lorawan_1_1_too() {
    let system = system().await;
    let mut tags = lorawan_tags();
    tags["lorawanVersion"] = json!("1.1");
    tags["regionalParametersVersion"] = json!("1.1-b");
    tags["nwkKey"] = json!("ffeeddccbbaa99887766554433221101");
    create_tagged(&system, "sensor-1", &tags);
    let device = registered(&system, "sensor-1").await;
    let keys = &device.at(Server::Join).unwrap()["root_keys"];
    assert_eq!(keys["nwk_key"]["key"], "FFEEDDCCBBAA99887766554433221101");
    assert_eq!(device.at(Server::Network).unwrap()["lorawan_version"], "MAC_V1_1");
}

/// Changes of a device's twin in order, and how many calls of The Things Stack's API each may cost.
fn changes() -> Vec<(&'static str, Value, usize)> {
    let desired = |desired: Value| json!({"properties": {"desired": desired}});
    let lorawan = |tags: Value| json!({"tags": {"lorawan": tags}});
    let downlink = || desired(json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}}));
    vec![
        ("a tag put on a device", json!({"tags": {"site": "roof"}}), 0),
        ("LoRaWAN tags put on it", lorawan(lorawan_tags()), 4),
        ("the same tags again", lorawan(lorawan_tags()), 0),
        ("another tag", json!({"tags": {"site": "hall"}}), 0),
        ("name changed", lorawan(json!({"name": "Roof"})), 1),
        ("frequency plan changed", lorawan(json!({"frequencyPlanId": "EU_863_870"})), 1),
        ("class changed", lorawan(json!({"supportsClassC": true})), 1),
        ("root key changed", lorawan(json!({"appKey": "00112233445566778899AABBCCDDEE02"})), 1),
        (
            "version identifiers added",
            lorawan(json!({"versionIdentifiers": {"brandId": "acme", "modelId": "t1000"}})),
            3,
        ),
        ("name removed", lorawan(json!({"name": null})), 1),
        ("wrong tags", lorawan(json!({"name": "x".repeat(51)})), 0),
        ("put right", lorawan(json!({"name": null})), 7),
        ("downlink", downlink(), 1),
        ("the same desired properties again", downlink(), 0),
        ("another desired property", desired(json!({"interval": 60})), 0),
    ]
}

/// Run with `--nocapture` to see what each kind of event costs.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "the table is for a person")]
async fn every_event_costs_no_more_calls_than_it_changes_servers() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    println!("{:<36} {:>5}", "event", "calls");
    for (event, patch, expected) in changes() {
        let before = calls(&system).len();
        if event == "downlink" {
            assert!(system.tts.start_session("plant-a", "sensor-1"));
        }
        system.iot_hub.patch_twin("sensor-1", patch).unwrap();
        all_events_handled(&system).await;
        let made = calls(&system).split_off(before);
        println!("{event:<36} {:>5}", made.len());
        assert_eq!(made.len(), expected, "{event}: {made:#?}");
    }
    let before = calls(&system).len();
    system.iot_hub.delete_device("sensor-1").unwrap();
    all_events_handled(&system).await;
    println!("{:<36} {:>5}", "device deleted", calls(&system).len() - before);
    assert_eq!(calls(&system).split_off(before).len(), 4);
}

#[tokio::test]
async fn a_later_change_writes_what_has_changed_and_nothing_else() {
    let system = system().await;
    create_tagged(&system, "sensor-1", &lorawan_tags());
    lorawan_status(&system, "sensor-1", "registered").await;
    // What an operator sets in the Console stays.
    let mut network = registered(&system, "sensor-1").await.at(Server::Network).unwrap().clone();
    network["mac_settings"] = json!({"rx1_delay": 5});
    system.tts.put_device(Server::Network, "plant-a", "sensor-1", &network);
    tag(&system, "sensor-1", &json!({"supportsClassC": true}));
    all_events_handled(&system).await;
    let device = registered(&system, "sensor-1").await;
    let network = device.at(Server::Network).unwrap();
    assert_eq!((&network["supports_class_c"], &network["mac_settings"]["rx1_delay"]), (&json!(true), &json!(5)));
}

#[tokio::test]
async fn our_own_writes_cause_no_further_events_and_no_loop() {
    for is_wide in [false, true] {
        let system = system().await;
        create_tagged(&system, "sensor-1", &lorawan_tags());
        lorawan_status(&system, "sensor-1", "registered").await;
        if is_wide {
            // A hub whose route lets all changes of tags through, as the vendor's does.
            let status = system.iot_hub.twin("sensor-1").unwrap()["tags"]["lorawanStatus"].clone();
            let own = json!({"version": 3, "tags": {"lorawanStatus": status}}).to_string();
            system.event_hub.send(crate::hub_events::event(
                "sensor-1",
                json!({"deviceId": "sensor-1", "opType": "updateTwin"}),
                own.as_bytes(),
            ));
        }
        all_events_handled(&system).await;
        let caused = system.event_hub.events().len();
        assert_eq!(caused, if is_wide { 2 } else { 1 }, "the creation, and the one sent here");
        assert_eq!(calls(&system).len(), 4);
    }
}

#[tokio::test]
async fn a_registration_cut_short_anywhere_is_rolled_forward() {
    for server in [Server::Identity, Server::Join, Server::Network, Server::Application] {
        for effect in [Effect::ResetAfterAccepting, Effect::Reset, Effect::Internal, Effect::RateLimited] {
            let system = system().await;
            system.tts.inject(Fault::once(effect.clone()).at(server));
            create_tagged(&system, "sensor-1", &lorawan_tags());
            registered(&system, "sensor-1").await;
            let status = lorawan_status(&system, "sensor-1", "registered").await;
            assert_eq!(status["reason"], json!(null), "{server:?} {effect:?}");
            assert!(items(&system, "dead-letter").is_empty(), "{server:?} {effect:?}");
        }
    }
}

#[tokio::test]
async fn a_handler_killed_in_the_middle_of_a_registration_finishes_it_after_its_restart() {
    let system = system().await;
    system.tts.inject(Fault::once(Effect::Delay(LIMIT)).at(Server::Network));
    create_tagged(&system, "sensor-1", &lorawan_tags());
    let is_half_done = || calls(&system).iter().any(|call| call.starts_with("PUT /ns/")).then_some(());
    assert!(eventually(is_half_done).await.is_some());
    system.host.kill_handler().await;
    registered(&system, "sensor-1").await;
    lorawan_status(&system, "sensor-1", "registered").await;
}

#[tokio::test]
async fn the_things_stack_restarting_between_the_steps_leaves_no_half_registered_device() {
    let system = system().await;
    system.tts.inject(Fault::once(Effect::Delay(LIMIT)).at(Server::Join));
    create_tagged(&system, "sensor-1", &lorawan_tags());
    let is_half_done = || calls(&system).iter().any(|call| call.starts_with("PUT /js/")).then_some(());
    assert!(eventually(is_half_done).await.is_some());
    system.tts.restart().await.unwrap();
    registered(&system, "sensor-1").await;
    lorawan_status(&system, "sensor-1", "registered").await;
}

#[tokio::test]
async fn a_device_that_the_console_has_created_with_the_same_euis_is_taken_over() {
    let system = system().await;
    let ids = json!({"device_id": "sensor-1", "dev_eui": "70B3D57ED0000001", "join_eui": "70B3D57ED0FFFF00"});
    system.tts.put_device(Server::Identity, "plant-a", "sensor-1", &json!({"ids": ids, "name": "By hand"}));
    create_tagged(&system, "sensor-1", &lorawan_tags());
    let device = registered(&system, "sensor-1").await;
    assert_eq!(device.at(Server::Identity).unwrap()["name"], "By hand", "what the tags do not mention stays");
}

#[tokio::test]
async fn a_formatter_chosen_in_the_console_stays_when_a_registration_is_made_again() {
    let system = system().await;
    let mut tags = lorawan_tags();
    tags["versionIdentifiers"] = json!({
        "brandId": "acme", "modelId": "t1000", "hardwareVersion": "1.0", "firmwareVersion": "1.2", "bandId": "EU_863_870",
    });
    create_tagged(&system, "sensor-1", &tags);
    lorawan_status(&system, "sensor-1", "registered").await;
    let mut application = registered(&system, "sensor-1").await.at(Server::Application).unwrap().clone();
    application["formatters"] = json!({"up_formatter": "FORMATTER_JAVASCRIPT", "up_formatter_parameter": "x"});
    system.tts.put_device(Server::Application, "plant-a", "sensor-1", &application);
    // Refused and put right again, everything is written anew.
    tag(&system, "sensor-1", &json!({"name": "x".repeat(51)}));
    lorawan_status(&system, "sensor-1", "refused").await;
    tag(&system, "sensor-1", &json!({"name": null, "versionIdentifiers": {"hardwareVersion": "1.0"}}));
    lorawan_status(&system, "sensor-1", "registered").await;
    let device = registered(&system, "sensor-1").await;
    assert_eq!(device.at(Server::Application).unwrap()["formatters"]["up_formatter"], "FORMATTER_JAVASCRIPT");
}

#[tokio::test]
async fn a_part_of_the_version_identifiers_can_be_changed() {
    let system = system().await;
    let mut tags = lorawan_tags();
    tags["versionIdentifiers"] = json!({"brandId": "acme", "modelId": "t1000", "firmwareVersion": "1.2"});
    create_tagged(&system, "sensor-1", &tags);
    lorawan_status(&system, "sensor-1", "registered").await;
    tag(&system, "sensor-1", &json!({"versionIdentifiers": {"firmwareVersion": "1.3"}}));
    all_events_handled(&system).await;
    let device = registered(&system, "sensor-1").await;
    let expected = json!({"brand_id": "acme", "model_id": "t1000", "firmware_version": "1.3"});
    assert_eq!(device.at(Server::Identity).unwrap()["version_ids"], expected);
}

#[tokio::test]
async fn a_device_created_anew_with_copied_tags_is_registered_all_the_same() {
    let system = system().await;
    create_tagged(&system, "sensor-1", &lorawan_tags());
    lorawan_status(&system, "sensor-1", "registered").await;
    let tags = system.iot_hub.twin("sensor-1").unwrap()["tags"].clone();
    for in_one_step in [true, false] {
        system.iot_hub.delete_device("sensor-1").unwrap();
        system.tts.wait_for_no_device("plant-a", "sensor-1", LIMIT).await.unwrap();
        all_events_handled(&system).await;
        if in_one_step {
            system.iot_hub.create_device_with_twin("sensor-1", json!({"tags": tags})).unwrap();
        } else {
            system.iot_hub.create_device("sensor-1").unwrap();
            system.iot_hub.patch_twin("sensor-1", json!({"tags": tags})).unwrap();
        }
        registered(&system, "sensor-1").await;
        all_events_handled(&system).await;
    }
}

#[tokio::test]
async fn a_device_deleted_in_the_console_is_registered_again_with_the_next_change() {
    let system = system().await;
    create_tagged(&system, "sensor-1", &lorawan_tags());
    lorawan_status(&system, "sensor-1", "registered").await;
    for server in [Server::Application, Server::Network, Server::Join, Server::Identity] {
        assert!(system.tts.remove_device(server, "plant-a", "sensor-1"));
    }
    tag(&system, "sensor-1", &json!({"name": "Roof"}));
    assert_eq!(registered(&system, "sensor-1").await.at(Server::Identity).unwrap()["name"], "Roof");
}

#[tokio::test]
async fn a_device_deleted_in_iot_hub_is_deleted_everywhere_even_if_some_servers_have_lost_it() {
    let system = system().await;
    create_tagged(&system, "sensor-1", &lorawan_tags());
    lorawan_status(&system, "sensor-1", "registered").await;
    assert!(system.tts.remove_device(Server::Network, "plant-a", "sensor-1"));
    let before = calls(&system).len();
    system.iot_hub.delete_device("sensor-1").unwrap();
    system.tts.wait_for_no_device("plant-a", "sensor-1", LIMIT).await.unwrap();
    let path = "applications/plant-a/devices/sensor-1";
    let order = ["as/", "ns/", "js/", ""].map(|server| format!("DELETE /{server}{path}"));
    assert_eq!(calls(&system).split_off(before), order, "the Identity Server comes last");
}

#[tokio::test]
async fn only_a_deletion_deletes_and_only_if_the_settings_say_so() {
    let system = system_with(&[("TTS_ON_DEVICE_DELETION", "keep")]).await;
    create_tagged(&system, "sensor-1", &lorawan_tags());
    registered(&system, "sensor-1").await;
    system.iot_hub.patch_twin("sensor-1", json!({"tags": {"lorawan": null}})).unwrap();
    system.iot_hub.set_device_enabled("sensor-1", false).unwrap();
    system.iot_hub.delete_device("sensor-1").unwrap();
    all_events_handled(&system).await;
    registered(&system, "sensor-1").await;
    assert!(!calls(&system).iter().any(|call| call.starts_with("DELETE")));
}

#[tokio::test]
async fn a_device_replaced_by_another_one_under_its_id_is_registered_with_its_own_euis() {
    let system = system().await;
    create_tagged(&system, "sensor-1", &lorawan_tags());
    lorawan_status(&system, "sensor-1", "registered").await;
    system.iot_hub.delete_device("sensor-1").unwrap();
    let mut tags = lorawan_tags();
    tags["devEui"] = json!("70B3D57ED0000002");
    create_tagged(&system, "sensor-1", &tags);
    lorawan_status(&system, "sensor-1", "registered").await;
    all_events_handled(&system).await;
    let device = registered(&system, "sensor-1").await;
    assert_eq!(device.at(Server::Identity).unwrap()["ids"]["dev_eui"], "70B3D57ED0000002");
    assert!(items(&system, "dead-letter").is_empty());
}

#[tokio::test]
async fn devices_wait_for_an_identity_server_that_is_down_while_downlinks_of_others_go_through() {
    let system = start(Options {
        tts: tts::Options { identity_server_port: Some(0), ..tts::Options::default() },
        ..Options::default()
    })
    .await;
    create_tagged(&system, "sensor-1", &lorawan_tags());
    lorawan_status(&system, "sensor-1", "registered").await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    system.tts.inject(Fault::always(Effect::Unavailable).at(Server::Identity));
    let mut tags = lorawan_tags();
    tags["devEui"] = json!("70B3D57ED0000002");
    create_tagged(&system, "sensor-2", &tags);
    let downlink = json!({"properties": {"desired": {"rawDownlink": {"fPort": 15, "framePayload": "01"}}}});
    system.iot_hub.patch_twin("sensor-1", downlink).unwrap();
    system.tts.wait_for_downlinks("plant-a", "sensor-1", 1, LIMIT).await.unwrap();
    assert_eq!(queued(&system, "parked", 1).await[0]["device_id"], "sensor-2");
    let status = lorawan_status(&system, "sensor-2", "waiting").await;
    assert!(status["reason"].as_str().unwrap().contains("Identity Server"), "{status}");
    system.tts.clear_faults();
    registered(&system, "sensor-2").await;
    lorawan_status(&system, "sensor-2", "registered").await;
}

#[tokio::test]
async fn an_api_key_without_rights_is_told_which_one_is_missing_and_nothing_is_lost() {
    let rights = ["RIGHT_APPLICATION_DEVICES_READ", "RIGHT_APPLICATION_DEVICES_WRITE"].map(str::to_owned).into();
    let system = start(Options { tts: tts::Options { rights, ..tts::Options::default() }, ..Options::default() }).await;
    create_tagged(&system, "sensor-1", &lorawan_tags());
    let item = queued(&system, "parked", 1).await.remove(0);
    let status = lorawan_status(&system, "sensor-1", "waiting").await;
    for reason in [&item["reason"], &status["reason"]] {
        let reason = reason.as_str().unwrap();
        assert!(reason.contains("give TTS_API_KEY RIGHT_APPLICATION_DEVICES_WRITE_KEYS"), "{reason}");
    }
}

#[tokio::test]
async fn the_rights_that_the_readme_names_are_enough() {
    let documents = [include_str!("../../README.md"), include_str!("../../handler/DEVICES.md")];
    let rights = ["DEVICES_READ", "DEVICES_WRITE", "DEVICES_WRITE_KEYS", "TRAFFIC_DOWN_WRITE", "TRAFFIC_READ"];
    let rights = rights.map(|right| format!("RIGHT_APPLICATION_{right}"));
    assert!(documents.iter().all(|text| rights.iter().all(|right| text.contains(&format!("`{right}`")))));
    let rights = rights.to_vec();
    let system = start(Options { tts: tts::Options { rights, ..tts::Options::default() }, ..Options::default() }).await;
    system.tts.inject(Fault::once(Effect::ResetAfterAccepting).at(Server::Identity).with_method("POST"));
    create_tagged(&system, "sensor-1", &lorawan_tags());
    lorawan_status(&system, "sensor-1", "registered").await;
    tag(&system, "sensor-1", &json!({"name": "Roof", "supportsClassC": true}));
    all_events_handled(&system).await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    system.tts.inject(Fault::once(Effect::ResetAfterAccepting).at(Server::Application).with_method("POST"));
    let downlink = json!({"properties": {"desired": {"rawDownlink": {"fPort": 15, "framePayload": "01"}}}});
    system.iot_hub.patch_twin("sensor-1", downlink).unwrap();
    system.tts.wait_for_downlinks("plant-a", "sensor-1", 1, LIMIT).await.unwrap();
    system.iot_hub.delete_device("sensor-1").unwrap();
    system.tts.wait_for_no_device("plant-a", "sensor-1", LIMIT).await.unwrap();
    assert!(system.tts.requests().iter().all(|request| request.status != 403), "{:#?}", calls(&system));
}

#[tokio::test]
async fn a_thousand_new_devices_go_through_a_rate_limit_without_hammering() {
    let limit = tts::RateLimit::per_second(400);
    let system = start(Options {
        tts: tts::Options { rate_limit: Some(limit), ..tts::Options::default() },
        ..Options::default()
    })
    .await;
    for number in 0..1_000 {
        let mut tags = lorawan_tags();
        tags["devEui"] = json!(format!("70B3D57ED1{number:06X}"));
        create_tagged(&system, &format!("sensor-{number}"), &tags);
    }
    for number in 0..1_000 {
        let device = system.tts.wait_for_device("plant-a", &format!("sensor-{number}"), 3 * LIMIT).await;
        device.expect("every device is registered");
    }
    all_events_handled(&system).await;
    let refused = system.tts.rate_limited();
    assert!(refused < 200, "{refused} of {} calls came too early", calls(&system).len());
    assert!(items(&system, "parked").is_empty() && items(&system, "dead-letter").is_empty());
}

#[tokio::test]
async fn devices_of_several_applications_share_a_hub_both_ways() {
    let system = start(Options {
        tts: tts::Options { further_applications: vec!["plant-b".to_owned()], ..tts::Options::default() },
        settings: [
            ("TTS_FURTHER_APPLICATION_IDS", "plant-b"),
            ("IOT_HUB_DEVICE_ID_TEMPLATE", "{application_id}.{device_id}"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into(),
        ..Options::default()
    })
    .await;
    create_tagged(&system, "plant-b.sensor-1", &lorawan_tags());
    system.tts.wait_for_device("plant-b", "sensor-1", LIMIT).await.unwrap();
    assert!(system.tts.device("plant-a", "sensor-1").is_none());
    let mut uplink = device("sensor-1").uplink(2, 17, &[1]);
    assert_eq!(send(&system, &uplink).await.status, 200);
    uplink["end_device_ids"]["application_ids"]["application_id"] = json!("plant-b");
    assert_eq!(send(&system, &uplink).await.status, 200);
    let messages = system.iot_hub.wait_for_messages(2, LIMIT).await.unwrap();
    let sent: Vec<_> = messages
        .iter()
        .map(|message| {
            (message.device_id.as_str(), &*message.properties["application-id"], &*message.properties["device-id"])
        })
        .collect();
    assert_eq!(sent, [("plant-a.sensor-1", "plant-a", "sensor-1"), ("plant-b.sensor-1", "plant-b", "sensor-1")]);
}

#[tokio::test]
async fn root_keys_enter_no_queue_no_log_and_no_status() {
    let system = system().await;
    system.tts.inject(Fault::always(Effect::Unavailable));
    create_tagged(&system, "sensor-1", &lorawan_tags());
    let mut wrong = lorawan_tags();
    wrong["appKey"] = json!("00112233445566778899AABBCCDDEE01FF");
    create_tagged(&system, "sensor-2", &wrong);
    let mut swapped = lorawan_tags();
    swapped["devEui"] = swapped["appKey"].clone();
    create_tagged(&system, "sensor-3", &swapped);
    queued(&system, "dead-letter", 2).await;
    queued(&system, "parked", 1).await;
    lorawan_status(&system, "sensor-1", "waiting").await;
    system.tts.clear_faults();
    lorawan_status(&system, "sensor-1", "registered").await;
    let logs = system.host.logs().into_iter().map(|line| line.text);
    let queues = ["parked", "dead-letter"].into_iter().flat_map(|name| system.host.output_messages(name));
    let statuses = ["sensor-1", "sensor-2", "sensor-3"]
        .map(|device_id| system.iot_hub.twin(device_id).unwrap()["tags"]["lorawanStatus"].to_string());
    for text in logs.chain(queues).chain(statuses) {
        let text = text.to_ascii_uppercase();
        assert!(!text.contains("00112233445566778899AABBCCDDEE01") && !text.contains("NNSXS."), "{text}");
    }
}
