//! Reported properties that show a device's newest state, over connections that are not held.

use std::time::Duration;

use local::event_hub::EventHub;
use local::iot_hub::{Effect, Fault, IotHub, Operation};
use local::system::{Options, System};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::{
    LIMIT, create_tagged, device, eventually, items, lorawan_status, lorawan_tags, messages, park_item, queued, send,
    start,
};

/// A system that updates twins, with settings on top.
async fn system_with(settings: &[(&str, &str)]) -> System {
    let mut options = Options::default();
    options.settings.insert("WEBHOOK_TWIN_TYPES".to_owned(), "all".to_owned());
    options.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    start(options).await
}

/// Messages are fresh for as long as connections are kept; some tests need them older than that is by default.
const LONG_FRESH: [(&str, &str); 1] = [("IOT_HUB_CONNECTION_IDLE_SECONDS", "30")];

/// Two instances with the same devices; the second is `further[0]`.
async fn two_instances(settings: &[(&str, &str)]) -> System {
    let mut options = Options { further_hosts: 1, ..Options::default() };
    options.settings.insert("WEBHOOK_TWIN_TYPES".to_owned(), "all".to_owned());
    options.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    start(options).await
}

async fn system() -> System {
    system_with(&[]).await
}

async fn reported(system: &System, is_wanted: impl Fn(&Value) -> bool) -> Value {
    system.iot_hub.wait_for_reported("sensor-1", LIMIT, is_wanted).await.expect("the twin is updated")
}

fn now(system: &System) -> Value {
    system.iot_hub.twin("sensor-1").unwrap()["properties"]["reported"].clone()
}

/// An uplink with this decoded payload, received so many seconds ago.
fn uplink(f_cnt: u32, decoded: &Value, age: i64) -> Value {
    let mut uplink = device("sensor-1").uplink(2, f_cnt, &[1]);
    uplink["uplink_message"]["decoded_payload"] = decoded.clone();
    uplink["received_at"] = json!(ago(age));
    uplink
}

#[expect(clippy::disallowed_methods, reason = "a message is received now")]
fn ago(seconds: i64) -> String {
    (OffsetDateTime::now_utc() - time::Duration::seconds(seconds)).format(&Rfc3339).unwrap()
}

#[tokio::test]
async fn an_uplink_shows_in_the_twin_of_a_device_that_it_creates() {
    let system = system().await;
    let told = send(&system, &uplink(17, &json!({"temperature": 21.5, "door": {"open": false}}), 0)).await;
    assert_eq!(told.status, 200, "{told:?}");
    let twin = reported(&system, |twin| twin["lastSeenAt"].is_string()).await;
    assert_eq!(twin["decodedPayload"], json!({"temperature": 21.5, "door": {"open": false}}));
    assert_eq!((&twin["lorawan"]["fCntUp"], &twin["lorawan"]["dataRate"]), (&json!(17), &json!("SF7BW125")));
    assert!(twin["lorawan"]["rssi"].is_number() && twin["lorawan"]["gateways"] == 1, "{twin}");
    assert_eq!(messages(&system, 1).await.len(), 1, "beside the telemetry, not instead of it");
}

#[tokio::test]
async fn joins_locations_and_service_data_show_in_the_twin() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    let device = device("sensor-1");
    for message in [device.message("join_accept"), device.message("location_solved"), device.message("service_data")] {
        let told = send(&system, &message).await;
        assert_eq!(told.status, 200, "{told:?}");
    }
    let twin = now(&system);
    assert!(twin["joinedAt"].is_string() && twin["location"]["latitude"].is_number(), "{twin}");
    assert!(twin["serviceData"]["service"].is_string(), "{twin}");
}

#[tokio::test]
async fn a_location_takes_the_place_of_the_former_one() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    for location in [json!({"latitude": 1, "longitude": 2, "altitude": 12}), json!({"latitude": 3, "longitude": 4})] {
        let mut message = device("sensor-1").message("location_solved");
        message["received_at"] = json!(ago(0));
        message["location_solved"]["location"] = location.clone();
        assert_eq!(send(&system, &message).await.status, 200);
        assert_eq!(now(&system)["location"], location, "with the former altitude it would be a place nobody was at");
    }
}

