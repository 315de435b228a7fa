//! What editing JSON text keeps and what it takes away.

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
    assert_eq!(without_members(raw, &["app_s_key"]), Err(Unsearchable::TooDeep));
}

#[test]
fn an_object_with_a_key_that_is_no_text_is_refused_and_not_emptied() {
    let raw: &RawValue = serde_json::from_str(r#"{"a":{"\ud800":1,"b":2}}"#).unwrap();
    assert_eq!(without_members(raw, &["k"]), Err(Unsearchable::NotText));
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
            prop::collection::vec(("[a-k\\\\\"é]{1}", inner), 0..6).prop_map(|members| members.into_iter().collect()),
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
