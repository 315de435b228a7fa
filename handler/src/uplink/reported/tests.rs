//! Messages of The Things Stack against what they report.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const RULES: Rules = Rules { has_radio_state: true, replaces_decoded_payload: false };

const FRESH: Duration = Duration::from_secs(30);

const NOW: OffsetDateTime = time::macros::datetime!(2026-11-20 10:00:10 UTC);

fn reported(json: &str) -> Option<Reported> {
    reported_from(&Message::parse(json).unwrap(), RULES).unwrap()
}

macro_rules! fixtures_report {
    ($($message_type:ident)*) => {
        $(
            #[test]
            fn $message_type() {
                let fixture = include_str!(concat!("../../../../tests/fixtures/tts/", stringify!($message_type), ".json"));
                insta::assert_json_snapshot!(stringify!($message_type), reported(fixture).map(|reported| reported.patch));
            }
        )*
    };
}

fixtures_report! {
    uplink_message uplink_normalized join_accept downlink_ack downlink_nack downlink_sent downlink_failed downlink_queued
    downlink_queue_invalidated location_solved service_data
}

fn uplink(received_at: &str, decoded: &Value) -> Reported {
    let message = json!({"received_at": received_at, "uplink_message": {"f_port": 1, "decoded_payload": decoded}});
    reported(&message.to_string()).unwrap()
}

fn fate(message_type: &str, version: u64, received_at: &str) -> Reported {
    let id = format!("azure:desired:{version}");
    let message = json!({"received_at": received_at, "correlation_ids": [id], (message_type): {"f_cnt": 4}});
    reported(&message.to_string()).unwrap()
}

#[test]
fn what_a_twin_does_not_take_is_changed_and_listed() {
    let patch = uplink("2026-11-20T10:00:00Z", &json!({"Temperature °C": 21.5, "gps.lat": 52.1})).patch;
    assert_eq!(patch["decodedPayload"], json!({"Temperature%20°C": 21.5, "gps%2Elat": 52.1}));
    let listed = ["decodedPayload.Temperature%20°C: name changed", "decodedPayload.gps%2Elat: name changed"];
    assert_eq!(patch["lorawan"]["sanitized"], json!(listed));
    let patch = uplink("2026-11-20T10:00:00Z", &json!({"t": 1})).patch;
    assert_eq!(patch["lorawan"].get("sanitized"), Some(&Value::Null), "an earlier list goes away");
}

#[test]
fn only_downlinks_of_ours_are_reported() {
    let message = json!({"received_at": "2026-11-20T10:00:00Z", "correlation_ids": ["as:downlink:01J0", "mine:7"], "downlink_sent": {}});
    assert_eq!(reported(&message.to_string()), None);
    let failed = json!({
        "received_at": "2026-11-20T10:00:00Z",
        "downlink_failed": {
            "downlink": {"f_port": 1, "correlation_ids": ["azure:desired:7"]},
            "error": {"namespace": "pkg/networkserver", "name": "application_downlink_too_long", "message_format": "too long", "attributes": {"max": 242}},
        },
    });
    let expected = json!({"downlink": {
        "desiredVersion": 7, "status": "failed", "fCnt": null, "at": "2026-11-20T10:00:00Z",
        "error": {"name": "pkg/networkserver:application_downlink_too_long", "message": "too long", "attributes": {"max": 242}},
    }});
    assert_eq!(reported(&failed.to_string()).unwrap().patch, expected);
}

#[test]
fn what_would_update_the_twin_and_has_no_readable_time_is_told_from_what_would_not() {
    for (received_at, message_type, expected) in [
        (json!(null), "uplink_message", Err(NoTime)),
        (json!("lately"), "join_accept", Err(NoTime)),
        (json!(null), "downlink_sent", Err(NoTime)),
        (json!(null), "uplink_normalized", Ok(None)),
        (json!(null), "downlink_queue_invalidated", Ok(None)),
    ] {
        let ids = ["azure:desired:7"];
        let message =
            json!({"received_at": received_at, "correlation_ids": ids, (message_type): {"f_port": 1}}).to_string();
        assert_eq!(reported_from(&Message::parse(&message).unwrap(), RULES), expected, "{message}");
    }
}

