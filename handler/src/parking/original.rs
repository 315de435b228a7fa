//! What an item keeps of a message or an event: enough to deliver it, and no key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::without_members;

/// Members that hold root or session keys, in every spelling in use.
const KEYS: [&str; 13] = [
    "appKey",
    "nwkKey",
    "appSKey",
    "nwkSKey",
    "fNwkSIntKey",
    "sNwkSIntKey",
    "nwkSEncKey",
    "app_key",
    "nwk_key",
    "app_s_key",
    "f_nwk_s_int_key",
    "s_nwk_s_int_key",
    "nwk_s_enc_key",
];

/// Members of twins that redelivery reads anew: the device's own properties, and the times of every change.
const READ_ANEW: [&str; 2] = ["reported", "$metadata"];

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
    /// The twin or twin patch, without keys, reported properties and metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<RawValue>>,
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
    /// What is kept of an event.
    #[must_use]
    pub fn new(
        partition_id: Option<String>,
        sequence_number: Option<i64>,
        properties: Map<String, Value>,
        body: &[u8],
    ) -> Self {
        let twin = serde_json::from_slice::<&RawValue>(body).ok().filter(|body| body.get().starts_with('{'));
        let left_out = [&KEYS[..], &READ_ANEW].concat();
        let twin =
            twin.and_then(|body| RawValue::from_string(without_members(body, &left_out).ok()?.into_owned()).ok());
        let unread_body = twin.is_none().then(|| UnreadBody::new(body));
        Self { partition_id, sequence_number, properties, body: twin, unread_body }
    }
}

impl UnreadBody {
    fn new(body: &[u8]) -> Self {
        // A key can also be spelt with escapes, so any backslash is reason enough.
        let names_a_key = KEYS.iter().any(|name| memchr::memmem::find(body, name.as_bytes()).is_some())
            || memchr::memchr(b'\\', body).is_some();
        let beginning = &body[..body.len().min(MAX_UNREAD_BYTES)];
        Self { bytes: body.len(), base64: (!names_a_key).then(|| STANDARD.encode(beginning)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(body: &[u8]) -> Value {
        serde_json::to_value(HubEventOriginal::new(Some("3".to_owned()), Some(7), Map::new(), body)).unwrap()
    }

    #[test]
    fn a_kept_twin_change_has_no_keys_reported_properties_or_metadata() {
        let body = br#"{"version":4,"tags":{"lorawan":{"devEui":"70B3","appKey":"0011","nwkKey":"2233"}},"properties":{"desired":{"a":1.50,"$metadata":{"a":{}},"$version":2},"reported":{"x":1}}}"#;
        let expected = r#"{"partition_id":"3","sequence_number":7,"properties":{},"body":{"version":4,"tags":{"lorawan":{"devEui":"70B3"}},"properties":{"desired":{"a":1.50,"$version":2}}}}"#;
        let original = HubEventOriginal::new(Some("3".to_owned()), Some(7), Map::new(), body);
        assert_eq!(serde_json::to_string(&original).unwrap(), expected);
    }

    #[test]
    fn a_body_nobody_can_read_is_kept_for_a_person_unless_it_names_a_key() {
        assert_eq!(kept(b"hello")["unread_body"], serde_json::json!({"bytes": 5, "base64": "aGVsbG8="}));
        assert_eq!(kept(br#"{"tags":{"lorawan":{"appKey":"0011"#)["unread_body"], serde_json::json!({"bytes": 34}));
        assert_eq!(kept(br#"{"tags":{"\u0061ppKey":"0011"#)["unread_body"], serde_json::json!({"bytes": 28}));
        assert_eq!(kept(&[0xff; 20_000])["unread_body"]["bytes"], 20_000);
    }
}
