//! Device-to-cloud messages: read from headers or from a batch, checked as the hub checks them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::{ErrorCode, HubError};

/// 256 KB, for one message and for a whole batch.
pub(crate) const MOST_BYTES: usize = 262_144;
const LONGEST_MESSAGE_ID: usize = 128;
const APPLICATION_PREFIX: &str = "iothub-app-";

/// A message the hub has accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceToCloudMessage {
    /// Who sent it, from the path.
    pub device_id: String,
    /// Any bytes.
    pub body: Vec<u8>,
    /// Application properties. Single messages have lower-case names: HTTP has no other.
    pub properties: BTreeMap<String, String>,
    /// What the device may set: message-id, correlation-id, user-id, to, content-type, content-encoding,
    /// creation-time-utc, absolute-expiry-time, ack, message-schema, dt-subject, interface-id.
    pub system_properties: BTreeMap<String, String>,
    /// When the hub accepted it.
    pub enqueued_time: OffsetDateTime,
    /// Scope of the token it came with: `hub` for a policy's, `device` for a device key's.
    pub authentication_scope: &'static str,
}

/// A message before the hub has accepted it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Draft {
    pub(crate) body: Vec<u8>,
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) system_properties: BTreeMap<String, String>,
}

impl Draft {
    /// One message: properties are headers.
    pub(crate) fn from_headers(headers: &HeaderMap, body: &[u8]) -> Result<Self, HubError> {
        let mut draft = Self { body: body.to_vec(), ..Self::default() };
        for (name, value) in headers {
            if name.as_str().starts_with("iothub-") || name == "dt-subject" {
                let value = value.to_str().map_err(|_| HubError::format(format!("{name}: not ASCII")))?;
                draft.set(name.as_str(), value)?;
            }
        }
        draft.check_size()?;
        Ok(draft)
    }

    /// A batch: a JSON array whose `properties` carry the names of the headers.
    pub(crate) fn from_batch(body: &[u8]) -> Result<Vec<Self>, HubError> {
        if body.len() > MOST_BYTES {
            return Err(too_large());
        }
        let entries: Vec<BatchEntry> =
            serde_json::from_slice(body).map_err(|error| HubError::format(format!("batch: {error}")))?;
        if entries.is_empty() {
            return Err(HubError::argument("batch: no message"));
        }
        entries.into_iter().map(Self::from_entry).collect()
    }

    fn from_entry(entry: BatchEntry) -> Result<Self, HubError> {
        let body = if entry.base64_encoded {
            STANDARD.decode(&entry.body).map_err(|_| HubError::format("batch: a body is not base64"))?
        } else {
            entry.body.into_bytes()
        };
        let mut draft = Self { body, ..Self::default() };
        for (name, value) in &entry.properties {
            draft.set(name, value)?;
        }
        draft.check_size()?;
        Ok(draft)
    }

    /// Unknown `iothub-…` names are not properties and get lost, as live.
    fn set(&mut self, name: &str, value: &str) -> Result<(), HubError> {
        let lower = name.to_ascii_lowercase();
        if let Some(system) = system_property(&lower) {
            check_system_property(system, value)?;
            self.system_properties.insert(system.to_owned(), value.to_owned());
        } else if lower.starts_with(APPLICATION_PREFIX) {
            let key = &name[APPLICATION_PREFIX.len()..];
            check_application_property(key, value)?;
            // Names are compared without case: only one of several survives.
            self.properties.retain(|existing, _| !existing.eq_ignore_ascii_case(key));
            self.properties.insert(key.to_owned(), value.to_owned());
        }
        Ok(())
    }