#[tokio::test]
async fn connections_are_made_on_demand_reused_in_a_burst_and_not_held() {
    let system = system_with(&[("IOT_HUB_CONNECTION_IDLE_SECONDS", "1")]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    for f_cnt in 1..=20 {
        assert_eq!(send(&system, &uplink(f_cnt, &json!({"t": f_cnt}), 0)).await.status, 200);
    }
    assert_eq!(now(&system)["decodedPayload"]["t"], 20);
    assert_eq!(system.iot_hub.mqtt_calls(Operation::MqttConnect), 1, "one connection for all of them");
    assert_eq!(system.iot_hub.mqtt_calls(Operation::MqttTwinGet), 0, "a fresh message does not read the twin");
    let is_closed = || system.iot_hub.mqtt_connected().is_empty().then_some(());
    assert!(eventually(is_closed).await.is_some(), "an idle connection is closed");
}

#[tokio::test]
async fn what_a_decoder_makes_up_becomes_legal_and_is_listed() {
    let system = system().await;
    let deep = (0..12).fold(json!(1), |inner, _| json!({"a": inner}));
    let decoded = json!({
        "Temperature °C": 21.5, "gps.lat": 52.1, "$version": 7, "deep": deep, "large": 1e300, "nan": "NaN",
        "list": [1, null, 3], "long": "x".repeat(2_000), ("k".repeat(2_048)): 1, "big": u64::MAX,
    });
    let told = send(&system, &uplink(1, &decoded, 0)).await;
    assert_eq!(told.status, 200, "{told:?}");
    let twin = reported(&system, |twin| twin["lastSeenAt"].is_string()).await;
    let payload = &twin["decodedPayload"];
    assert_eq!(
        (&payload["Temperature%20°C"], &payload["gps%2Elat"], &payload["%24version"]),
        (&json!(21.5), &json!(52.1), &json!(7))
    );
    assert_eq!(
        (&payload["large"], &payload["nan"], &payload["list"]),
        (&json!(1e300), &json!("NaN"), &json!([1, "null", 3]))
    );
    assert_eq!(payload["big"], u64::MAX.to_string());
    let listed = twin["lorawan"]["sanitized"].as_array().unwrap();
    assert!(listed.len() >= 7, "{listed:#?}");
    let too_large: serde_json::Map<_, _> = (0..40).map(|n| (format!("k{n}"), json!("y".repeat(1_000)))).collect();
    assert_eq!(send(&system, &uplink(2, &Value::Object(too_large), 0)).await.status, 200, "40 KB do not fit");
    let twin = reported(&system, |twin| twin["lorawan"]["fCntUp"] == 2).await;
    assert!(twin["lorawan"]["sanitized"].to_string().contains("left out"), "{twin}");
}

#[tokio::test]
async fn a_late_message_does_not_move_the_twin_backwards() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    assert_eq!(send(&system, &uplink(2, &json!({"t": 2}), 0)).await.status, 200);
    assert_eq!(send(&system, &uplink(1, &json!({"t": 1}), 120)).await.status, 200);
    assert_eq!(now(&system)["decodedPayload"]["t"], 2);
    assert_eq!(messages(&system, 2).await.len(), 2, "as telemetry it arrives all the same");
    assert_eq!(system.iot_hub.mqtt_calls(Operation::MqttTwinGet), 1);
    assert_eq!(system.iot_hub.mqtt_calls(Operation::MqttTwinPatch), 1);
}

