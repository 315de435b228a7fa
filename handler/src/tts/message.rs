//! `ApplicationUp`: the one message all webhooks carry, read as leniently as the sender writes it.
//!
//! Zero values are omitted by the sender, unknown fields appear with every release, and the message type is whichever
//! key of the oneof is present.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::error::{Error, shortened};
use crate::json::{self, Members, Text, Unexpected};

/// The message types of The Things Stack 3.36; a later one is recognised as the key that holds an object.
pub const MESSAGE_TYPES: [&str; 11] = [
    "uplink_message",
    "uplink_normalized",
    "join_accept",
    "downlink_ack",
    "downlink_nack",
    "downlink_sent",
    "downlink_failed",
    "downlink_queued",
    "downlink_queue_invalidated",
    "location_solved",
    "service_data",
];

/// One `ApplicationUp`, borrowing from its JSON text.
#[derive(Debug)]
pub struct Message<'a> {
    /// Who it is about. Empty if the webhook's field mask drops it.
    pub end_device_ids: EndDeviceIds<'a>,
    /// Ids such as `as:up:01J…`; empty if the field mask drops them.
    pub correlation_ids: Vec<Cow<'a, str>>,
    /// When the Application Server had it, RFC 3339.
    pub received_at: Option<Cow<'a, str>>,
    /// From a simulation rather than a device.
    pub simulated: bool,
    /// The oneof's key, e.g. `uplink_message`.
    pub message_type: Cow<'a, str>,
    /// What of the oneof's value becomes message properties.
    pub frame: Frame<'a>,
    /// The whole message as sent; valid JSON.
    pub json: &'a str,
}

/// `end_device_ids`, with absent members empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndDeviceIds<'a> {
    /// Unique within the application.
    #[serde(borrow)]
    pub device_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    application_ids: Option<ApplicationIds<'a>>,
    /// 16 upper-case hex digits; may be absent for ABP devices of LoRaWAN 1.0.x.
    #[serde(borrow)]
    pub dev_eui: Option<Cow<'a, str>>,
    /// 16 upper-case hex digits; absent for ABP and multicast.
    #[serde(borrow)]
    pub join_eui: Option<Cow<'a, str>>,
    /// 8 upper-case hex digits; absent before there is a session.
    #[serde(borrow)]
    pub dev_addr: Option<Cow<'a, str>>,
}

impl EndDeviceIds<'_> {
    /// The application the device belongs to.
    #[must_use]
    pub fn application_id(&self) -> Option<&str> {
        self.application_ids.as_ref()?.application_id.as_deref()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ApplicationIds<'a> {
    #[serde(borrow)]
    application_id: Option<Cow<'a, str>>,
}

/// LoRaWAN frame fields shared by uplinks and downlinks, absent ones zero.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Frame<'a> {
    /// 1–255; 0 where there is none.
    pub f_port: u32,
    /// Frame counter of the message's direction.
    pub f_cnt: u32,
    /// Whether the frame asks for (or is) a confirmation.
    pub confirmed: bool,
    /// Identifies the session, base64.
    #[serde(borrow)]
    pub session_key_id: Option<Cow<'a, str>>,
    /// The downlink a `downlink_failed` is about.
    #[serde(borrow)]
    downlink: Option<Box<Frame<'a>>>,
}

impl<'a> Message<'a> {
    /// Reads a message from its JSON text.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the JSON path, or listing what was found where no message type is.
    pub fn parse(json: &'a str) -> Result<Self, Error> {
        let mut fields: Fields<'a> = parse(json)?;
        let (message_type, frame) =
            fields.payload.take().or_else(|| fields.future_payload()).ok_or_else(|| no_message_type(&fields))?;
        Ok(Self {
            message_type,
            frame: frame.downlink.map_or(Frame { downlink: None, ..frame }, |downlink| *downlink),
            end_device_ids: fields.end_device_ids,
            correlation_ids: fields.correlation_ids,
            received_at: fields.received_at,
            simulated: fields.simulated,
            json,
        })
    }

    /// The oneof's value. Reading it takes a second pass, which only those who need it pay for.
    #[must_use]
    pub fn payload(&self) -> Option<&'a RawValue> {
        serde_json::from_str::<Members<'a>>(self.json).ok()?.value(&self.message_type)
    }

    /// Whether this is a data uplink (decoded or normalized), whose zero-valued frame fields mean zero, not absence.
    #[must_use]
    pub fn is_uplink(&self) -> bool {
        matches!(self.message_type.as_ref(), "uplink_message" | "uplink_normalized")
    }
}

