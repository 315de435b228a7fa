//! Making JSON legal for a twin, without losing a value unseen; pure.
//!
//! | a twin takes | else |
//! |---|---|
//! | keys without control characters, `.`, `$`, `#` and spaces | these and `%` become `%XX`, as in URLs, which can be undone |
//! | keys of at most 1,024 bytes | the beginning, `~` and a hash |
//! | texts of at most 4,096 bytes | the beginning and `…` |
//! | integers of 53 bits | their text |
//! | no `null` in lists | the text `null` |
//! | ten levels of objects | the eleventh as JSON text |
//! | 4,096 bytes for each property of the first level | its largest members are left out |

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::error::shortened;

const MAX_KEY: usize = 1_024;
const MAX_TEXT: usize = 4_096;
const MAX_PROPERTY: usize = 4_096;
const INTEGERS: std::ops::RangeInclusive<i64> = -4_503_599_627_370_496..=4_503_599_627_370_495;

/// Objects within objects that a property may have below it.
const DEPTH: usize = 9;

/// The end of a text that was cut.
const MARK: char = '…';

/// A value as a twin takes it, and the paths of all that had to be changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Legal {
    /// The value.
    pub value: Value,
    /// Paths such as `decodedPayload.gps%2Elat`, each with what was done, in the order of the value.
    pub changes: Vec<String>,
}

/// Makes the value of the property `name` legal.
#[must_use]
pub fn legal(name: &str, value: &Value) -> Legal {
    let mut changes = Vec::new();
    let mut value = value_at(name, value, 0, &mut changes);
    fit(name, &mut value, &mut changes);
    Legal { value, changes }
}

fn value_at(path: &str, value: &Value, depth: usize, changes: &mut Vec<String>) -> Value {
    let mut note = |what: &str| changes.push(format!("{}: {what}", shortened(path, 200)));
    match value {
        Value::Object(_) if depth > DEPTH => {
            note("too deep, written as text");
            cut(path, &value.to_string(), changes)
        }
        Value::Object(members) => Value::Object(members_at(path, members, depth, changes)),
        Value::Array(elements) => {
            let element = |(index, element): (usize, &Value)| {
                if element.is_null() {
                    changes.push(format!("{}: null in a list, written as text", shortened(path, 200)));
                    return "null".into();
                }
                value_at(&format!("{path}[{index}]"), element, depth, changes)
            };
            Value::Array(elements.iter().enumerate().map(element).collect())
        }
        Value::Number(number) if !number.is_f64() && !number.as_i64().is_some_and(|n| INTEGERS.contains(&n)) => {
            note("integer out of range, written as text");
            number.to_string().into()
        }
        Value::String(text) => cut(path, text, changes),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn members_at(path: &str, members: &Map<String, Value>, depth: usize, changes: &mut Vec<String>) -> Map<String, Value> {
    let mut legal = Map::new();
    for (name, value) in members {
        let key = key(name);
        let path = format!("{path}.{key}");
        if key != *name {
            changes.push(format!("{}: name changed", shortened(&path, 200)));
        }
        legal.insert(key, value_at(&path, value, depth + 1, changes));
    }
    legal
}

/// A name as a twin takes it; different names stay different.
fn key(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() || matches!(character, '.' | '$' | '#' | ' ' | '%') {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                let _ = write!(key, "%{byte:02X}");
            }
        } else {
            key.push(character);
        }
    }
    if key.len() <= MAX_KEY {
        return key;
    }
    let hash: String = Sha256::digest(name).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{}~{hash}", shortened(&key, MAX_KEY - 1 - hash.len()))
}

fn cut(path: &str, text: &str, changes: &mut Vec<String>) -> Value {
    if text.len() <= MAX_TEXT {
        return text.into();
    }
    changes.push(format!("{}: text of {} bytes cut", shortened(path, 200), text.len()));
    format!("{}{MARK}", shortened(text, MAX_TEXT - MARK.len_utf8())).into()
}

/// Leaves out the largest members until the property is small enough.
fn fit(path: &str, value: &mut Value, changes: &mut Vec<String>) {
    let mut bytes = path.len() + size(value);
    if bytes <= MAX_PROPERTY {
        return;
    }
    let Value::Object(members) = value else {
        changes.push(format!("{path}: {} bytes, left out", size(value)));
        *value = Value::Null;
        return;
    };
    let mut sizes: Vec<(usize, String)> =
        members.iter().map(|(name, member)| (name.len() + size(member), name.clone())).collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    let mut left_out = HashSet::new();
    for (of_member, name) in sizes {
        if bytes <= MAX_PROPERTY {
            break;
        }
        bytes -= of_member;
        changes.push(format!("{}: {of_member} bytes, left out", shortened(&format!("{path}.{name}"), 200)));
        left_out.insert(name);
    }
    members.retain(|name, _| !left_out.contains(name));
}