#[test]
fn a_reception_of_which_nothing_is_known_leaves_the_other_radio_state() {
    let radio = |receptions: Value| {
        let uplink = json!({"f_port": 1, "rx_metadata": receptions, "last_battery_percentage": {"value": "NaN"}});
        let message = json!({"received_at": "2026-11-20T10:00:00Z", "uplink_message": uplink}).to_string();
        reported(&message).unwrap().patch["lorawan"].clone()
    };
    let heard =
        radio(json!([{"rssi": -100, "snr": "NaN"}, {"rssi": "-97.5", "snr": -3}, {"rssi": "-Infinity", "snr": null}]));
    assert_eq!((&heard["rssi"], &heard["snr"], &heard["gateways"]), (&json!(-97.5), &json!(-3.0), &json!(3)));
    let unknown = radio(json!([{"rssi": "NaN", "snr": "NaN"}]));
    assert_eq!((unknown.get("rssi"), unknown.get("snr"), &unknown["gateways"]), (None, None, &json!(1)));
    assert_eq!(unknown.get("batteryPercentage"), None);
}

#[test]
fn a_fresh_uplink_is_written_straight_away_and_others_look_first() {
    for (received_at, looks_first) in
        [("2026-11-20T10:00:00Z", false), ("2026-11-20T09:59:40Z", true), ("2026-11-20T10:00:20Z", false)]
    {
        assert_eq!(uplink(received_at, &json!({})).depends_on_the_present(NOW, FRESH), looks_first, "{received_at}");
    }
    assert!(fate("downlink_sent", 7, "2026-11-20T10:00:00Z").depends_on_the_present(NOW, FRESH));
    let replacing = Reported { replaces_decoded_payload: true, ..uplink("2026-11-20T10:00:00Z", &json!({})) };
    assert!(replacing.depends_on_the_present(NOW, FRESH));
}

#[test]
fn times_only_move_forwards() {
    let late = uplink("2026-11-20T10:00:00.5Z", &json!({"t": 1}));
    for (present, is_written) in [
        (json!({}), true),
        (json!({"lastSeenAt": "2026-11-20T10:00:00.4Z"}), true),
        (json!({"lastSeenAt": "2026-11-20T10:00:00.5Z"}), true),
        (json!({"lastSeenAt": "2026-11-20T10:00:00.6Z"}), false),
        (json!({"lastSeenAt": "lately", "joinedAt": "2027-01-01T00:00:00Z"}), true),
    ] {
        let present = json!({"reported": present});
        assert_eq!(late.beside(&present).is_some(), is_written, "{present}");
    }
}

#[test]
fn an_update_is_shown_by_a_twin_with_its_time_or_a_newer_one() {
    let own = uplink("2026-11-20T10:00:00.5Z", &json!({"t": 1}));
    for (present, is_shown) in [
        (json!({}), false),
        (json!({"lastSeenAt": "2026-11-20T10:00:00.4Z"}), false),
        (json!({"lastSeenAt": "2026-11-20T10:00:00.500Z"}), true),
        (json!({"lastSeenAt": "2026-11-20T10:00:00.6Z"}), true),
    ] {
        assert_eq!(own.is_shown_in(&json!({"reported": present})), is_shown, "{present}");
    }
    let fate = fate("downlink_sent", 7, "2026-11-20T10:00:05Z");
    let twin =
        |version: u64| json!({"reported": {"downlink": {"desiredVersion": version}}, "desired": {"$version": 9}});
    assert_eq!([6, 8].map(|version| fate.is_shown_in(&twin(version))), [false, true]);
}

#[test]
fn a_downlinks_fate_follows_versions_first_then_times_then_progress() {
    let own = fate("downlink_sent", 7, "2026-11-20T10:00:05Z");
    let present = |version: u64, status: &str, at: &str| json!({"downlink": {"desiredVersion": version, "status": status, "at": at}});
    for (present, is_written) in [
        (json!({}), true),
        (present(6, "failed", "2026-11-20T10:00:09Z"), true),
        (present(8, "queued", "2026-11-20T10:00:01Z"), false),
        (present(7, "queued", "2026-11-20T10:00:05Z"), true),
        (present(7, "ack", "2026-11-20T10:00:05Z"), false),
        (present(7, "sent", "2026-11-20T10:00:05Z"), false),
        (present(7, "nack", "2026-11-20T10:00:04Z"), true),
        (present(7, "ack", "2026-11-20T10:00:06Z"), false),
    ] {
        let present = json!({"reported": present, "desired": {"$version": 8}});
        assert_eq!(own.beside(&present).is_some(), is_written, "{present}");
    }
}

