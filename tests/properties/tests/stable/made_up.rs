//! Inputs made up from the words each parser knows: mostly well-formed, so that they get past the first check.

use proptest::collection::vec;
use proptest::prelude::*;

/// JSON text with these keys, of every kind there is: spelt with escapes, with numbers no type holds, with blanks.
fn json(keys: &'static [&'static str]) -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        proptest::sample::select(vec!["null", "true", "1.50", "-0", "1e999", "12345678901234567890", r#""\ud800""#]),
        proptest::sample::select(vec![
            r#""sensor-1""#,
            r#""as:up:01J0""#,
            r#""9999-12-31T23:59:59-01:00""#,
            "{}",
            "[]"
        ]),
    ];
    let scalar =
        prop_oneof![scalar.prop_map(str::to_owned), ".{0,4}".prop_map(|text| serde_json::json!(text).to_string())];
    scalar.prop_recursive(5, 40, 5, move |inner| {
        let key =
            prop_oneof![9 => proptest::sample::select(keys).prop_map(quoted), 1 => Just(r#""\ud800""#.to_owned())];
        let member = (key, "[ \n]?", inner.clone()).prop_map(|(key, blank, value)| format!("{key}:{blank}{value}"));
        prop_oneof![
            3 => vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(","))),
            1 => vec(inner, 0..4).prop_map(|elements| format!("[{}]", elements.join(" , "))),
        ]
    })
}

/// A JSON string; a tilde before the key has its first letter spelt with an escape.
fn quoted(key: &str) -> String {
    match key.strip_prefix('~') {
        Some(key) => format!("\"\\u{:04x}{}\"", key.as_bytes()[0], &key[1..]),
        None => format!("\"{key}\""),
    }
}

fn words(words: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    let word = prop_oneof![8 => proptest::sample::select(words).prop_map(str::to_owned), 1 => ".{0,3}"];
    vec(word, 0..most).prop_map(|words| words.concat())
}

const MESSAGE: [&str; 16] = [
    "uplink_message",
    "uplink_normalized",
    "downlink_failed",
    "downlink",
    "end_device_ids",
    "device_id",
    "application_ids",
    "correlation_ids",
    "received_at",
    "simulated",
    "f_port",
    "rx_metadata",
    "decoded_payload",
    "app_s_key",
    "~uplink_token",
    "~app_s_key",
];
/// Names to take out, in every disguise, and names that only look alike.
const MEMBERS: [&str; 12] = [
    "app_s_key",
    "~app_s_key",
    "uplink_token",
    "~uplink_token",
    "uplink_tok\\u0065n",
    "k",
    "~k",
    "\\\"k",
    "k\\\"",
    "\\\\u006b",
    "u006b",
    "a",
];
const TWIN: [&str; 14] = [
    "deviceId",
    "opType",
    "version",
    "tags",
    "properties",
    "desired",
    "reported",
    "$version",
    "$metadata",
    "$lastUpdatedVersion",
    "appKey",
    "~appKey",
    "nwk_s_enc_key",
    "lorawan",
];
const ITEM: [&str; 10] = [
    "kind",
    "reason",
    "error",
    "first_seen",
    "attempts",
    "not_before",
    "device_id",
    "original",
    "original_gzip",
    "message",
];
const ENVELOPE: [&str; 14] = [
    "Data",
    "Metadata",
    "req",
    "events",
    "item",
    "Headers",
    "Params",
    "Body",
    "DequeueCount",
    "PropertiesArray",
    "SequenceNumberArray",
    "RetryContext",
    "PartitionContext",
    "PartitionId",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn connection_strings(text in words(&["HostName=", "SharedAccessKeyName=p", "SharedAccessKey=", "DeviceId=", ";", "=",
        "hub.azure-devices.net", "127.1", "..", "xn--", "MDEyMzQ1Njc4OWFiY2RlZg=="], 9)) {
        properties::connection_string(text.as_bytes());
    }

    #[test]
    fn envelopes(input in prop_oneof![vec(any::<u8>(), 0..64), json(&ENVELOPE).prop_map(String::into_bytes)]) {
        properties::envelope(&input);
    }

    #[test]
    fn hub_events(operation in proptest::sample::select(&["updateTwin", "replaceTwin", "createDeviceIdentity", "x"][..]),
        twin in json(&TWIN), body in json(&TWIN), is_patch in any::<bool>()) {
        let properties = format!(r#"{{"opType":"{operation}","deviceId":"sensor-1"}}"#);
        let body = if is_patch { format!(r#"{{"tags":{{"a":{body}}},"version":4}}"#) } else { body };
        properties::event(format!("{properties}\n{twin}\n{body}").as_bytes());
    }

    #[test]
    fn members_of_json(text in json(&MEMBERS), depth in 0_usize..130, open in proptest::sample::select(&["[", "{\"k\":", "{\"a\" : [1 ,"][..])) {
        properties::json_members(text.as_bytes());
        let close = match open { "[" => "]", "{\"k\":" => "}", _ => "] }" };
        properties::json_members(format!("{}{text}{}", open.repeat(depth), close.repeat(depth)).as_bytes());
    }

    #[test]
    fn members_of_what_is_hardly_json(text in words(&["{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "006b", "\"k\"", "k", "1", " "], 24)) {
        properties::json_members(text.as_bytes());
    }

    #[test]
    fn queue_items(item in json(&ITEM), wait in any::<u64>(), repeated in "#?[0-9]{0,3}") {
        properties::queue_item(item.as_bytes());
        properties::queue_item(format!("{wait}\n{repeated}\n{item}").as_bytes());
    }

    #[test]
    fn route_conditions(text in words(&["AND ", "OR ", "NOT ", "(", ")", "=", "<>", "<", "'x'", "\"", "$body.t[0]", "$body.on",
        "$twin.tags.floor", "opType", "IS_NULL(", "as_number(", "-1e9", "1e999", "5", "null", "true ", " "], 12)) {
        properties::route_condition(text.as_bytes());
    }

    #[test]
    fn shared_access_signatures(key in ".{0,80}", policy in ".{0,8}", expiry in any::<u32>(), resource in "[a-z/%&=é\n.]{0,40}",
        token in words(&["SharedAccessSignature ", "sr=", "sig=", "se=", "skn=", "&", "%2F", "%", "AAAA", "="], 12)) {
        properties::sas(format!("{key}\n{policy}\n{expiry}\n{resource}").as_bytes());
        properties::sas(token.as_bytes());
    }

    #[test]
    fn webhooks(payload in json(&MESSAGE), rest in json(&MESSAGE), is_whole in any::<bool>(), is_large in 0_u8..50) {
        let text = match is_whole {
            true => rest,
            false => format!(r#"{{"end_device_ids":{{"device_id":"sensor-1"}},"x":{rest},"uplink_message":{{"decoded_payload":{payload}}}}}"#),
        };
        properties::webhook(text.as_bytes());
        if is_large == 0 {
            let large = text.replacen("\"decoded_payload\"", "\"rx_metadata\":[{}],\"decoded_payload\"", 1);
            properties::webhook(format!("{large} ").as_bytes());
        }
    }
}
