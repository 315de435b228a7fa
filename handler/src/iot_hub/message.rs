//! A device-to-cloud message: what telemetry becomes on its way into IoT Hub.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use super::DeviceId;

/// Largest message the hub takes, in bytes: body, values of system properties, names and values of application
/// properties.
pub const MAX_BYTES: usize = 256 * 1024;

/// Characters of application property values besides letters and digits, less `%`, which starts an escape.
const PROPERTY_VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'*')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// Characters of message and correlation ids besides letters and digits, less `%`.
const MESSAGE_ID: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b':')
    .remove(b'.')
    .remove(b'+')
    .remove(b'_')
    .remove(b'#')
    .remove(b'*')
    .remove(b'?')
    .remove(b'!')
    .remove(b'(')
    .remove(b')')
    .remove(b',')
    .remove(b'=')
    .remove(b'@')
    .remove(b';')
    .remove(b'$')
    .remove(b'\'');

/// Longest message id, in characters.
const MAX_MESSAGE_ID: usize = 128;

/// A message from a device, ready to be sent. Content type and encoding are always `application/json` and `utf-8`,
/// without which the hub cannot route on the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceToCloudMessage {
    /// The sender.
    pub device_id: DeviceId,
    /// Stable over retries of the same message, for deduplication.
    pub message_id: String,
    /// Ties messages about the same frame together.
    pub correlation_id: Option<String>,
    /// When the message came to be, ISO 8601 in UTC.
    pub creation_time: Option<String>,
    /// Application properties by lower-case name (HTTP carries no other), values of any text.
    pub properties: Vec<(&'static str, String)>,
    /// JSON text.
    pub body: String,
}

impl DeviceToCloudMessage {
    /// System and application properties as the device API's HTTP headers, values encoded where the hub's character
    /// set demands it.
    pub fn headers(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let system = self.system_properties().map(|(name, value)| (name.to_owned(), value.into_owned()));
        let application = self.application_properties().map(|(name, value)| {
            let value: Cow<'_, str> = value.into();
            (["iothub-app-", name].concat(), value.into_owned())
        });
        system.chain(application)
    }

    fn system_properties(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let system = [
            ("iothub-contenttype", Some("application/json".into())),
            ("iothub-contentencoding", Some("utf-8".into())),
            ("iothub-messageid", Some(message_id(&self.message_id))),
            ("iothub-correlationid", self.correlation_id.as_deref().map(message_id)),
            ("iothub-creationtimeutc", self.creation_time.as_deref().map(Cow::from)),
        ];
        system.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    fn application_properties(&self) -> impl Iterator<Item = (&'static str, PercentEncode<'_>)> {
        self.properties.iter().map(|(name, value)| (*name, utf8_percent_encode(value, PROPERTY_VALUE)))
    }

    /// An application property's value.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }

    /// The size the hub counts, in bytes.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        let system = self.system_properties().map(|(_, value)| value.len());
        let application =
            self.application_properties().map(|(name, value)| name.len() + value.map(str::len).sum::<usize>());
        self.body.len() + system.sum::<usize>() + application.sum::<usize>()
    }
}

fn message_id(id: &str) -> Cow<'_, str> {
    let encoded = Cow::from(utf8_percent_encode(id, MESSAGE_ID));
    match encoded.get(..MAX_MESSAGE_ID) {
        Some(beginning) => beginning.to_owned().into(),
        None => encoded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> DeviceToCloudMessage {
        DeviceToCloudMessage {
            device_id: DeviceId::new("dev-1").unwrap(),
            message_id: "01J0:uplink_message".to_owned(),
            correlation_id: Some("gs:uplink:01J0".to_owned()),
            creation_time: Some("2026-11-20T10:00:00.1234567Z".to_owned()),
            properties: vec![("type", "uplink_message".to_owned()), ("note", "a:b c%ü".to_owned())],
            body: r#"{"a":1}"#.to_owned(),
        }
    }

    #[test]
    fn headers_carry_properties_encoded_where_the_hubs_character_set_demands_it() {
        let message = message();
        let headers: Vec<_> = message.headers().collect();
        let expected = [
            ("iothub-contenttype", "application/json"),
            ("iothub-contentencoding", "utf-8"),
            ("iothub-messageid", "01J0:uplink_message"),
            ("iothub-correlationid", "gs:uplink:01J0"),
            ("iothub-creationtimeutc", "2026-11-20T10:00:00.1234567Z"),
            ("iothub-app-type", "uplink_message"),
            ("iothub-app-note", "a%3Ab%20c%25%C3%BC"),
        ];
        assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn the_counted_size_is_body_plus_property_values_plus_application_property_names() {
        let system =
            "application/json".len() + "utf-8".len() + "01J0:uplink_message".len() + "gs:uplink:01J0".len() + 28;
        let application = "typeuplink_message".len() + "notea%3Ab%20c%25%C3%BC".len();
        assert_eq!(message().counted_bytes(), r#"{"a":1}"#.len() + system + application);
    }

    #[test]
    fn absent_system_properties_are_left_out() {
        let message = DeviceToCloudMessage { correlation_id: None, creation_time: None, ..message() };
        let names: Vec<_> = message.headers().map(|(name, _)| name).collect();
        assert!(!names.iter().any(|name| name == "iothub-correlationid" || name == "iothub-creationtimeutc"));
    }
}
