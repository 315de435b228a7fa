//! JSON edited without being re-interpreted: members keep their order, every value keeps its text.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use memchr::memmem;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::shortened;

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

/// The text of `json` without any member called one of `names`, at any depth. What stays is as it was, white space and
/// the spelling of keys included; the result is the input itself if there is nothing to remove.
///
/// `json` must be valid, and the names must be words: letters, digits and `_`.
#[must_use]
pub fn without_members<'a>(json: &'a str, names: &[&str]) -> Cow<'a, str> {
    let mut kept = String::new();
    let mut from = 0;
    for place in possible_places(json, names) {
        let member = Some(place).filter(|place| *place >= from).and_then(|place| member_at(json, place, names));
        // In what is no JSON, the quote before it may end what was removed.
        let Some(member) = member.filter(|member| member.start >= from) else { continue };
        kept.push_str(&json[from..member.start]);
        let rest = json[member.end..].trim_start();
        // A comma behind the member goes with it; behind the last one there is none, so the one before goes.
        from = json.len() - rest.strip_prefix(',').unwrap_or(rest).len();
        if let (Some(before), false) = (kept.trim_end().strip_suffix(','), rest.starts_with(',')) {
            kept.truncate(before.len());
        }
    }
    if from == 0 {
        return Cow::Borrowed(json);
    }
    kept.push_str(&json[from..]);
    Cow::Owned(kept)
}

/// Where a key called one of `names` can be, in ascending order: where a name is written, and at every escape that may
/// stand for a letter of one.
fn possible_places(json: &str, names: &[&str]) -> Vec<usize> {
    let texts = names.iter().copied().chain(["\\u"]);
    let mut places: Vec<_> = texts.flat_map(|text| memmem::find_iter(json.as_bytes(), text)).collect();
    places.sort_unstable();
    places
}

/// The member whose key begins at `place`, or so shortly before it that it can be one of `names`.
fn member_at(json: &str, place: usize, names: &[&str]) -> Option<Range<usize>> {
    let longest = names.iter().map(|name| name.len()).max()?;
    let before = &json.as_bytes()[..place];
    let start =
        memchr::memrchr(b'"', &before[place.saturating_sub(longest + 1)..])? + place.saturating_sub(longest + 1);
    // Outside of strings there are no backslashes, so this quote is one within a string.
    if before[..start].ends_with(b"\\") {
        return None;
    }
    let (Text(key), rest) = first_value(&json[start..])?;
    let (IgnoredAny, rest) =
        first_value(rest.trim_start().strip_prefix(':').filter(|_| names.contains(&key.as_ref()))?)?;
    Some(start..json.len() - rest.len())
}

/// The first value of a text, and what follows it.
fn first_value<'a, T: Deserialize<'a>>(json: &'a str) -> Option<(T, &'a str)> {
    let mut values = serde_json::Deserializer::from_str(json).into_iter();
    let value = values.next()?.ok()?;
    Some((value, &json[values.byte_offset()..]))
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
