use proptest::prelude::*;
use serde_json::json;
use serde_json::value::to_raw_value;

use super::*;

fn event(operation: Change, desired: &Value) -> HubEvent {
    HubEvent {
        operation,
        device_id: "sensor-1".to_owned(),
        body: to_raw_value(&json!({"version": 9, "properties": {"desired": desired}})).unwrap(),
        properties: Map::new(),
    }
}

fn patch(desired: &Value) -> Option<DesiredDownlink> {
    DesiredDownlink::of(&event(Change::TwinUpdated, desired))
}

/// The downlink of a patch, with `twin` as the desired properties afterwards.
fn downlink(desired: &Value, twin: &Value) -> Result<Downlink, String> {
    patch(desired).expect("it asks for a downlink").downlink(&json!({"properties": {"desired": twin}}))
}

fn raw(members: &Value) -> Result<Downlink, String> {
    downlink(&json!({"rawDownlink": members, "$version": 7}), &json!({}))
}

fn frame(f_port: u8, frame: &[u8]) -> Downlink {
    Downlink {
        payload: Payload::Frame { f_port, frame: frame.to_vec() },
        confirmed: false,
        priority: "NORMAL",
        class_b_c: None,
        correlation_id: "azure:desired:7".to_owned(),
        operation: Operation::Push,
    }
}

#[test]
fn a_raw_downlink_is_sent_as_it_is_with_the_vendors_defaults() {
    assert_eq!(raw(&json!({"fPort": 15, "framePayload": "01fF"})), Ok(frame(15, &[1, 255])));
    let full = json!({
        "fPort": 225, "framePayload": "00", "confirmed": true, "operation": "replace", "priority": "high",
        "classBC": {"absoluteTime": "2026-11-21T12:00:00+01:00", "gateways": [{"gatewayId": "gw-1"}, {"gatewayId": "gw-2", "antennaIndex": 1}]},
    });
    let gateway = |id: &str, antenna_index| Gateway { gateway_id: id.to_owned(), antenna_index };
    let expected = Downlink {
        confirmed: true,
        priority: "HIGH",
        class_b_c: Some(ClassBC {
            gateways: vec![gateway("gw-1", 0), gateway("gw-2", 1)],
            absolute_time: Some("2026-11-21T11:00:00Z".to_owned()),
        }),
        operation: Operation::Replace,
        ..frame(225, &[0])
    };
    assert_eq!(raw(&full), Ok(expected));
    assert_eq!(raw(&json!({"fPort": 15.0, "framePayload": "01", "confirmed": null, "x": 1})), Ok(frame(15, &[1])));
}

#[test]
fn a_partial_raw_downlink_is_completed_from_the_twin() {
    let twin = json!({"rawDownlink": {"fPort": 15, "framePayload": "01", "confirmed": true}});
    let sent = |members: Value| downlink(&json!({"rawDownlink": members, "$version": 7}), &twin);
    assert_eq!(sent(json!({"framePayload": "02"})), Ok(Downlink { confirmed: true, ..frame(15, &[2]) }));
    assert_eq!(sent(json!({"fPort": 16, "confirmed": null})), Ok(frame(16, &[1])));
    let twin =
        json!({"rawDownlink": {"fPort": 15, "framePayload": "01", "classBC": {"gateways": [{"gatewayId": "gw-1"}]}}});
    let timed = json!({"rawDownlink": {"classBC": {"absoluteTime": "2026-11-21T11:00:00Z"}}, "$version": 7});
    let class_b_c = downlink(&timed, &twin).unwrap().class_b_c.unwrap();
    assert_eq!((class_b_c.gateways.len(), class_b_c.absolute_time.as_deref()), (1, Some("2026-11-21T11:00:00Z")));
}

#[test]
fn decoded_values_go_to_the_formatter_without_what_was_taken_away() {
    let sent = downlink(
        &json!({"decodedPayload": {"led": "on", "dim": null, "at": {"h": 7, "m": null}}, "$version": 7}),
        &json!({}),
    );
    let values = json!({"led": "on", "at": {"h": 7}});
    assert_eq!(sent, Ok(Downlink { payload: Payload::Decoded(values.as_object().unwrap().clone()), ..frame(1, &[]) }));
}

#[test]
fn what_asks_for_nothing_is_no_downlink() {
    for desired in [
        json!({"interval": 60, "$version": 7}),
        json!({"rawDownlink": null, "$version": 7}),
        json!({"rawDownlink": null, "decodedPayload": null, "$version": 7}),
        json!({"decodedPayload": {"color": null}, "$version": 7}),
    ] {
        assert_eq!(patch(&desired), None, "{desired}");
    }
}

#[test]
fn unchanged_properties_that_are_written_again_are_not_sent_again() {
    let metadata =
        |version| json!({"rawDownlink": {"fPort": {"$lastUpdatedVersion": version}, "$lastUpdatedVersion": 2}});
    let desired = |version| json!({"rawDownlink": {"fPort": 15}, "$metadata": metadata(version), "$version": 7});
    for operation in [Change::TwinUpdated, Change::TwinReplaced, Change::Created] {
        assert!(DesiredDownlink::of(&event(operation, &desired(6))).is_none());
        assert!(DesiredDownlink::of(&event(operation, &desired(7))).is_some());
    }
    let bare = json!({"rawDownlink": {"fPort": 15}, "$version": 7});
    assert!(DesiredDownlink::of(&event(Change::TwinUpdated, &bare)).is_some());
    assert!(DesiredDownlink::of(&event(Change::TwinReplaced, &bare)).is_none());
}