/// The top level of a message, read in one pass.
#[derive(Default)]
struct Fields<'a> {
    end_device_ids: EndDeviceIds<'a>,
    correlation_ids: Vec<Cow<'a, str>>,
    received_at: Option<Cow<'a, str>>,
    simulated: bool,
    /// The first member called like a message type.
    payload: Option<(Cow<'a, str>, Frame<'a>)>,
    others: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Fields<'a> {
    /// The first unknown member that holds an object. A type of the future may give the frame's names another meaning.
    fn future_payload(&self) -> Option<(Cow<'a, str>, Frame<'a>)> {
        let (key, value) = self.others.iter().find(|(_, value)| value.get().starts_with('{'))?;
        Some((key.clone(), serde_json::from_str(value.get()).unwrap_or_default()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an ApplicationUp object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields::default();
                while let Some(Text(key)) = map.next_key()? {
                    match key.as_ref() {
                        "end_device_ids" => fields.end_device_ids = map.next_value::<Option<_>>()?.unwrap_or_default(),
                        "correlation_ids" => {
                            let ids: Option<Vec<Text<'de>>> = map.next_value()?;
                            fields.correlation_ids = ids.unwrap_or_default().into_iter().map(|Text(id)| id).collect();
                        }
                        "received_at" => fields.received_at = map.next_value::<Option<Text<'de>>>()?.map(|Text(at)| at),
                        "simulated" => fields.simulated = map.next_value::<Option<_>>()?.unwrap_or_default(),
                        name if fields.payload.is_none() && MESSAGE_TYPES.contains(&name) => {
                            fields.payload = Some((key, map.next_value()?));
                        }
                        _ => fields.others.push((key, map.next_value()?)),
                    }
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

fn parse<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, Error> {
    json::parse(json.as_bytes()).map_err(|Unexpected { path, what }| {
        Error::Malformed(format!("the message is not the JSON The Things Stack sends, at `{path}`: {what}"))
    })
}

fn no_message_type(fields: &Fields<'_>) -> Error {
    let found: Vec<_> = fields.others.iter().map(|(key, _)| shortened(key, 40)).take(10).collect();
    Error::Malformed(format!(
        "found no message type among the top-level keys [{}], expected one such as `uplink_message`; \
         check the webhook's field mask",
        found.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zero_values_are_absent_and_read_as_zero() {
        let message = Message::parse(r#"{"end_device_ids":{"device_id":"dev-1"},"uplink_message":{}}"#).unwrap();
        assert_eq!((message.frame.f_port, message.frame.f_cnt, message.frame.confirmed), (0, 0, false));
        assert_eq!(message.end_device_ids.application_id(), None);
        assert!(message.is_uplink() && !message.simulated && message.correlation_ids.is_empty());
    }

    #[test]
    fn null_reads_as_absent() {
        let json =
            r#"{"end_device_ids":null,"correlation_ids":null,"received_at":null,"simulated":null,"service_data":{}}"#;
        let message = Message::parse(json).unwrap();
        assert_eq!((message.message_type.as_ref(), message.received_at), ("service_data", None));
    }

    #[test]
    fn a_type_of_the_future_is_the_key_that_holds_an_object() {
        let json = r#"{"priority":7,"beacon_heard":{"f_port":"high","f_cnt":3},"end_device_ids":{"device_id":"d"}}"#;
        let message = Message::parse(json).unwrap();
        assert_eq!(message.message_type, "beacon_heard");
        assert_eq!(message.frame.f_cnt, 0);
    }

    #[test]
    fn a_known_type_wins_over_a_new_top_level_object() {
        let message = Message::parse(r#"{"extra":{},"join_accept":{"session_key_id":"AZ=="}}"#).unwrap();
        assert_eq!(message.message_type, "join_accept");
        assert_eq!(message.frame.session_key_id.as_deref(), Some("AZ=="));
    }

    #[test]
    fn a_failed_downlink_has_the_frame_fields_of_its_downlink() {
        let json = r#"{"downlink_failed":{"downlink":{"f_port":15,"confirmed":true},"error":{"name":"x"}}}"#;
        let message = Message::parse(json).unwrap();
        assert_eq!((message.frame.f_port, message.frame.confirmed), (15, true));
    }

    #[test]
    fn malformed_messages_are_refused_with_the_json_path() {
        for (json, expected) in [
            ("[]", "at `.`"),
            ("hello", "at `.`"),
            (r#"{"uplink_message":{}} }"#, "at `.`: trailing characters"),
            (r#"{"uplink_message":{}"#, "EOF"),
            (r#"{"end_device_ids":{"device_id":7},"uplink_message":{}}"#, "at `end_device_ids.device_id`"),
            (r#"{"uplink_message":{"f_port":"hello"}}"#, "at `uplink_message.f_port`"),
            (r#"{"uplink_message":7,"correlation_ids":[]}"#, "at `uplink_message`"),
            (r#"{"received_at":"2026-11-20T10:00:00Z"}"#, "no message type among the top-level keys []"),
        ] {
            let reason = Message::parse(json).unwrap_err();
            assert_eq!(reason.status(), 400);
            assert!(reason.to_string().contains(expected), "{json}: {reason}");
            assert!(!reason.to_string().contains("hello"), "payload in {reason}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "([\\[{\\]},:]|\"uplink_message\"|\"end_device_ids\"|\"f_port\"|1|.){0,24}") {
            let _ = Message::parse(&text);
        }
    }
}
