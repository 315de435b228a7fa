//! Messages of The Things Stack against the device-to-cloud messages they become.

use serde_json::json;

use super::*;
use crate::device_ids::DeviceIdTemplate;
use crate::invocation;

const UPLINK: &str = r#"{"end_device_ids":{"device_id":"sensor-1","application_ids":{"application_id":"plant-a"},"dev_eui":"70B3D57ED0000001","join_eui":"70B3D57ED0FFFF00","dev_addr":"260B1234"},"correlation_ids":["gs:uplink:01J0ABCDEFGHJKMNPQRSTVWXYZ","rpc:/ttn.lorawan.v3.NsAs/HandleUplink:01J0ABCDEFGHJKMNPQRSTVWXY1","as:up:01J0ABCDEFGHJKMNPQRSTVWXY2"],"received_at":"2026-11-20T10:00:00.223456789Z","uplink_message":{"session_key_id":"AZaB==","f_port":2,"f_cnt":17,"frm_payload":"AQID","decoded_payload":{"temperature":21.50,"big":12345678901234567890},"rx_metadata":[{"gateway_ids":{"gateway_id":"gw-1"},"rssi":-101,"uplink_token":"Cg=="}],"app_s_key":{"key":"00112233445566778899AABBCCDDEEFF"}}}"#;

fn mapped_at(json: &str, rest: &str) -> Result<DeviceToCloudMessage, Error> {
    let envelope = json!({"Data": {"req": {"Params": {"rest": rest}}}}).to_string().into_bytes();
    let request = invocation::http_request(&envelope).unwrap();
    let message = Message::parse(json)?;
    let sender = Sender::of(&message, &request);
    let device_id = device_id_from(&sender, &device_ids())?;
    message_from(&message, sender, device_id, &[])
}

fn device_ids() -> DeviceIds {
    DeviceIds::new(DeviceIdTemplate::parse("{device_id}").unwrap(), "plant-a".to_owned(), Vec::new()).unwrap()
}

fn mapped(json: &str) -> DeviceToCloudMessage {
    mapped_at(json, "").unwrap()
}

/// Headers and body of the message a fixture becomes, as they go over the wire.
fn on_the_wire(fixture: &str) -> String {
    let message = mapped(fixture);
    let headers: Vec<_> = message.headers().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{}\n\n{}\n", headers.join("\n"), message.body)
}

macro_rules! fixtures_become {
    ($($message_type:ident)*) => {
        $(
            #[test]
            fn $message_type() {
                let fixture = include_str!(concat!("../../../../tests/fixtures/tts/", stringify!($message_type), ".json"));
                insta::assert_snapshot!(stringify!($message_type), on_the_wire(fixture.trim_end()));
            }
        )*
    };
}

fixtures_become! {
    uplink_message uplink_normalized join_accept downlink_ack downlink_nack downlink_sent downlink_failed
    downlink_queued downlink_queue_invalidated location_solved service_data future_message
}

fn property<'a>(message: &'a DeviceToCloudMessage, name: &str) -> Option<&'a str> {
    message.property(name)
}

