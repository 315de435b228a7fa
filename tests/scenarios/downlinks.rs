//! Downlinks from desired properties.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use local::system::{Options, System};
use local::tts::{self, Effect, Fault, Server};
use serde_json::{Value, json};

use crate::support::{
    LIMIT, all_events_handled, create_tagged, items, lorawan_status, lorawan_tags, park_item, queued, start, system,
};

/// A system with a device that has joined.
async fn joined(options: Options) -> System {
    let system = start(options).await;
    create_tagged(&system, "sensor-1", &lorawan_tags());
    lorawan_status(&system, "sensor-1", "registered").await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    system
}

fn desire(system: &System, desired: &Value) {
    system.iot_hub.patch_twin("sensor-1", json!({"properties": {"desired": desired}})).expect("the hub takes it");
}

async fn downlinks(system: &System, count: usize) -> Vec<Value> {
    system.tts.wait_for_downlinks("plant-a", "sensor-1", count, LIMIT).await.expect("the downlinks are queued")
}

/// What is in the queue, without what The Things Stack adds.
fn frames(system: &System) -> Vec<Value> {
    let downlinks = system.tts.downlinks("plant-a", "sensor-1");
    downlinks.iter().map(|downlink| json!([downlink["f_port"], downlink["frm_payload"]])).collect()
}

fn version(system: &System) -> u64 {
    system.iot_hub.twin("sensor-1").unwrap()["properties"]["desired"]["$version"].as_u64().unwrap()
}

#[tokio::test]
async fn a_raw_downlink_is_queued_and_can_be_followed_by_its_version() {
    let system = joined(Options::default()).await;
    desire(
        &system,
        &json!({"rawDownlink": {"fPort": 15, "framePayload": "01fF", "confirmed": true, "priority": "HIGH"}}),
    );
    let downlink = downlinks(&system, 1).await.remove(0);
    assert_eq!((&downlink["f_port"], &downlink["frm_payload"]), (&json!(15), &json!("Af8=")));
    assert_eq!((&downlink["confirmed"], &downlink["priority"]), (&json!(true), &json!("HIGH")));
    let correlation_id = json!(format!("azure:desired:{}", version(&system)));
    assert!(downlink["correlation_ids"].as_array().unwrap().contains(&correlation_id), "{downlink}");
}

#[tokio::test]
async fn a_partial_raw_downlink_is_completed_from_the_twin() {
    let system = joined(Options::default()).await;
    desire(&system, &json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}}));
    downlinks(&system, 1).await;
    desire(&system, &json!({"rawDownlink": {"framePayload": "02"}}));
    downlinks(&system, 2).await;
    assert_eq!(frames(&system), [json!([15, "AQ=="]), json!([15, "Ag=="])]);
}

#[tokio::test]
async fn replace_leaves_nothing_else_in_the_queue() {
    let system = joined(Options::default()).await;
    desire(&system, &json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}}));
    desire(&system, &json!({"rawDownlink": {"fPort": 16, "framePayload": "02"}}));
    downlinks(&system, 2).await;
    desire(&system, &json!({"rawDownlink": {"fPort": 17, "framePayload": "03", "operation": "replace"}}));
    all_events_handled(&system).await;
    assert_eq!(frames(&system), [json!([17, "Aw=="])]);
}

#[tokio::test]
async fn a_payload_that_the_devices_formatter_refuses_is_dead_lettered_with_its_words_and_holds_nothing_up() {
    let system = joined(Options::default()).await;
    let mut application = system.tts.device("plant-a", "sensor-1").unwrap().application.unwrap();
    application["formatters"] = json!({
        "down_formatter": "FORMATTER_JAVASCRIPT", "down_formatter_parameter": "errors: unknown colour",
    });
    system.tts.put_device(Server::Application, "plant-a", "sensor-1", &application);
    desire(&system, &json!({"decodedPayload": {"led": "purple"}}));
    let item = queued(&system, "dead-letter", 1).await.remove(0);
    assert!(item["reason"].as_str().unwrap().contains("unknown colour"), "{item}");
    assert_eq!((&item["error"], system.tts.downlinks("plant-a", "sensor-1").len()), (&json!("refused"), 0));
    let pushes = system.tts.requests().iter().filter(|request| request.path.ends_with("/down/push")).count();
    assert_eq!(pushes, 1);
}