    /// Body, values of system properties, names and values of application properties.
    pub(crate) fn check_size(&self) -> Result<(), HubError> {
        let system: usize = self.system_properties.values().map(String::len).sum();
        let application: usize = self.properties.iter().map(|(name, value)| name.len() + value.len()).sum();
        if self.body.len() + system + application > MOST_BYTES { Err(too_large()) } else { Ok(()) }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchEntry {
    body: String,
    #[serde(default = "yes")]
    base64_encoded: bool,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

pub(crate) fn too_large() -> HubError {
    HubError::new(ErrorCode::MessageTooLarge, format!("The message is larger than {MOST_BYTES} bytes."))
}

/// The names SDKs put on the wire; only content type, content encoding and creation time have a second spelling.
fn system_property(header: &str) -> Option<&'static str> {
    Some(match header {
        "iothub-messageid" => "message-id",
        "iothub-correlationid" => "correlation-id",
        "iothub-userid" => "user-id",
        "iothub-to" => "to",
        "iothub-expiry" => "absolute-expiry-time",
        "iothub-ack" => "ack",
        "iothub-contenttype" | "iothub-content-type" => "content-type",
        "iothub-contentencoding" | "iothub-content-encoding" => "content-encoding",
        "iothub-creationtimeutc" | "iothub-creation-time-utc" | "iothub-app-iothub-creation-time-utc" => {
            "creation-time-utc"
        }
        "iothub-messageschema" => "message-schema",
        "iothub-interface-id" => "interface-id",
        "dt-subject" => "dt-subject",
        _ => return None,
    })
}

pub(crate) fn check_system_property(name: &str, value: &str) -> Result<(), HubError> {
    let is_valid = match name {
        "message-id" => is_message_id(value),
        "creation-time-utc" => is_utc(value),
        "ack" => matches!(value, "none" | "positive" | "negative" | "full"),
        _ => value.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
    };
    if is_valid { Ok(()) } else { Err(HubError::argument(format!("{name}: '{value}' is not valid"))) }
}

fn is_message_id(value: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-:.+%_#*?!(),=@;$'".contains(&byte);
    value.len() <= LONGEST_MESSAGE_ID && value.bytes().all(allowed)
}

/// ISO 8601 ending in `Z`; .NET knows seven fraction digits.
fn is_utc(value: &str) -> bool {
    let fraction = value.split_once('.').map_or(0, |(_, fraction)| fraction.len().saturating_sub(1));
    value.ends_with('Z') && fraction <= 7 && OffsetDateTime::parse(value, &Rfc3339).is_ok()
}

fn check_application_property(name: &str, value: &str) -> Result<(), HubError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(HubError::argument(format!("'{name}' is not a property name")));
    }
    if value.bytes().all(allowed) {
        return Ok(());
    }
    Err(HubError::argument(format!("property {name}: '{value}' has a character that is not allowed")))
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};
    use serde_json::json;

    use super::*;

    fn draft(headers: &[(&str, &str)], body: &[u8]) -> Result<Draft, HubError> {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        });
        Draft::from_headers(&headers.collect(), body)
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn headers_become_system_and_application_properties() {
        let headers = [
            ("Authorization", "x"),
            ("IoTHub-MessageId", "as:up:01ABC:uplink_message"),
            ("iothub-correlationid", "gs:uplink:01ABC"),
            ("iothub-content-type", "application/json"),
            ("iothub-contentencoding", "utf-8"),
            ("iothub-creation-time-utc", "2026-11-20T10:00:00.1234567Z"),
            ("iothub-to", "/devices/dev1/messages/events"),
            ("dt-subject", "sensor"),
            ("iothub-nonsense", "lost"),
            ("iothub-app-Type", "uplink_message"),
        ];
        let expected = Draft {
            body: b"{}".to_vec(),
            properties: map(&[("type", "uplink_message")]),
            system_properties: map(&[
                ("message-id", "as:up:01ABC:uplink_message"),
                ("correlation-id", "gs:uplink:01ABC"),
                ("content-type", "application/json"),
                ("content-encoding", "utf-8"),
                ("creation-time-utc", "2026-11-20T10:00:00.1234567Z"),
                ("to", "/devices/dev1/messages/events"),
                ("dt-subject", "sensor"),
            ]),
        };
        assert_eq!(draft(&headers, b"{}"), Ok(expected));
    }

    #[test]
    fn a_property_the_hub_would_refuse_is_refused() {
        let long = "a".repeat(129);
        let table = [
            ("iothub-app-a", "with space"),
            ("iothub-app-a", "a/b"),
            ("iothub-app-a", "a:b"),
            ("iothub-app-a", "é"),
            ("iothub-app-", "nameless"),
            ("iothub-messageid", "a/b"),
            ("iothub-messageid", long.as_str()),
            ("iothub-creationtimeutc", "2026-11-20T10:00:00+00:00"),
            ("iothub-creationtimeutc", "2026-11-20T10:00:00.123456789Z"),
            ("iothub-creationtimeutc", "yesterdayZ"),
            ("iothub-ack", "maybe"),
        ];
        for (name, value) in table {
            assert_eq!(draft(&[(name, value)], b"").unwrap_err().code.status(), 400, "{name}: {value}");
        }
        assert!(draft(&[("iothub-app-a", "aZ9!#$%&'*+-.^_`|~")], b"").is_ok());
    }

    #[test]
    fn body_system_values_and_application_names_and_values_count() {
        let headers = [("iothub-messageid", "1234"), ("iothub-app-ab", "cde")];
        let room = MOST_BYTES - 4 - 2 - 3;
        assert!(draft(&headers, &vec![0; room]).is_ok());
        assert_eq!(draft(&headers, &vec![0; room + 1]).unwrap_err().code.status(), 413);
    }

    #[test]
    fn a_batch_keeps_the_case_of_names_and_decodes_bodies() {
        let properties = json!({"iothub-app-devEUI": "70B3", "iothub-app-deveui": "70B4", "IOTHUB-MESSAGEID": "1"});
        let batch = json!([
            {"body": "eyJ0ZW1wIjoyMS4zNzV9", "properties": properties},
            {"body": "plain", "base64Encoded": false},
        ]);
        let expected = vec![
            Draft {
                body: b"{\"temp\":21.375}".to_vec(),
                properties: map(&[("deveui", "70B4")]),
                system_properties: map(&[("message-id", "1")]),
            },
            Draft { body: b"plain".to_vec(), ..Draft::default() },
        ];
        assert_eq!(Draft::from_batch(batch.to_string().as_bytes()), Ok(expected));
    }

    #[test]
    fn a_broken_batch_is_refused_as_a_whole() {
        let table = [
            "[]".to_owned(),
            "{}".to_owned(),
            r#"[{"body":"!"}]"#.to_owned(),
            r#"[{"body":"AAAA"},{"body":"AAAA","properties":{"iothub-app-a":1}}]"#.to_owned(),
        ];
        for batch in table {
            assert_eq!(Draft::from_batch(batch.as_bytes()).unwrap_err().code.status(), 400, "{batch}");
        }
        let batch = format!(r#"[{{"body":"{}"}}]"#, "A".repeat(MOST_BYTES));
        assert_eq!(Draft::from_batch(batch.as_bytes()).unwrap_err().code.status(), 413);
    }
}
