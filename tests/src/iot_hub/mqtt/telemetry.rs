//! Device-to-cloud messages whose properties are in the topic.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use crate::iot_hub::error::HubError;
use crate::iot_hub::message::{Draft, check_system_property};

/// A message with its property bag as sent. RETAIN is kept as a property: the hub retains nothing.
pub(crate) fn draft_from(bag: &str, is_retained: bool, body: Vec<u8>) -> Result<Draft, HubError> {
    let mut draft = Draft { body, ..Draft::default() };
    for pair in bag.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        set(&mut draft, decoded(name)?, decoded(value)?)?;
    }
    if is_retained {
        draft.properties.insert("mqtt-retain".to_owned(), "true".to_owned());
    }
    draft.check_size()?;
    Ok(draft)
}

/// The message id in a property bag, for whoever watches faults.
pub(crate) fn message_id(bag: &str) -> Option<String> {
    let pairs: Option<BTreeMap<_, _>> = bag
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| Some((decoded(name).ok()?, decoded(value).ok()?)))
        .collect();
    pairs?.remove("$.mid")
}

/// Names of the system that are not for devices get lost.
fn set(draft: &mut Draft, name: String, value: String) -> Result<(), HubError> {
    if let Some(system) = system_property(&name) {
        check_system_property(system, &value)?;
        draft.system_properties.insert(system.to_owned(), value);
    } else if name.is_empty() {
        return Err(HubError::argument("a property without a name"));
    } else if !name.starts_with("$.") {
        draft.properties.insert(name, value);
    }
    Ok(())
}

fn system_property(name: &str) -> Option<&'static str> {
    Some(match name {
        "$.mid" => "message-id",
        "$.cid" => "correlation-id",
        "$.uid" => "user-id",
        "$.to" => "to",
        "$.exp" => "absolute-expiry-time",
        "$.ct" => "content-type",
        "$.ce" => "content-encoding",
        "$.sub" => "dt-subject",
        "$.ifid" => "interface-id",
        "$.ack" => "ack",
        "$.ctime" | "iothub-creation-time-utc" => "creation-time-utc",
        _ => return None,
    })
}

fn decoded(text: &str) -> Result<String, HubError> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| HubError::format("a property is not UTF-8"))?;
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(properties: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
        properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    #[test]
    fn a_property_bag_is_decoded() {
        let bag = "%24.mid=as%3Aup%3A01%3Auplink&$.cid=c&%24.ct=application%2Fjson&%24.ce=utf-8&a%20b=%C3%BC&plus=+\
                   &$.cdid=other&iothub-creation-time-utc=2026-11-20T10%3A00%3A00Z&flag&";
        let draft = draft_from(bag, true, b"{}".to_vec()).unwrap();
        assert_eq!(draft.body, b"{}");
        let expected = [("a b", "ü"), ("flag", ""), ("mqtt-retain", "true"), ("plus", "+")];
        assert_eq!(pairs(&draft.properties), expected);
        let expected = [
            ("content-encoding", "utf-8"),
            ("content-type", "application/json"),
            ("correlation-id", "c"),
            ("creation-time-utc", "2026-11-20T10:00:00Z"),
            ("message-id", "as:up:01:uplink"),
        ];
        assert_eq!(pairs(&draft.system_properties), expected);
        assert_eq!(message_id(bag).as_deref(), Some("as:up:01:uplink"));
    }

    #[test]
    fn a_wrong_property_bag_is_refused() {
        for bag in ["=nameless", "a=%ff", "$.mid=a%20b", "$.ack=maybe"] {
            assert!(draft_from(bag, false, Vec::new()).is_err(), "{bag}");
        }
        assert!(draft_from("", false, vec![0; 262_144]).is_ok());
        assert!(draft_from("a=", false, vec![0; 262_144]).is_err());
    }
}
