use proptest::prelude::*;
use serde_json::json;

use super::*;

fn tags() -> Value {
    json!({
        "devEui": "70b3d57ed0000001", "joinEui": "70B3D57ED0FFFF00", "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a", "appKey": "00112233445566778899aabbccddeeff",
        "frequencyPlanId": "EU_863_870_TTN",
    })
}

fn read(tags: &Value) -> Result<Described, String> {
    let ids = EndDeviceIds::new("plant-a", "sensor-1").unwrap();
    end_device_from(ids, tags.as_object().unwrap())
}

fn with(name: &str, value: Value) -> Value {
    let mut tags = tags();
    tags[name] = value;
    tags
}

#[test]
fn the_vendors_tags_become_a_device() {
    let mut given = tags();
    given["lorawanVersion"] = json!("1.1");
    given["regionalParametersVersion"] = json!("1.1-b");
    given["nwkKey"] = json!("FFEEDDCCBBAA99887766554433221100");
    given["versionIdentifiers"] = json!({
        "brandId": "acme", "modelId": "t1000", "hardwareVersion": "1.0", "firmwareVersion": "1.2", "bandId": "EU_863_870",
    });
    given["provisioned"] = json!(true);
    given["name"] = json!("Roof");
    given["supportsClassC"] = json!(true);
    let Described { device, remarks } = read(&given).unwrap();
    assert!(remarks.is_empty(), "{remarks:?}");
    assert_eq!((device.dev_eui.as_str(), device.join_eui.as_str()), ("70B3D57ED0000001", "70B3D57ED0FFFF00"));
    assert_eq!((device.lorawan_version, device.lorawan_phy_version), ("MAC_V1_1", "PHY_V1_1_REV_B"));
    assert_eq!(device.app_key.expose(), "00112233445566778899AABBCCDDEEFF", "lower-case hex is accepted");
    assert_eq!(device.nwk_key.unwrap().expose(), "FFEEDDCCBBAA99887766554433221100");
    assert_eq!(
        (device.name.as_deref(), device.supports_class_b, device.supports_class_c),
        (Some("Roof"), None, Some(true))
    );
    assert!(device.version_ids.is_complete());
}

#[test]
fn what_has_no_effect_is_said() {
    let mut given = with("nwkKey", json!("FFEEDDCCBBAA99887766554433221100"));
    given["frequencyPlanID"] = json!("x");
    let remarks = read(&given).unwrap().remarks;
    assert_eq!(
        remarks,
        ["tags.lorawan.frequencyPlanID is unknown", "tags.lorawan.nwkKey has no meaning before LoRaWAN 1.1"]
    );
}

#[test]
fn every_wrong_value_is_named_with_what_was_expected() {
    for (name, value, expected) in [
        ("devEui", json!(null), "devEui is missing"),
        ("devEui", json!("70B3D57ED000000"), r#"devEui: found "70B3D57ED000000", expected 16 hex digits"#),
        ("joinEui", json!("70B3D57ED0FFFF0G"), "expected 16 hex digits"),
        ("joinEui", json!(7), "joinEui: found a number, expected a text"),
        ("lorawanVersion", json!("1.2"), r#"found "1.2", expected a LoRaWAN version"#),
        ("lorawanVersion", json!(1.1), "found a number, expected a text"),
        ("lorawanVersion", json!("1.1"), "nwkKey is missing"),
        ("regionalParametersVersion", json!("1.1"), "expected a version of the regional parameters"),
        ("appKey", json!("0011"), "appKey: found another text, expected 32 hex digits"),
        ("appKey", json!("0".repeat(32)), "a key that is not all zero"),
        ("appKey", json!(["00"]), "found a list, expected a text"),
        ("frequencyPlanId", json!(""), "frequencyPlanId: found \"\", expected 1 to 64 characters"),
        ("name", json!("x".repeat(51)), "expected 1 to 50 characters"),
        ("description", json!("x".repeat(2_001)), "expected 1 to 2000 characters"),
        ("supportsClassB", json!("yes"), "supportsClassB: found a text, expected true or false"),
        ("versionIdentifiers", json!("acme"), "versionIdentifiers: found a text, expected an object"),
        ("versionIdentifiers", json!({"brandId": "Acme"}), "versionIdentifiers.brandId: found \"Acme\""),
        ("versionIdentifiers", json!({"bandId": "x".repeat(33)}), "expected 1 to 32 characters"),
    ] {
        let problems = read(&with(name, value)).unwrap_err();
        assert!(problems.contains(expected), "{problems}");
    }
}

#[test]
fn all_problems_are_named_at_once_and_keys_are_not_repeated() {
    let problems = read(&json!({"appKey": "5ec2e7"})).unwrap_err();
    for name in ["devEui", "joinEui", "lorawanVersion", "regionalParametersVersion", "appKey", "frequencyPlanId"] {
        assert!(problems.contains(&format!("tags.lorawan.{name}")), "{problems}");
    }
    assert!(!problems.contains("5ec2e7"), "{problems}");
}

#[test]
fn each_required_member_is_missed() {
    for name in ["devEui", "joinEui", "lorawanVersion", "regionalParametersVersion", "appKey", "frequencyPlanId"] {
        let mut tags = tags();
        tags.as_object_mut().unwrap().remove(name);
        assert_eq!(read(&tags).unwrap_err(), format!("tags.lorawan.{name} is missing"));
    }
}

proptest! {
    #[test]
    fn no_tags_make_it_panic(name in "[a-zA-Z]{0,12}|devEui|appKey|versionIdentifiers", text in ".{0,40}", number: f64) {
        for value in [json!(text), json!(number), json!({"brandId": text}), json!([text])] {
            let _ = read(&with(&name, value));
        }
    }
}
