//! Members taken out of JSON text: none is left, nothing else is gone, and what stays is spelt as it was.

use std::borrow::Cow;

use handler::json::without_members;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::json_text::{has_member, words};

/// The first two are what the handler takes out.
const NAMES: [&str; 4] = ["app_s_key", "uplink_token", "k", "u006b"];

/// Any text; only of JSON more is expected than that it causes no panic.
pub fn json_members(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for names in [&NAMES[..2], &NAMES[2..], &NAMES] {
        let left = without_members(&text, names);
        if serde_json::from_str::<&RawValue>(&text).is_ok() {
            taken_out(&text, left, names);
        }
    }
}

fn taken_out(text: &str, left: Cow<'_, str>, names: &[&str]) {
    let raw: Result<&RawValue, _> = serde_json::from_str(&left);
    assert!(raw.is_ok(), "it is JSON still: {left}");
    assert_eq!(words(&left, &[]), words(text, names));
    assert_eq!(matches!(left, Cow::Borrowed(_)), !has_member(text, names), "{text}");
    assert_eq!(without_members(&left, names), left, "there is no second time");
    // Half a surrogate pair and more than 128 levels are JSON, but no value of serde_json's.
    if let Ok(value) = serde_json::from_str(text) {
        assert_eq!(serde_json::from_str::<Value>(&left).expect("a value too"), without(value, names));
    }
}

/// The same, slow and obvious.
pub(crate) fn without(value: Value, names: &[&str]) -> Value {
    match value {
        Value::Object(members) => {
            let left = members.into_iter().filter(|(key, _)| !names.contains(&key.as_str()));
            left.map(|(key, value)| (key, without(value, names))).collect()
        }
        Value::Array(elements) => elements.into_iter().map(|element| without(element, names)).collect(),
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => scalar,
    }
}