/// Bytes as the hub counts them.
#[must_use]
pub fn size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(size).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| name.len() + size(value)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!({"a": inner}))
    }

    #[test]
    fn what_is_legal_stays_as_it_is() {
        for value in [
            json!({"temperature": 21.5, "Temperatur°": -1, "": true, "list": [1, {"x": null}], "none": null}),
            json!({"large": 1e300, "greatest": 4_503_599_627_370_495_i64, "least": -4_503_599_627_370_496_i64}),
            json!({"text": "x".repeat(4_000)}),
            nested(10),
            json!("plain"),
        ] {
            assert_eq!(legal("decodedPayload", &value), Legal { value, changes: vec![] });
        }
    }

    #[test]
    fn what_is_not_becomes_something_that_shows_what_it_was() {
        for (value, expected, change) in [
            (json!({"Temperature °C": 1}), json!({"Temperature%20°C": 1}), "x.Temperature%20°C: name changed"),
            (json!({"gps.lat": 1}), json!({"gps%2Elat": 1}), "x.gps%2Elat: name changed"),
            (json!({"$version": 1}), json!({"%24version": 1}), "x.%24version: name changed"),
            (json!({"100%": 1}), json!({"100%25": 1}), "x.100%25: name changed"),
            (json!({"a\u{7}b\u{85}": 1}), json!({"a%07b%C2%85": 1}), "x.a%07b%C2%85: name changed"),
            (
                json!({"n": u64::MAX}),
                json!({"n": "18446744073709551615"}),
                "x.n: integer out of range, written as text",
            ),
            (
                json!({"n": -9_007_199_254_740_993_i64}),
                json!({"n": "-9007199254740993"}),
                "x.n: integer out of range, written as text",
            ),
            (json!({"l": [1, null]}), json!({"l": [1, "null"]}), "x.l: null in a list, written as text"),
            (
                json!({"NaN": "NaN", "l": [[null]]}),
                json!({"NaN": "NaN", "l": [["null"]]}),
                "x.l[0]: null in a list, written as text",
            ),
        ] {
            assert_eq!(legal("x", &value), Legal { value: expected, changes: vec![change.to_owned()] });
        }
    }

    #[test]
    fn depth_length_and_size_are_limited_and_said() {
        let Legal { value, changes } = legal("x", &nested(12));
        assert_eq!(value.pointer(&"/a".repeat(10)), Some(&json!(r#"{"a":{"a":1}}"#)));
        assert_eq!(changes, [format!("x{}: too deep, written as text", ".a".repeat(10))]);
        let Legal { value, changes } = legal("x", &json!({"k": 1, "y".repeat(2_048): 2}));
        let long = value.as_object().unwrap().keys().next_back().unwrap();
        assert!(long.len() == 1_024 && long.contains('~') && changes.len() == 1);
        let Legal { value, changes } = legal("x", &json!("y".repeat(5_000)));
        assert_eq!((value.clone(), changes.len()), (Value::Null, 2), "a text this long does not fit either");
        let kilobytes: Map<String, Value> = (0..40).map(|n| (format!("k{n}"), json!("y".repeat(1_000 + n)))).collect();
        let Legal { value, changes } = legal("x", &Value::Object(kilobytes));
        assert_eq!((value.as_object().unwrap().len(), changes.len()), (4, 36));
        assert_eq!(changes[0], "x.k39: 1042 bytes, left out");
    }

    fn json() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        scalar.prop_recursive(14, 60, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec((".{0,6}|[.$# %]{1,3}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_legal_is_legal_already_and_changes_are_said(value in json()) {
            let Legal { value: once, changes } = legal("x", &value);
            prop_assert_eq!(changes.is_empty(), once == value);
            if !once.to_string().contains('%') {
                prop_assert_eq!(legal("x", &once), Legal { value: once, changes: vec![] });
            }
        }

        #[test]
        fn different_names_stay_different(one in ".{0,8}|[.$# %0-9]{0,4}", other in ".{0,8}|[.$# %0-9]{0,4}") {
            prop_assert_eq!(key(&one) == key(&other), one == other);
        }
    }
}
