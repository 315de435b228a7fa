//! JSON edited without being re-interpreted: members keep their order, every value keeps its text.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Deepest nesting [`without_members`] follows. Real messages stay under ten.
const MAX_DEPTH: usize = 64;

/// The members of one JSON object, in the order they were sent.
#[derive(Debug, Default)]
pub struct Members<'a>(pub Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The value of the last member called `name`, as JSON readers resolve a repeated key.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some(Text(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// A string that is borrowed from the input where it holds no escapes (`Cow` alone always copies).
#[derive(Debug)]
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// The text of `value` without any member called one of `names`, at any depth.
///
/// The result is the input itself if there is nothing to remove.
///
/// # Errors
/// [`TooDeep`] if a part that may hold such a member is nested too deeply to look into.
pub fn without_members<'a>(value: &'a RawValue, names: &[&str]) -> Result<Cow<'a, str>, TooDeep> {
    let finders: Vec<_> = names.iter().map(|name| memmem::Finder::new(*name)).collect();
    strip(value, names, &finders, MAX_DEPTH)
}

/// A message is nested deeper than anything The Things Stack sends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("found JSON nested deeper than {MAX_DEPTH} levels around a key that must be removed")]
pub struct TooDeep;

fn strip<'a>(
    value: &'a RawValue,
    names: &[&str],
    finders: &[memmem::Finder<'_>],
    depth: usize,
) -> Result<Cow<'a, str>, TooDeep> {
    let text = value.get();
    if !may_hold_member(text, finders) {
        return Ok(Cow::Borrowed(text));
    }
    let depth = depth.checked_sub(1).ok_or(TooDeep)?;
    let stripped = match text.as_bytes().first() {
        Some(b'{') => strip_object(text, names, finders, depth)?,
        Some(b'[') => strip_array(text, names, finders, depth)?,
        _ => return Ok(Cow::Borrowed(text)),
    };
    Ok(Cow::Owned(stripped))
}

/// A key can also be spelt with escapes, so any backslash is reason enough to look closer.
fn may_hold_member(text: &str, finders: &[memmem::Finder<'_>]) -> bool {
    finders.iter().any(|finder| finder.find(text.as_bytes()).is_some())
        || memchr::memchr(b'\\', text.as_bytes()).is_some()
}

fn strip_object(text: &str, names: &[&str], finders: &[memmem::Finder<'_>], depth: usize) -> Result<String, TooDeep> {
    let Members(members) = parsed(text);
    let mut out = String::with_capacity(text.len());
    out.push('{');
    for (key, value) in members.iter().filter(|(key, _)| !names.contains(&key.as_ref())) {
        if out.len() > 1 {
            out.push(',');
        }
        push_string(&mut out, key);
        out.push(':');
        out.push_str(&strip(value, names, finders, depth)?);
    }
    out.push('}');
    Ok(out)
}

fn strip_array(text: &str, names: &[&str], finders: &[memmem::Finder<'_>], depth: usize) -> Result<String, TooDeep> {
    let elements: Vec<&RawValue> = parsed(text);
    let mut out = String::with_capacity(text.len());
    out.push('[');
    for element in elements {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&strip(element, names, finders, depth)?);
    }
    out.push(']');
    Ok(out)
}

/// Parses text that came out of a [`RawValue`] and therefore is valid JSON of the expected kind.
fn parsed<'a, T: Deserialize<'a> + Default>(text: &'a str) -> T {
    serde_json::from_str(text).unwrap_or_default()
}

fn push_string(out: &mut String, text: &str) {
    if text.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        out.push_str(&serde_json::Value::from(text).to_string());
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn without(text: &str, names: &[&str]) -> String {
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        without_members(raw, names).unwrap().into_owned()
    }

    #[test]
    fn members_are_removed_at_any_depth_and_the_rest_keeps_its_text() {
        for (name, text, expected) in [
            ("nothing to remove", r#"{ "b": 1.50, "a": 1e-3 }"#, r#"{ "b": 1.50, "a": 1e-3 }"#),
            ("top level", r#"{"b":1.50,"k":{"x":1},"a":1e-3}"#, r#"{"b":1.50,"a":1e-3}"#),
            ("only member", r#"{"k":1}"#, "{}"),
            (
                "in an array",
                r#"[{"k":1,"v":12345678901234567890},{"v":2,"k":"x"}]"#,
                r#"[{"v":12345678901234567890},{"v":2}]"#,
            ),
            ("nested, order kept", r#"{"z":{"y":[{"x":1,"k":2}]},"a":null}"#, r#"{"z":{"y":[{"x":1}]},"a":null}"#),
            ("as a value it stays", r#"{"a":"k"}"#, r#"{"a":"k"}"#),
            ("key spelt with an escape", r#"{"\u006b":1,"a":"\n"}"#, r#"{"a":"\n"}"#),
            ("other keys with escapes survive", r#"{"q\"":1,"k":2}"#, r#"{"q\"":1}"#),
        ] {
            assert_eq!(without(text, &["k"]), expected, "{name}");
        }
    }

    #[test]
    fn deep_nesting_around_a_secret_is_refused_and_without_one_is_passed_through() {
        let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
        let harmless = deep("1");
        assert_eq!(without(&harmless, &["app_s_key"]), harmless);
        let text = deep(r#"{"app_s_key":1}"#);
        let raw: &RawValue = serde_json::from_str(&text).unwrap();
        assert_eq!(without_members(raw, &["app_s_key"]), Err(TooDeep));
    }

    fn without_in_value(value: Value) -> Value {
        match value {
            Value::Object(members) => members
                .into_iter()
                .filter(|(key, _)| key != "k")
                .map(|(key, value)| (key, without_in_value(value)))
                .collect(),
            Value::Array(elements) => elements.into_iter().map(without_in_value).collect(),
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => scalar,
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,4}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec(("[a-k\\\\\"é]{1}", inner), 0..6)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn removal_from_text_equals_removal_from_the_parsed_value(value in any_json()) {
            let stripped: Value = serde_json::from_str(&without(&value.to_string(), &["k"])).unwrap();
            prop_assert_eq!(stripped, without_in_value(value));
        }
    }
}