#[tokio::test]
async fn a_decoded_payload_is_encoded_by_the_devices_formatter() {
    let system = joined(Options::default()).await;
    let formatters = json!({"formatters": {"down_formatter": "FORMATTER_JAVASCRIPT"}});
    let mut application = system.tts.device("plant-a", "sensor-1").unwrap().at(Server::Application).unwrap().clone();
    application["formatters"] = formatters["formatters"].clone();
    system.tts.put_device(Server::Application, "plant-a", "sensor-1", &application);
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    desire(&system, &json!({"decodedPayload": {"led": "on"}}));
    let downlink = downlinks(&system, 1).await.remove(0);
    let frame = STANDARD.decode(downlink["frm_payload"].as_str().unwrap()).unwrap();
    assert_eq!((frame.as_slice(), &downlink["f_port"]), (br#"{"led":"on"}"#.as_slice(), &json!(15)));
}

#[tokio::test]
async fn class_b_and_c_fields_reach_the_things_stack() {
    let system = joined(Options::default()).await;
    let class_b_c = json!({"absoluteTime": "2096-11-21T12:00:00+01:00", "gateways": [{"gatewayId": "gw-1"}]});
    desire(&system, &json!({"rawDownlink": {"fPort": 15, "framePayload": "01", "classBC": class_b_c}}));
    let downlink = downlinks(&system, 1).await.remove(0);
    assert_eq!(downlink["class_b_c"]["absolute_time"], "2096-11-21T11:00:00Z");
    assert_eq!(downlink["class_b_c"]["gateways"][0]["gateway_ids"]["gateway_id"], "gw-1");
}

#[tokio::test]
async fn what_asks_for_nothing_or_was_sent_before_is_not_sent() {
    let system = joined(Options::default()).await;
    desire(&system, &json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}}));
    downlinks(&system, 1).await;
    desire(&system, &json!({"interval": 60}));
    desire(&system, &json!({"rawDownlink": null, "decodedPayload": null}));
    desire(&system, &json!({"rawDownlink": {"fPort": 15, "framePayload": "02"}}));
    downlinks(&system, 2).await;
    // The portal writes the whole twin, unchanged properties included.
    let whole = system.iot_hub.twin("sensor-1").unwrap()["properties"]["desired"].clone();
    desire(&system, &json!({"rawDownlink": whole["rawDownlink"], "interval": 30}));
    all_events_handled(&system).await;
    assert_eq!(frames(&system).len(), 2);
}

#[tokio::test]
async fn a_downlink_for_a_device_that_has_not_joined_waits_without_holding_others_up() {
    let system = system().await;
    create_tagged(&system, "sensor-1", &lorawan_tags());
    lorawan_status(&system, "sensor-1", "registered").await;
    desire(&system, &json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}}));
    let item = queued(&system, "parked", 1).await.remove(0);
    assert!(item["error"] == "not_yet" && item["reason"].as_str().unwrap().contains("no_device_session"), "{item}");
    all_events_handled(&system).await;
    let failed =
        system.host.invocations().iter().filter(|call| call.function == "hub_events" && !call.succeeded).count();
    assert_eq!(failed, 0, "the batch does not wait");
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    downlinks(&system, 1).await;
    assert_eq!(frames(&system), [json!([15, "AQ=="])]);
}

#[tokio::test]
async fn a_full_queue_is_no_rate_limit_and_the_downlink_waits() {
    let options =
        Options { tts: tts::Options { downlink_queue_capacity: 1, ..tts::Options::default() }, ..Options::default() };
    let system = joined(options).await;
    desire(&system, &json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}}));
    downlinks(&system, 1).await;
    desire(&system, &json!({"rawDownlink": {"fPort": 16, "framePayload": "02"}}));
    let item = queued(&system, "parked", 1).await.remove(0);
    assert!(item["reason"].as_str().unwrap().contains("downlink_queue_capacity"), "{item}");
    assert!(system.tts.take_downlink("plant-a", "sensor-1").is_some());
    downlinks(&system, 1).await;
    assert_eq!(frames(&system), [json!([16, "Ag=="])]);
}

