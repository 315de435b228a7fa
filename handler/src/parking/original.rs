//! What an item keeps of a message or an event: enough to deliver it, and no key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::tts::id::is_eui;

/// Members that hold root or session keys; compared without case, `_` and `-`, so every spelling is meant.
const KEYS: [&str; 7] = ["appkey", "nwkkey", "appskey", "nwkskey", "fnwksintkey", "snwksintkey", "nwksenckey"];

/// Bytes kept of a body nobody can read.
const MAX_UNREAD_BYTES: usize = 16 * 1024;

/// A message of The Things Stack, without the session key and the uplink tokens.
#[derive(Debug, Deserialize, Serialize)]
pub struct UplinkOriginal {
    /// The application, if message or path named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,
    /// Metadata of gateways is missing that was there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trimmed: bool,
    /// The message.
    pub message: Box<RawValue>,
}

/// A lifecycle or twin-change event.
#[derive(Debug, Deserialize, Serialize)]
pub struct HubEventOriginal {
    /// Its partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_id: Option<String>,
    /// Its place in the partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence_number: Option<i64>,
    /// Application properties.
    pub properties: Map<String, Value>,
    /// The twin or twin patch. Of tags there are only the names, with `null` where one was removed, since they may hold
    /// keys and redelivery reads them anew; and a LoRaWAN device's EUIs. Of properties there are the desired ones, of their
    /// metadata the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Map<String, Value>>,
    /// The body, if it is not a twin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread_body: Option<UnreadBody>,
}

/// A body that is not a twin, for a person to look at.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct UnreadBody {
    /// How long the body was.
    pub bytes: usize,
    /// Its beginning in base64; missing if it may name a key, whose value could not be taken out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

impl HubEventOriginal {
    /// The same without its body, for one that is larger than any twin may be.
    #[must_use]
    pub fn without_body(self, bytes: usize) -> Self {
        Self { body: None, unread_body: Some(UnreadBody { bytes, base64: None }), ..self }
    }

    /// The same, with the EUIs of the device as its `tags.lorawan` name them, for an event of some of its tags.
    #[must_use]
    pub fn of_device(mut self, lorawan: &Value) -> Self {
        if let (Value::Object(euis), Some(body)) = (what_is_kept("lorawan", lorawan), &mut self.body)
            && let Some(tag) =
                body.get_mut("tags").and_then(|tags| tags.get_mut("lorawan")).filter(|tag| !tag.is_null())
        {
            *tag = euis.into();
        }
        self
    }

    /// What is kept of an event.
    #[must_use]
    pub fn new(
        partition_id: Option<String>,
        sequence_number: Option<i64>,
        mut properties: Map<String, Value>,
        body: &[u8],
    ) -> Self {
        properties.retain(|name, _| !is_key(name));
        let twin = serde_json::from_slice::<Map<String, Value>>(body).ok().map(without_keys);
        let unread_body = twin.is_none().then(|| UnreadBody::new(body));
        Self { partition_id, sequence_number, properties, body: twin, unread_body }
    }
}

fn without_keys(mut twin: Map<String, Value>) -> Map<String, Value> {
    if let Some(tags) = twin.get_mut("tags").and_then(Value::as_object_mut) {
        tags.iter_mut().filter(|(_, tag)| !tag.is_null()).for_each(|(name, tag)| *tag = what_is_kept(name, tag));
    }
    if let Some(properties) = twin.get_mut("properties").and_then(Value::as_object_mut) {
        properties.remove("reported");
        if let Some(desired) = properties.get_mut("desired").and_then(Value::as_object_mut)
            && let Some(metadata) = desired.remove("$metadata")
            && let Some(time) = metadata.get("$lastUpdated")
        {
            desired.insert("$metadata".to_owned(), json!({"$lastUpdated": time}));
        }
    }
    scrub_members(&mut twin);
    twin
}

/// What is kept of a tag: which device is meant, and whether it was ever registered.
fn what_is_kept(name: &str, tag: &Value) -> Value {
    let eui =
        |name: &str| Some((name.to_owned(), json!(tag[name].as_str().map(str::trim).filter(|text| is_eui(text))?)));
    let euis = || ["devEui", "joinEui"].into_iter().filter_map(eui);
    let kept: Map<_, _> = match name {
        "lorawan" => euis().collect(),
        "lorawanStatus" => euis().chain([("applied".to_owned(), json!(!tag["applied"].is_null()))]).collect(),
        _ => Map::new(),
    };
    if kept.is_empty() { Value::Bool(true) } else { Value::Object(kept) }
}

fn scrub_members(members: &mut Map<String, Value>) {
    members.retain(|name, _| !is_key(name));
    members.values_mut().for_each(scrub);
}