#[tokio::test]
async fn with_mqtt_blocked_telemetry_goes_on_and_the_newest_twin_update_follows() {
    let system = system_with(&[("WEBHOOK_ANSWER_WITHIN_SECONDS", "1")]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.stop_mqtt().await;
    for f_cnt in 1..=3 {
        let told = send(&system, &uplink(f_cnt, &json!({"t": f_cnt}), 0)).await;
        assert_eq!((told.status, &told.body["status"]), (202, &json!("parked")), "{told:?}");
    }
    assert_eq!(messages(&system, 3).await.len(), 3);
    let parked = queued(&system, "parked", 3).await;
    assert!(parked.iter().all(|item| item["kind"] == "reported"), "telemetry is not repeated: {parked:#?}");
    let health = system.host.invoke_raw("health", b"{}".to_vec()).await;
    let health = String::from_utf8(health.body).unwrap();
    assert!(health.contains("iot_hub_twins") && health.contains("MQTT"), "{health}");
    system.iot_hub.start_mqtt().await.unwrap();
    reported(&system, |twin| twin["decodedPayload"]["t"] == 3).await;
    let all_done = || items(&system, "parked").is_empty().then_some(());
    assert!(eventually(all_done).await.is_some());
    assert_eq!(now(&system)["decodedPayload"]["t"], 3, "newest wins, in whatever order the parked ones come");
    assert_eq!(messages(&system, 3).await.len(), 3);
}

#[tokio::test]
async fn somebody_elses_certificate_is_not_believed_and_telemetry_goes_on() {
    let stranger = IotHub::start(local::iot_hub::Options::new(EventHub::new("events", 1)).unwrap()).await.unwrap();
    let port = stranger.mqtt_port().to_string();
    let system = system_with(&[("IOT_HUB_MQTT_PORT", &port), ("WEBHOOK_ANSWER_WITHIN_SECONDS", "1")]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    let told = send(&system, &uplink(1, &json!({"t": 1}), 0)).await;
    assert_eq!(told.status, 202, "{told:?}");
    assert!(told.reason().contains("certificate"), "{told:?}");
    assert_eq!(messages(&system, 1).await.len(), 1);
    assert_eq!(stranger.mqtt_calls(Operation::MqttConnect), 0, "nobody else gets to see the token");
}

/// Parks an update of `sensor-1` that could not be made so many seconds ago.
async fn park(system: &System, age: i64) {
    let patch = json!({"lastSeenAt": ago(age), "decodedPayload": {"t": 1}});
    let item = json!({
        "kind": "reported", "reason": "because", "error": "unavailable", "first_seen": ago(age), "attempts": 1,
        "device_id": "sensor-1", "original": {"patch": patch},
    });
    park_item(system, &item).await;
}

#[tokio::test]
async fn a_device_deleted_between_telemetry_and_twin_update_leaves_a_dead_letter() {
    let system = system().await;
    park(&system, 26 * 60 * 60).await;
    let item = queued(&system, "dead-letter", 1).await.remove(0);
    assert!(item["reason"].as_str().unwrap().contains("device sensor-1 does not exist"), "{item}");
}

#[tokio::test]
async fn the_twin_update_of_a_device_whose_first_message_is_parked_too_waits_for_it() {
    let system = system().await;
    park(&system, 24 * 60 * 60).await;
    system.host.wait_for_log(|line| line.contains("does not exist yet"), LIMIT).await.unwrap();
    system.iot_hub.create_device("sensor-1").unwrap();
    reported(&system, |twin| twin["decodedPayload"]["t"] == 1).await;
    assert!(items(&system, "dead-letter").is_empty());
}

#[tokio::test]
async fn being_disconnected_by_another_instance_costs_a_reconnection_and_no_update() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    assert_eq!(send(&system, &uplink(1, &json!({"t": 1}), 0)).await.status, 200);
    system.iot_hub.disconnect("sensor-1");
    assert_eq!(send(&system, &uplink(2, &json!({"t": 2}), 0)).await.status, 200);
    assert_eq!(now(&system)["decodedPayload"]["t"], 2);
    system.iot_hub.inject(Fault::new(Operation::MqttTwinPatch, Effect::ResetAfterAccepting).times(1));
    assert_eq!(send(&system, &uplink(3, &json!({"t": 3}), 0)).await.status, 200);
    assert_eq!(now(&system)["decodedPayload"]["t"], 3);
}

#[tokio::test]
async fn a_throttled_twin_parks_its_update_and_nothing_else() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::throttled(Operation::MqttTwinPatch));
    let told = send(&system, &uplink(1, &json!({"t": 1}), 0)).await;
    assert_eq!(told.status, 202, "{told:?}");
    assert_eq!(queued(&system, "parked", 1).await[0]["kind"], "reported");
    assert_eq!(messages(&system, 1).await.len(), 1);
}

