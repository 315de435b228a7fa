//! JSON edited without being re-interpreted: members keep their order, every value keeps its text.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::shortened;

/// Deepest nesting [`without_members`] follows. Real messages stay under ten.
const MAX_DEPTH: usize = 64;

/// JSON that is not what was expected: where, and what was expected there. Never what was found, which is payload.
#[derive(Debug)]
pub struct Unexpected {
    /// The path of the place, `.` for the whole.
    pub path: String,
    /// What was expected, or what is wrong with the text.
    pub what: String,
}

/// Longest path shown, in bytes.
const MAX_PATH: usize = 100;

/// Parses JSON and, only when that fails, parses again to find out where.
///
/// # Errors
/// [`Unexpected`]
pub fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Unexpected> {
    serde_json::from_slice(json).map_err(|reason| {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        // Nothing is found wrong the second time if something follows the value.
        let located = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err();
        let path = located.map_or_else(|| ".".to_owned(), |located| located.path().to_string());
        let what = reason.to_string();
        // serde says `invalid type: string "the payload", expected u32 at line 1 column 9`.
        let expected = if reason.is_data() { what.rfind("expected ").unwrap_or(0) } else { 0 };
        Unexpected {
            path: shortened(&path, MAX_PATH).to_owned(),
            what: shortened(&what[expected..], MAX_PATH * 2).to_owned(),
        }
    })
}

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
/// [`Unsearchable`] if a part that may hold such a member cannot be looked into.
pub fn without_members<'a>(value: &'a RawValue, names: &[&str]) -> Result<Cow<'a, str>, Unsearchable> {
    let finders: Vec<_> = names.iter().map(|name| memmem::Finder::new(*name)).collect();
    strip(value, names, &finders, MAX_DEPTH)
}

/// JSON that is unlike anything The Things Stack or IoT Hub send.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsearchable {
    /// Nested too deeply.
    #[error("found JSON nested deeper than {MAX_DEPTH} levels around a key that must be removed")]
    TooDeep,
    /// Half a surrogate pair is valid JSON, but no text that could be compared or written again.
    #[error("found JSON with a key that is not Unicode text")]
    NotText,
}

fn strip<'a>(
    value: &'a RawValue,
    names: &[&str],
    finders: &[memmem::Finder<'_>],
    depth: usize,
) -> Result<Cow<'a, str>, Unsearchable> {
    let text = value.get();
    if !may_hold_member(text, finders) {
        return Ok(Cow::Borrowed(text));
    }
    let depth = depth.checked_sub(1).ok_or(Unsearchable::TooDeep)?;
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

fn strip_object(
    text: &str,
    names: &[&str],
    finders: &[memmem::Finder<'_>],
    depth: usize,
) -> Result<String, Unsearchable> {
    let Members(members) = parsed(text)?;
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

fn strip_array(
    text: &str,
    names: &[&str],
    finders: &[memmem::Finder<'_>],
    depth: usize,
) -> Result<String, Unsearchable> {
    let elements: Vec<&RawValue> = parsed(text)?;
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

/// Parses text that came out of a [`RawValue`], hence valid JSON of the expected kind but for what its keys say.
fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unsearchable> {
    serde_json::from_str(text).map_err(|_| Unsearchable::NotText)
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
#[path = "json_tests.rs"]
mod tests;