#[test]
fn a_replaced_payload_takes_away_what_it_does_not_have() {
    let decoded = json!({"led": {"on": true}, "t": 1});
    let replacing = Reported { replaces_decoded_payload: true, ..uplink("2026-11-20T10:00:00Z", &decoded) };
    let present =
        json!({"reported": {"decodedPayload": {"led": {"on": false, "dim": 3}, "old": {"x": 1}, "t": {"y": 2}}}});
    let expected = json!({"led": {"on": true, "dim": null}, "t": 1, "old": null});
    assert_eq!(replacing.beside(&present).unwrap()["decodedPayload"], expected);
}

#[test]
fn a_location_service_data_and_a_failure_take_the_place_of_the_former_ones() {
    let own = |message_type: &str, payload: Value| {
        let ids = ["azure:desired:7"];
        let at = "2026-11-20T10:00:00Z";
        reported(&json!({"received_at": at, "correlation_ids": ids, (message_type): payload}).to_string()).unwrap()
    };
    let failure = json!({"error": {"namespace": "ns", "name": "n", "attributes": {"max": 242}}});
    for (own, path, present, expected) in [
        (
            own("location_solved", json!({"location": {"latitude": 52.1, "source": "SOURCE_WIFI"}})),
            "/location",
            json!({"location": {"latitude": 1.5, "altitude": 12, "accuracy": 10}}),
            json!({"latitude": 52.1, "source": "SOURCE_WIFI", "altitude": null, "accuracy": null}),
        ),
        (
            own("service_data", json!({"service": "b", "data": {"x": 1}})),
            "/serviceData",
            json!({"serviceData": {"service": "a", "data": {"y": {"z": 1}}}}),
            json!({"service": "b", "data": {"x": 1, "y": null}}),
        ),
        (
            own("downlink_failed", failure),
            "/downlink/error/attributes",
            json!({"downlink": {"error": {"attributes": {"f_port": 3}}}}),
            json!({"max": 242, "f_port": null}),
        ),
    ] {
        assert!(own.depends_on_the_present(NOW, FRESH), "{path}");
        assert_eq!(own.beside(&json!({"reported": present})).unwrap().pointer(path), Some(&expected));
    }
}

#[test]
fn the_fate_of_a_downlink_of_a_device_that_is_gone_is_not_told_of_its_successor() {
    let twin = |there: u64| json!({"reported": {"downlink": {"desiredVersion": there, "status": "sent"}}, "desired": {"$version": 3}});
    assert_eq!(fate("downlink_sent", 40, "2026-11-20T10:00:05Z").beside(&twin(2)), None);
    assert!(fate("downlink_sent", 3, "2026-11-20T10:00:05Z").beside(&twin(40)).is_some());
}

#[test]
fn a_long_list_of_changes_is_cut_and_leaves_room_for_the_radio_state() {
    let decoded: Map<String, Value> = (0..200).map(|n| (format!("key {n}"), json!(1))).collect();
    let reported = uplink("2026-11-20T10:00:00Z", &Value::Object(decoded));
    for patch in [&reported.patch, &reported.replacing_the_decoded_payload().patch] {
        let listed = patch["lorawan"]["sanitized"].as_array().unwrap();
        let last = listed.last().unwrap().as_str().unwrap();
        assert!(last.starts_with("and ") && last.ends_with(" more"), "{last}");
        assert!(crate::iot_hub::legal::size(&patch["lorawan"]) < 2_500);
    }
}

proptest! {
    #[test]
    fn nothing_that_is_there_makes_it_panic(time in ".{0,30}", version: u64, status in ".{0,10}") {
        let present = json!({"lastSeenAt": time, "decodedPayload": status, "downlink": {"desiredVersion": version, "status": status, "at": time}});
        let present = json!({"reported": present, "desired": {"$version": version}});
        for own in [uplink("2026-11-20T10:00:00Z", &json!({"t": 1})), fate("downlink_ack", 7, "2026-11-20T10:00:00Z")] {
            let _ = own.beside(&present);
        }
    }
}