#[tokio::test]
async fn a_message_refused_for_good_is_not_called_parked_because_its_twin_update_is() {
    let system = system_with(&[("AzureWebJobs.redeliver.Disabled", "true")]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::bad_request(Operation::DeviceSend));
    system.iot_hub.inject(Fault::throttled(Operation::MqttTwinPatch));
    let told = send(&system, &uplink(1, &json!({"t": 1}), 0)).await;
    assert_eq!((told.status, &told.body["status"]), (202, &json!("dead-lettered")), "{told:?}");
    assert_eq!(queued(&system, "dead-letter", 1).await[0]["kind"], "uplink");
    assert_eq!(queued(&system, "parked", 1).await[0]["kind"], "reported");
}

#[tokio::test]
async fn filters_choose_what_becomes_a_message_and_what_shows_in_the_twin() {
    let settings = [("WEBHOOK_MESSAGE_TYPES", "join_accept"), ("WEBHOOK_TWIN_TYPES", "uplink_message")];
    let system = system_with(&settings).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    assert_eq!(send(&system, &uplink(1, &json!({"t": 1}), 0)).await.body["status"], "delivered");
    assert_eq!(send(&system, &device("sensor-1").message("join_accept")).await.body["status"], "delivered");
    assert_eq!(send(&system, &device("sensor-1").message("location_solved")).await.body["status"], "ignored");
    let sent = messages(&system, 1).await;
    assert_eq!((sent.len(), sent[0].properties["type"].as_str()), (1, "join_accept"));
    let twin = now(&system);
    assert!(
        twin["decodedPayload"]["t"] == 1 && twin.get("joinedAt").is_none() && twin.get("location").is_none(),
        "{twin}"
    );
}

