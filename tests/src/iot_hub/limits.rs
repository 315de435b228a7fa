//! What a twin may hold, by the service's documented limits.

use serde_json::{Map, Value};

use super::error::HubError;

/// Bytes of desired or reported properties, without metadata.
pub(crate) const PROPERTIES_BYTES: usize = 32 * 1024;
/// Bytes of tags.
pub(crate) const TAGS_BYTES: usize = 8 * 1024;
const TOP_LEVEL_BYTES: usize = 4 * 1024;
const STRING_BYTES: usize = 4096;
const KEY_BYTES: usize = 1024;
const DEPTH: usize = 10;
const INTEGERS: std::ops::RangeInclusive<i64> = -4_503_599_627_370_496..=4_503_599_627_370_495;

/// Checks what is submitted: keys, depth, strings, integers, nulls in arrays.
pub(crate) fn check_patch(section: &str, patch: &Map<String, Value>) -> Result<(), HubError> {
    check_object(patch, 0).map_err(|problem| HubError::argument(format!("{section}: {problem}")))
}

/// Checks what would be stored.
pub(crate) fn check_size(section: &str, merged: &Map<String, Value>, most: usize) -> Result<(), HubError> {
    if size_of_object(merged) > most {
        return Err(HubError::argument(format!("{section}: larger than {most} bytes")));
    }
    match merged.iter().find(|(_, value)| size(value) > TOP_LEVEL_BYTES) {
        Some((key, _)) => Err(HubError::argument(format!("{section}: `{key}` is larger than {TOP_LEVEL_BYTES} bytes"))),
        None => Ok(()),
    }
}

fn check_object(object: &Map<String, Value>, depth: usize) -> Result<(), String> {
    if depth > DEPTH {
        return Err(format!("deeper than {DEPTH} objects"));
    }
    object.iter().try_for_each(|(key, value)| {
        check_key(key)?;
        check_value(key, value, depth)
    })
}

fn check_key(key: &str) -> Result<(), String> {
    let forbidden = |letter: char| letter.is_control() || matches!(letter, '.' | '$' | '#' | ' ');
    if key.len() > KEY_BYTES {
        return Err(format!("a key is longer than {KEY_BYTES} bytes"));
    }
    if key.contains(forbidden) { Err(format!("the key `{}` is not allowed", key.escape_debug())) } else { Ok(()) }
}

fn check_value(key: &str, value: &Value, depth: usize) -> Result<(), String> {
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::Number(number) => {
            let is_integer = number.is_i64() || number.is_u64();
            let is_small = number.as_i64().is_some_and(|integer| INTEGERS.contains(&integer));
            if is_integer && !is_small { Err(format!("the integer `{key}` is out of range")) } else { Ok(()) }
        }
        Value::String(text) if text.len() > STRING_BYTES => {
            Err(format!("the string `{key}` is longer than {STRING_BYTES} bytes"))
        }
        Value::String(_) => Ok(()),
        Value::Array(items) if items.contains(&Value::Null) => Err(format!("the array `{key}` has a null")),
        Value::Array(items) => items.iter().try_for_each(|item| check_value(key, item, depth)),
        Value::Object(inner) => check_object(inner, depth + 1),
    }
}

fn size_of_object(object: &Map<String, Value>) -> usize {
    object.iter().map(|(key, value)| key.len() + size(value)).sum()
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(inner) => size_of_object(inner),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(objects: usize) -> Value {
        (0..objects).fold(json!(1), |inner, _| json!({ "a": inner }))
    }

    fn is_allowed(patch: &Value) -> bool {
        check_patch("desired", patch.as_object().unwrap()).is_ok()
    }

    #[test]
    fn what_the_documentation_allows_is_allowed() {
        let table = [
            ("unicode and empty keys", json!({"Temperatur°": 1, "": 2})),
            ("ten objects and a scalar in the tenth", nested(11)),
            ("the greatest integer", json!({"a": 4_503_599_627_370_495_i64})),
            ("the least integer", json!({"a": -4_503_599_627_370_496_i64})),
            ("a large float", json!({"a": 1e300})),
            ("4096 bytes of text", json!({"a": "x".repeat(4096)})),
            ("objects in arrays", json!({"a": [{"b": null}]})),
            ("null", json!({"a": null})),
        ];
        for (name, patch) in table {
            assert!(is_allowed(&patch), "{name}");
        }
    }

    #[test]
    fn what_the_documentation_forbids_is_refused() {
        let table = [
            ("a space in a key", json!({"a b": 1})),
            ("a dot in a key", json!({"x": {"gps.lat": 1}})),
            ("a dollar, also as metadata", json!({"$metadata": {}})),
            ("the version", json!({"$version": 3})),
            ("a hash", json!({"#": 1})),
            ("a control character", json!({"a\u{85}": 1})),
            ("a long key", json!({"k".repeat(1025): 1})),
            ("eleven objects", nested(12)),
            ("a greater integer", json!({"a": 4_503_599_627_370_496_i64})),
            ("a lesser integer", json!({"a": -4_503_599_627_370_497_i64})),
            ("more than 64 bits", json!({"a": u64::MAX})),
            ("4097 bytes of text", json!({"a": ["x".repeat(4097)]})),
            ("a null in an array", json!({"a": [1, null]})),
            ("a null in an array in an array", json!({"a": [[null]]})),
        ];
        for (name, patch) in table {
            assert!(!is_allowed(&patch), "{name}");
        }
    }

    #[test]
    fn keys_and_values_count_and_each_top_level_property_has_its_own_limit() {
        let merged = json!({"ab": 1, "cd": {"e": true, "f": "xyz"}});
        let merged = merged.as_object().unwrap();
        assert!(check_size("tags", merged, 21).is_ok());
        assert!(check_size("tags", merged, 20).is_err());
        let wide = json!({"a": ["x".repeat(4096), 1]});
        assert!(check_size("desired", wide.as_object().unwrap(), PROPERTIES_BYTES).is_err());
    }
}