#[test]
fn an_uplink_becomes_its_json_as_sent_without_secrets_and_the_documented_properties() {
    let expected = DeviceToCloudMessage {
        device_id: DeviceId::new("sensor-1").unwrap(),
        message_id: "01J0ABCDEFGHJKMNPQRSTVWXY2:uplink_message".to_owned(),
        correlation_id: Some("gs:uplink:01J0ABCDEFGHJKMNPQRSTVWXYZ".to_owned()),
        creation_time: Some("2026-11-20T10:00:00.2234567Z".to_owned()),
        properties: [
            ("type", "uplink_message"),
            ("application-id", "plant-a"),
            ("device-id", "sensor-1"),
            ("dev-eui", "70B3D57ED0000001"),
            ("join-eui", "70B3D57ED0FFFF00"),
            ("dev-addr", "260B1234"),
            ("f-port", "2"),
            ("f-cnt", "17"),
            ("confirmed", "false"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec(),
        body: UPLINK
            .replace(r#","uplink_token":"Cg==""#, "")
            .replace(r#","app_s_key":{"key":"00112233445566778899AABBCCDDEEFF"}"#, ""),
    };
    assert_eq!(mapped(UPLINK), expected);
}

#[test]
fn an_absent_frame_counter_is_zero_in_an_uplink_and_absent_elsewhere() {
    let uplink = mapped(r#"{"end_device_ids":{"device_id":"sensor-1"},"uplink_message":{"confirmed":true}}"#);
    assert_eq!(property(&uplink, "f-port"), Some("0"));
    assert_eq!(property(&uplink, "f-cnt"), Some("0"));
    assert_eq!(property(&uplink, "confirmed"), Some("true"));
    let location = mapped(r#"{"end_device_ids":{"device_id":"sensor-1"},"location_solved":{},"simulated":true}"#);
    for name in ["f-port", "f-cnt", "confirmed", "dev-eui", "application-id"] {
        assert_eq!(property(&location, name), None, "{name}");
    }
    assert_eq!(property(&location, "simulated"), Some("true"));
    assert_eq!((location.creation_time, location.correlation_id), (None, None));
}

#[test]
fn the_message_id_is_the_newest_application_server_id_and_the_type() {
    let with_ids = |ids: &str| {
        let json = format!(
            r#"{{"end_device_ids":{{"device_id":"sensor-1"}},"correlation_ids":{ids},"uplink_normalized":{{}}}}"#
        );
        mapped(&json).message_id
    };
    for (name, ids, expected) in [
        (
            "its own beside its parent's",
            r#"["as:up:01J0000001AAAAAAAAAAAAAAAA","as:up:01J0000000ZZZZZZZZZZZZZZZZ"]"#,
            "01J0000001AAAAAAAAAAAAAAAA:uplink_normalized",
        ),
        (
            "made in the same millisecond as its parent's",
            r#"["as:up:01J0000000ZZZZZZZZZZZZZZZZ","gs:uplink:x","as:up:01J0000000AAAAAAAAAAAAAAAA"]"#,
            "01J0000000AAAAAAAAAAAAAAAA+01J0000000ZZZZZZZZZZZZZZZZ:uplink_normalized",
        ),
    ] {
        assert_eq!(with_ids(ids), expected, "{name}");
    }
}

#[test]
fn without_correlation_ids_the_message_id_is_a_hash_that_survives_a_retry_and_tells_messages_apart() {
    let id = |json: &str| mapped(json).message_id;
    let uplink = r#"{"end_device_ids":{"device_id":"sensor-1"},"received_at":"2026-11-20T10:00:00Z","uplink_message":{"f_cnt":17}}"#;
    let again = r#"{ "uplink_message":{ "f_cnt":17},"received_at":"2026-11-20T10:00:00Z","end_device_ids":{"device_id":"sensor-1"} }"#;
    assert_eq!(id(uplink), id(again));
    let normalized = |measured: &str| {
        id(&format!(
            r#"{{"end_device_ids":{{"device_id":"sensor-1"}},"uplink_normalized":{{"f_cnt":17,"normalized_payload":{measured}}}}}"#
        ))
    };
    let ids = [
        id(uplink),
        id(&uplink.replace("17", "18")),
        id(&uplink.replace("sensor-1", "sensor-2")),
        normalized(r#"{"air":{"temperature":21.5}}"#),
        normalized(r#"{"soil":{"moisture":3}}"#),
    ];
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    assert_eq!(normalized(r#"{"a":1,"b":2}"#), normalized(r#"{ "b":2, "a":1 }"#));
}

#[test]
fn the_device_may_be_named_by_the_webhooks_path_when_the_field_mask_drops_it() {
    let masked = r#"{"uplink_message":{"f_port":1}}"#;
    let message = mapped_at(masked, "applications/plant-a/devices/sensor-9/up").unwrap();
    assert_eq!(message.device_id.as_str(), "sensor-9");
    assert_eq!(property(&message, "application-id"), Some("plant-a"));
    let reason = mapped_at(masked, "up").unwrap_err();
    assert_eq!(reason.status(), 400);
    assert!(reason.to_string().contains("add `end_device_ids` to the webhook's field mask"), "{reason}");
}

#[test]
fn a_device_id_no_hub_accepts_is_refused() {
    let reason = mapped_at(r#"{"end_device_ids":{"device_id":"sensor/1"},"uplink_message":{}}"#, "").unwrap_err();
    assert_eq!(reason.status(), 400);
    assert!(reason.to_string().contains("sensor/1"), "{reason}");
}

#[test]
fn creation_time_has_at_most_seven_fraction_digits_and_is_utc() {
    for (received_at, expected) in [
        ("2026-11-20T10:00:00Z", Some("2026-11-20T10:00:00Z")),
        ("2026-11-20T10:00:00.1Z", Some("2026-11-20T10:00:00.1Z")),
        ("2026-11-20T10:00:00.123456789Z", Some("2026-11-20T10:00:00.1234567Z")),
        ("2026-11-20T12:00:00+02:00", Some("2026-11-20T10:00:00Z")),
        ("9999-12-31T23:59:59-01:00", None),
        ("yesterday", None),
    ] {
        assert_eq!(creation_time_from(received_at).as_deref(), expected, "{received_at}");
    }
}

fn uplink_heard_by(gateways: usize, payload: &str) -> String {
    let gateways: Vec<_> = (0..gateways)
        .map(|number| format!(r#"{{"gateway_ids":{{"gateway_id":"gw-{number}"}},"rssi":-{},"snr":1.50}}"#, 30 + number))
        .collect();
    format!(
        r#"{{"end_device_ids":{{"device_id":"sensor-1"}},"uplink_message":{{"rx_metadata":[{}],"decoded_payload":{{"text":"{payload}"}}}}}}"#,
        gateways.join(",")
    )
}

#[test]
fn a_message_over_256_kb_loses_its_weakest_gateways_and_says_so() {
    let json = uplink_heard_by(5_000, "");
    assert!(json.len() > 300_000);
    let message = mapped(&json);
    assert_eq!(property(&message, "trimmed"), Some("true"));
    assert!((MAX_BYTES - 200..=MAX_BYTES).contains(&message.counted_bytes()), "{}", message.counted_bytes());
    assert!(message.body.contains(r#"{"gateway_ids":{"gateway_id":"gw-0"},"rssi":-30,"snr":1.50}"#));
    assert!(!message.body.contains("gw-4999"));
    assert_eq!(property(&mapped(&uplink_heard_by(100, "")), "trimmed"), None);
}

#[test]
fn a_message_too_large_without_gateways_is_refused() {
    let reason = mapped_at(&uplink_heard_by(10, &"x".repeat(300_000)), "").unwrap_err();
    assert_eq!(reason.status(), 413);
}