#[tokio::test]
async fn an_update_without_its_time_is_left_out_and_that_is_said() {
    let system = system_with(&[("WEBHOOK_MESSAGE_TYPES", "join_accept")]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    let mut masked = uplink(1, &json!({"t": 1}), 0);
    masked.as_object_mut().unwrap().remove("received_at");
    let told = send(&system, &masked).await;
    assert!(told.status == 200 && told.reason().contains("add `received_at` to the webhook's field mask"), "{told:?}");
    system.host.wait_for_log(|line| line.contains("found no readable received_at"), LIMIT).await.unwrap();
    assert_eq!(now(&system).get("lastSeenAt"), None);
}

#[tokio::test]
async fn decoded_payloads_merge_or_replace_as_the_settings_say() {
    for (rule, expected) in [("merge", json!({"a": 1, "b": 2})), ("replace", json!({"b": 2}))] {
        let system = system_with(&[("IOT_HUB_TWIN_DECODED_PAYLOAD", rule), ("IOT_HUB_TWIN_RADIO_STATE", "off")]).await;
        system.iot_hub.create_device("sensor-1").unwrap();
        assert_eq!(send(&system, &uplink(1, &json!({"a": 1}), 0)).await.status, 200);
        assert_eq!(send(&system, &uplink(2, &json!({"b": 2}), 0)).await.status, 200);
        let twin = now(&system);
        assert_eq!(twin["decodedPayload"], expected, "{rule}");
        assert_eq!(twin["lorawan"], json!({}), "the radio state is switched off");
    }
}

#[tokio::test]
async fn an_update_over_the_rate_leaves_the_connection_to_those_that_follow() {
    let settings = [("IOT_HUB_TWIN_UPDATES_PER_SECOND", "1"), ("IOT_HUB_CONNECTION_IDLE_SECONDS", "30")];
    let system = system_with(&settings).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    assert_eq!(send(&system, &uplink(1, &json!({"t": 1}), 0)).await.status, 200);
    let at_once = (2..=7).map(|f_cnt| {
        let (tts, webhook) = (system.tts.clone(), system.webhook.clone());
        tokio::spawn(async move { tts.send(&webhook, &uplink(f_cnt, &json!({"t": f_cnt}), 0)).await.delivered() })
    });
    for kept in at_once.collect::<Vec<_>>() {
        assert!(kept.await.unwrap());
    }
    queued(&system, "parked", 1).await;
    send(&system, &uplink(8, &json!({"t": 8}), 0)).await;
    assert_eq!(system.iot_hub.mqtt_calls(Operation::MqttConnect), 1);
}

#[tokio::test]
async fn updates_without_news_are_left_out_for_a_while_if_the_settings_say_so() {
    for idle in ["5", "0"] {
        let settings = [
            ("IOT_HUB_TWIN_UNCHANGED_SECONDS", "3600"),
            ("IOT_HUB_TWIN_RADIO_STATE", "off"),
            ("IOT_HUB_CONNECTION_IDLE_SECONDS", idle),
        ];
        let system = system_with(&settings).await;
        system.iot_hub.create_device("sensor-1").unwrap();
        for (f_cnt, temperature) in [(1, 21), (2, 21), (3, 21), (4, 22)] {
            assert_eq!(send(&system, &uplink(f_cnt, &json!({"t": temperature}), 0)).await.status, 200);
        }
        assert_eq!(now(&system)["decodedPayload"]["t"], 22);
        assert_eq!(system.iot_hub.mqtt_calls(Operation::MqttTwinPatch), 2);
        assert_eq!(messages(&system, 4).await.len(), 4, "telemetry is not thinned out");
    }
}

#[tokio::test]
async fn an_update_without_news_behind_one_that_failed_is_written() {
    let system = system_with(&[
        ("IOT_HUB_TWIN_UNCHANGED_SECONDS", "3600"),
        ("IOT_HUB_TWIN_RADIO_STATE", "off"),
        ("AzureWebJobs.redeliver.Disabled", "true"),
    ])
    .await;
    system.iot_hub.create_device("sensor-1").unwrap();
    assert_eq!(send(&system, &uplink(1, &json!({"t": 21}), 2)).await.status, 200);
    system.iot_hub.inject(Fault::throttled(Operation::MqttTwinPatch).times(1));
    assert_eq!(send(&system, &uplink(2, &json!({"t": 22}), 1)).await.status, 202);
    assert_eq!(send(&system, &uplink(3, &json!({"t": 21}), 0)).await.status, 200);
    let patches = system.iot_hub.mqtt_calls(Operation::MqttTwinPatch);
    assert_eq!(patches, 3, "or else the parked one would pass for the newest");
}

#[tokio::test]
async fn a_downlinks_fate_comes_back_to_the_twin_that_asked_for_it() {
    let system = system().await;
    create_tagged(&system, "sensor-1", &lorawan_tags());
    lorawan_status(&system, "sensor-1", "registered").await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    let desired = json!({"rawDownlink": {"fPort": 15, "framePayload": "01", "confirmed": true}});
    system.iot_hub.patch_twin("sensor-1", json!({"properties": {"desired": desired}})).unwrap();
    let downlink = system.tts.wait_for_downlinks("plant-a", "sensor-1", 1, LIMIT).await.unwrap().remove(0);
    let fate = |message_type: &str, age: i64| {
        json!({
            "end_device_ids": {"device_id": "sensor-1", "application_ids": {"application_id": "plant-a"}},
            "correlation_ids": downlink["correlation_ids"], "received_at": ago(age), (message_type): downlink,
        })
    };
    let version = system.iot_hub.twin("sensor-1").unwrap()["properties"]["desired"]["$version"].clone();
    // The acknowledgement overtakes the others.
    for (message_type, age, status) in
        [("downlink_queued", 9, "queued"), ("downlink_ack", 1, "ack"), ("downlink_sent", 5, "ack")]
    {
        assert_eq!(send(&system, &fate(message_type, age)).await.status, 200);
        let twin = now(&system);
        assert_eq!((&twin["downlink"]["status"], &twin["downlink"]["desiredVersion"]), (&json!(status), &version));
    }
    // Reported as scheduled, it is not scheduled again by an event that comes twice.
    let events = system.event_hub.events();
    let again = events.iter().rfind(|event| event.data.properties["opType"] == "updateTwin").unwrap();
    assert!(system.tts.take_downlink("plant-a", "sensor-1").is_some());
    system.event_hub.send(again.data.clone());
    crate::support::all_events_handled(&system).await;
    assert!(system.tts.downlinks("plant-a", "sensor-1").is_empty());
    // Somebody else's downlink is telemetry only.
    let mut foreign = fate("downlink_sent", 0);
    foreign["correlation_ids"] = json!(["as:downlink:01J0"]);
    foreign["downlink_sent"]["correlation_ids"] = json!(["as:downlink:01J0"]);
    assert_eq!(send(&system, &foreign).await.status, 200);
    assert_eq!(now(&system)["downlink"]["status"], "ack");
}

#[tokio::test]
async fn an_update_that_is_tried_again_gives_way_to_one_that_took_its_turn() {
    let system = system_with(&LONG_FRESH).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    // The connection is there when it matters.
    assert_eq!(send(&system, &uplink(1, &json!({"t": 1}), 9)).await.status, 200);
    system.iot_hub.inject(Fault::new(Operation::MqttTwinPatch, Effect::ResetBefore).times(1));
    let (older, newer) = (uplink(2, &json!({"t": 2}), 6), uplink(3, &json!({"t": 3}), 3));
    let (told, ()) = tokio::join!(send(&system, &older), async {
        eventually(|| (system.iot_hub.mqtt_calls(Operation::MqttTwinPatch) == 2).then_some(())).await.unwrap();
        assert_eq!(send(&system, &newer).await.status, 200);
    });
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!((&now(&system)["lorawan"]["fCntUp"], &now(&system)["decodedPayload"]["t"]), (&json!(3), &json!(3)));
}

#[tokio::test]
async fn a_fresh_message_that_comes_after_a_newer_one_gives_way_to_it() {
    let system = system_with(&LONG_FRESH).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    for (f_cnt, age) in [(1, 9), (3, 3), (2, 6)] {
        assert_eq!(send(&system, &uplink(f_cnt, &json!({"t": f_cnt}), age)).await.status, 200);
    }
    assert_eq!((&now(&system)["lorawan"]["fCntUp"], &now(&system)["decodedPayload"]["t"]), (&json!(3), &json!(3)));
    assert_eq!(system.iot_hub.mqtt_calls(Operation::MqttTwinGet), 1, "only the one that was overtaken reads");
}

#[tokio::test]
async fn an_instance_whose_connection_another_one_took_reads_before_it_writes() {
    let system = two_instances(&LONG_FRESH).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    let other = &system.further[0].1;
    for (webhook, f_cnt, age) in [(&system.webhook, 1, 9), (other, 3, 3), (&system.webhook, 2, 6)] {
        let delivery = system.tts.send(webhook, &uplink(f_cnt, &json!({"t": f_cnt}), age)).await;
        assert!(delivery.delivered(), "{delivery:?}");
    }
    assert_eq!((&now(&system)["lorawan"]["fCntUp"], &now(&system)["decodedPayload"]["t"]), (&json!(3), &json!(3)));
    assert_eq!(system.iot_hub.mqtt_calls(Operation::MqttTwinPatch), 2, "what is overtaken is not written");
}

#[tokio::test]
async fn what_an_instance_has_read_it_does_not_move_backwards() {
    let system = two_instances(&LONG_FRESH).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    let other = &system.further[0].1;
    // The second of the other instance's messages is fresh, and its connection was not taken since it read the twin.
    for (webhook, f_cnt, age) in [(&system.webhook, 3, 3), (other, 1, 60), (other, 2, 6)] {
        let delivery = system.tts.send(webhook, &uplink(f_cnt, &json!({"t": f_cnt}), age)).await;
        assert!(delivery.delivered(), "{delivery:?}");
    }
    assert_eq!((&now(&system)["lorawan"]["fCntUp"], &now(&system)["decodedPayload"]["t"]), (&json!(3), &json!(3)));
    assert_eq!(system.iot_hub.mqtt_calls(Operation::MqttTwinPatch), 1, "what is overtaken is not written");
}

#[tokio::test]
async fn something_older_from_an_instance_that_knows_of_no_other_is_put_right() {
    let system = two_instances(&[]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    for (webhook, f_cnt, age) in [(&system.webhook, 3, 1), (&system.further[0].1, 2, 2)] {
        let delivery = system.tts.send(webhook, &uplink(f_cnt, &json!({"t": f_cnt}), age)).await;
        assert!(delivery.delivered(), "{delivery:?}");
    }
    let calls = |operation| system.iot_hub.mqtt_calls(operation);
    assert_eq!((calls(Operation::MqttTwinPatch), calls(Operation::MqttTwinGet)), (2, 0), "neither knew of the other");
    reported(&system, |twin| twin["lorawan"]["fCntUp"] == 3 && twin["decodedPayload"]["t"] == 3).await;
    let is_quiet = || system.iot_hub.mqtt_connected().is_empty().then_some(());
    assert!(eventually(is_quiet).await.is_some(), "they do not go on for ever");
    assert_eq!(calls(Operation::MqttTwinPatch), 3, "what was right is not written again");
}

#[tokio::test]
async fn many_connections_at_once_resume_tls_sessions() {
    let system = system().await;
    let send_to_all = async || {
        let sending = (0..16).map(|number| {
            let uplink = device(&format!("sensor-{number}")).uplink(2, 1, &[1]);
            let (tts, webhook) = (system.tts.clone(), system.webhook.clone());
            tokio::spawn(async move { tts.send(&webhook, &uplink).await.delivered() })
        });
        for sent in sending.collect::<Vec<_>>() {
            assert!(sent.await.unwrap());
        }
    };
    for number in 0..16 {
        system.iot_hub.create_device(&format!("sensor-{number}")).unwrap();
    }
    send_to_all().await;
    let before = system.iot_hub.mqtt_connections();
    (0..16).for_each(|number| system.iot_hub.disconnect(&format!("sensor-{number}")));
    send_to_all().await;
    let after = system.iot_hub.mqtt_connections();
    let handshakes = after.handshakes - before.handshakes;
    assert!(handshakes >= 16, "{after:?}");
    assert_eq!(after.resumed - before.resumed, handshakes, "{after:?}");
}

#[tokio::test]
async fn two_instances_with_the_same_devices_lose_no_update() {
    let system = two_instances(&[]).await;
    for number in 0..5 {
        system.iot_hub.create_device(&format!("sensor-{number}")).unwrap();
    }
    for f_cnt in 1..=20 {
        for number in 0..5 {
            let webhook = if f_cnt % 2 == 0 { &system.webhook } else { &system.further[0].1 };
            let uplink = device(&format!("sensor-{number}")).uplink(2, f_cnt, &[1]);
            let delivery = system.tts.send(webhook, &uplink).await;
            assert!(delivery.delivered(), "{delivery:?}");
        }
    }
    for number in 0..5 {
        let is_newest = |twin: &Value| twin["lorawan"]["fCntUp"] == 20;
        system.iot_hub.wait_for_reported(&format!("sensor-{number}"), LIMIT, is_newest).await.unwrap();
    }
    assert_eq!(messages(&system, 100).await.len(), 100);
    assert!(system.iot_hub.mqtt_connections().open <= 5, "one connection for each device");
    tokio::time::timeout(Duration::from_secs(20), system.stop_hosts()).await.unwrap();
}