#[test]
fn a_downlink_is_scheduled_once_its_or_a_newer_version_is_reported() {
    let downlink = patch(&json!({"rawDownlink": {}, "$version": 7})).unwrap();
    for (reported, is_scheduled) in [
        (json!({}), false),
        (json!({"downlink": {"desiredVersion": 6}}), false),
        (json!({"downlink": {"desiredVersion": 7}}), true),
    ] {
        let properties = json!({"reported": reported, "desired": {"$version": 8}});
        assert_eq!(downlink.is_scheduled(&json!({"properties": properties})), is_scheduled, "{reported}");
    }
    let of_a_former_device = json!({"reported": {"downlink": {"desiredVersion": 40}}, "desired": {"$version": 8}});
    assert!(!downlink.is_scheduled(&json!({"properties": of_a_former_device})));
    let at = |time: &str, version: u64| {
        let changed = json!({"$lastUpdated": time, "$lastUpdatedVersion": version});
        json!({"rawDownlink": {}, "$version": 7, "$metadata": {"rawDownlink": changed}})
    };
    let downlink = patch(&at("2026-11-21T10:00:00Z", 7)).unwrap();
    for (desired, is_former) in [
        (at("2026-11-21T10:00:00.000Z", 7), false),
        (at("2026-11-21T10:00:01Z", 7), true),
        (at("2026-11-21T10:00:01Z", 8), false),
        (json!({"$version": 7}), false),
        (json!({"$version": 6}), true),
    ] {
        let twin = json!({"properties": {"desired": desired}});
        let is_it = downlink.is_newer_than(&twin) || downlink.is_of_a_former_device(&twin);
        assert_eq!(is_it, is_former, "{twin}");
    }
    let queued = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert!(downlink.is_overtaken_in(&queued(&["mine", "azure:desired:8"])));
    assert!(!downlink.is_overtaken_in(&queued(&["azure:desired:7", "azure:desired:x", "as:downlink:01J0"])));
}

#[test]
fn every_wrong_value_is_named_with_what_was_expected() {
    let with = |name: &str, value: Value| {
        let mut members = json!({"fPort": 15, "framePayload": "01"});
        members[name] = value;
        members
    };
    for (members, expected) in [
        (with("fPort", json!(0)), "fPort: found 0, expected a port from 1 to 223"),
        (with("fPort", json!(224)), "fPort: found 224"),
        (with("fPort", json!(300)), "fPort: found 300"),
        (with("fPort", json!(-1)), "fPort: found -1"),
        (with("fPort", json!(1.5)), "fPort: found 1.5"),
        (with("fPort", json!("15")), r#"fPort: found "15""#),
        (json!({"framePayload": "01"}), "fPort: found nothing"),
        (
            with("framePayload", json!("012")),
            "framePayload: found a text of 3 characters, expected 1 to 255 bytes in hex",
        ),
        (
            with("framePayload", json!("0G")),
            "found a text of 2 characters, number 2 of which is no hex digit, expected",
        ),
        (with("framePayload", json!("+1")), "number 1 of which is no hex digit"),
        (with("framePayload", json!(1)), "framePayload: found no text, expected"),
        (with("framePayload", json!("")), "framePayload: found a text of 0 characters"),
        (with("framePayload", json!("00".repeat(300))), "framePayload: found a text of 600 characters"),
        (json!({"fPort": 15}), "framePayload: found nothing"),
        (with("confirmed", json!("yes")), r#"confirmed: found "yes", expected true or false"#),
        (with("operation", json!("append")), r#"operation: found "append", expected push or replace"#),
        (with("priority", json!("urgent")), r#"priority: found "urgent", expected LOWEST"#),
        (with("classBC", json!({"gateways": [{"gatewayId": "GW"}]})), "classBC: found"),
        (with("classBC", json!({"absoluteTime": "tomorrow"})), "expected an object with \"absoluteTime\""),
    ] {
        let problems = raw(&members).unwrap_err();
        assert!(problems.contains(expected), "{members}: {problems}");
    }
    let both = json!({"fPort": 0, "framePayload": "x"});
    assert_eq!(raw(&both).unwrap_err().matches("; ").count(), 1, "all at once");
}

#[test]
fn two_shapes_in_one_change_and_shapes_that_are_no_objects_are_refused() {
    for (desired, expected) in [
        (json!({"rawDownlink": {}, "decodedPayload": {"led": 1}, "$version": 7}), "expected one of them"),
        (json!({"rawDownlink": "01", "$version": 7}), "found no object in properties.desired.rawDownlink"),
        (json!({"decodedPayload": [1], "$version": 7}), "found no object in properties.desired.decodedPayload"),
    ] {
        let problem = downlink(&desired, &json!({})).unwrap_err();
        assert!(problem.contains(expected), "{problem}");
    }
}

proptest! {
    #[test]
    fn every_frame_survives_its_hex(bytes_of_frame in proptest::collection::vec(any::<u8>(), 1..=255), port in 1_u8..=223) {
        let hex: String = bytes_of_frame.iter().map(|byte| format!("{byte:02X}")).collect();
        prop_assert_eq!(raw(&json!({"fPort": port, "framePayload": hex})), Ok(frame(port, &bytes_of_frame)));
    }

    #[test]
    fn no_value_makes_it_panic(name in "fPort|framePayload|classBC|priority", text in ".{0,40}", number: f64) {
        for value in [json!(text), json!(number), json!({"gateways": [text]}), json!({"absoluteTime": text})] {
            let _ = raw(&json!({"framePayload": "01", "fPort": 1, (name.as_str()): value}));
        }
    }
}