/// Takes keys out at any depth. Recursion is bounded: the JSON reader refuses more than 128 levels.
fn scrub(value: &mut Value) {
    match value {
        Value::Object(members) => scrub_members(members),
        Value::Array(elements) => elements.iter_mut().for_each(scrub),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_key(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase()).collect();
    KEYS.contains(&plain.as_str())
}

impl UnreadBody {
    /// What is kept of a body nobody can read; nothing but its length if it may name a key.
    fn new(body: &[u8]) -> Self {
        let plain: Vec<u8> = body.iter().filter(|byte| !b"_-".contains(byte)).map(u8::to_ascii_lowercase).collect();
        // A key can also be spelt with escapes, so any backslash is reason enough.
        let may_name_a_key = KEYS.iter().any(|name| memchr::memmem::find(&plain, name.as_bytes()).is_some())
            || memchr::memchr(b'\\', body).is_some();
        let beginning = &body[..body.len().min(MAX_UNREAD_BYTES)];
        Self { bytes: body.len(), base64: (!may_name_a_key).then(|| STANDARD.encode(beginning)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EUI: &str = "70B3D57ED0000001";

    fn kept(body: &[u8]) -> Value {
        serde_json::to_value(HubEventOriginal::new(Some("3".to_owned()), Some(7), Map::new(), body)).unwrap()
    }

    #[test]
    fn a_kept_twin_change_has_no_keys_tag_values_reported_properties_or_metadata() {
        let body = br#"{"version":4,"tags":{"lorawan":{"devEui":"70B3","appKey":"0011"},"site":null},"properties":{"desired":{"a":1.5,"reported":{"APP_KEY":"0011","b":2},"$metadata":{"$lastUpdated":"2026-11-21T10:00:00Z","a":{}},"$version":2},"reported":{"x":1}}}"#;
        let expected = r#"{"partition_id":"3","sequence_number":7,"properties":{},"body":{"version":4,"tags":{"lorawan":true,"site":null},"properties":{"desired":{"a":1.5,"reported":{"b":2},"$version":2,"$metadata":{"$lastUpdated":"2026-11-21T10:00:00Z"}}}}}"#;
        let original = HubEventOriginal::new(Some("3".to_owned()), Some(7), Map::new(), body);
        assert_eq!(serde_json::to_string(&original).unwrap(), expected);
    }

    #[test]
    fn of_tags_is_kept_which_device_is_meant_and_whether_it_was_registered() {
        for (lorawan, status, expected) in [
            (
                json!({"devEui": EUI, "appKey": "00"}),
                json!({"applied": "key:a"}),
                json!([{"devEui": EUI}, {"applied": true}]),
            ),
            (
                json!({"joinEui": EUI, "name": "x"}),
                json!({"state": "refused", "devEui": EUI}),
                json!([{"joinEui": EUI}, {"devEui": EUI, "applied": false}]),
            ),
            // A key that was pasted into the wrong tag.
            (json!({"devEui": "00112233445566778899AABBCCDDEE01"}), json!({}), json!([true, {"applied": false}])),
            (json!("text"), json!(null), json!([true, null])),
        ] {
            let body = json!({"tags": {"lorawan": lorawan, "lorawanStatus": status}}).to_string();
            let tags = &kept(body.as_bytes())["body"]["tags"];
            assert_eq!(json!([tags["lorawan"], tags["lorawanStatus"]]), expected, "{body}");
        }
        let of_device = |body: &Value| {
            let original = HubEventOriginal::new(None, None, Map::new(), body.to_string().as_bytes());
            original.of_device(&json!({"devEui": EUI, "appKey": "00"})).body.unwrap()["tags"]["lorawan"].clone()
        };
        assert_eq!(of_device(&json!({"tags": {"lorawan": {"name": "x"}}})), json!({"devEui": EUI}));
        assert_eq!(of_device(&json!({"tags": {"lorawan": null}})), Value::Null);
    }

    #[test]
    fn an_application_property_that_is_a_key_is_not_kept() {
        let properties = Map::from_iter([("App-Key".to_owned(), "0011".into()), ("opType".to_owned(), "x".into())]);
        let original = HubEventOriginal::new(None, None, properties, b"{}");
        assert_eq!(original.properties.keys().collect::<Vec<_>>(), ["opType"]);
    }

    #[test]
    fn a_body_nobody_can_read_is_kept_for_a_person_unless_it_names_a_key() {
        assert_eq!(kept(b"hello")["unread_body"], json!({"bytes": 5, "base64": "aGVsbG8="}));
        assert_eq!(kept(br#"{"tags":{"lorawan":{"appKey":"0011"#)["unread_body"], json!({"bytes": 34}));
        assert_eq!(kept(br#"{"tags":{"\u0061ppKey":"0011"#)["unread_body"], json!({"bytes": 28}));
        assert_eq!(kept(&[0xff; 20_000])["unread_body"]["bytes"], 20_000);
    }
}