#[tokio::test]
async fn a_push_whose_answer_was_lost_is_not_made_twice() {
    let system = joined(Options::default()).await;
    system.tts.inject(Fault::once(Effect::ResetAfterAccepting).at(Server::Application).with_method("POST"));
    desire(&system, &json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}}));
    downlinks(&system, 1).await;
    all_events_handled(&system).await;
    assert_eq!(frames(&system), [json!([15, "AQ=="])]);
    let looked = system.tts.requests().iter().any(|request| request.method == "GET" && request.path.ends_with("/down"));
    assert!(looked, "the queue is looked at before the push is repeated");
}

#[tokio::test]
async fn wrong_downlinks_are_dead_lettered_with_what_was_found() {
    let system = joined(Options::default()).await;
    let raw = |members: Value| json!({"rawDownlink": members});
    let cases = [
        (raw(json!({"fPort": 0, "framePayload": "01"})), "fPort: found 0"),
        (raw(json!({"fPort": 224, "framePayload": "01"})), "fPort: found 224"),
        (raw(json!({"fPort": 300, "framePayload": "01"})), "fPort: found 300"),
        (raw(json!({"fPort": 15, "framePayload": "012"})), "expected 1 to 255 bytes in hex"),
        (raw(json!({"fPort": 15, "framePayload": "hello"})), "expected 1 to 255 bytes in hex"),
        (raw(json!({"fPort": 15, "framePayload": "00".repeat(300)})), "expected 1 to 255 bytes in hex"),
        (raw(json!({"fPort": 15, "framePayload": "01", "operation": "append"})), "expected push or replace"),
        (
            json!({"rawDownlink": {"fPort": 15, "framePayload": "03"}, "decodedPayload": {"led": 1}}),
            "expected one of them",
        ),
    ];
    for (desired, _) in &cases {
        desire(&system, desired);
    }
    let items = queued(&system, "dead-letter", cases.len()).await;
    for ((desired, reason), item) in cases.iter().zip(items) {
        assert!(item["reason"].as_str().unwrap().contains(reason), "{desired}: {item}");
    }
    assert!(frames(&system).is_empty());
}

#[tokio::test]
async fn a_downlink_the_things_stack_refuses_is_dead_lettered_with_its_reason() {
    let system =
        joined(Options { tts: tts::Options { encoder_f_port: 0, ..tts::Options::default() }, ..Options::default() })
            .await;
    desire(&system, &json!({"decodedPayload": {"led": "on"}}));
    let item = queued(&system, "dead-letter", 1).await.remove(0);
    let reason = item["reason"].as_str().unwrap();
    assert!(reason.contains("no_f_port") && reason.contains("has to return an fPort"), "{reason}");
}

#[tokio::test]
async fn a_downlink_for_a_device_the_things_stack_does_not_have_is_dead_lettered() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    desire(&system, &json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}}));
    let item = queued(&system, "dead-letter", 1).await.remove(0);
    assert!(item["reason"].as_str().unwrap().contains("device_not_found"), "{item}");
    assert!(items(&system, "parked").is_empty());
}

#[tokio::test]
async fn a_parked_downlink_that_a_newer_one_has_overtaken_is_left_out() {
    let system = joined(Options::default()).await;
    desire(&system, &json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}}));
    desire(&system, &json!({"rawDownlink": {"fPort": 15, "framePayload": "02"}}));
    downlinks(&system, 2).await;
    let events = system.event_hub.events();
    let first = events.iter().find(|event| event.data.properties["opType"] == "updateTwin").unwrap();
    let body: Value = serde_json::from_slice(&first.data.body).unwrap();
    let item = json!({
        "kind": "hub_event", "reason": "because", "error": "not_yet", "first_seen": "2026-11-21T10:00:00Z", "attempts": 1,
        "device_id": "sensor-1", "original": {"properties": first.data.properties, "body": body},
    });
    park_item(&system, &item).await;
    system.host.wait_for_log(|line| line.contains("newer changes have overtaken it"), LIMIT).await.unwrap();
    assert_eq!(frames(&system), [json!([15, "AQ=="]), json!([15, "Ag=="])]);
}
