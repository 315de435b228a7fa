//! What editing JSON text keeps and what it takes away.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn without(text: &str, names: &[&str]) -> String {
    without_members(text, names).into_owned()
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
fn white_space_and_commas_stay_with_the_members_they_belong_to() {
    for (name, text, expected) in [
        ("first", "{ \"k\" : 1 , \"a\" : 2 }", "{  \"a\" : 2 }"),
        ("last", "{ \"a\" : 2 ,\n\"k\" : 1 }", "{ \"a\" : 2 }"),
        ("only", "{ \"k\" : [1 , {}] }", "{ }"),
        ("all of several", r#"[{"k":1,"k":2, "\u006b":3}]"#, "[{ }]"),
        ("last two", r#"{"a":1, "k":2, "k":{"k":3}}"#, r#"{"a":1}"#),
        ("around one that stays", r#"{"k":1,"a":"k","k":-0.0}"#, r#"{"a":"k"}"#),
    ] {
        assert_eq!(without(text, &["k"]), expected, "{name}");
    }
}

#[test]
fn what_only_looks_like_the_member_stays() {
    for text in [
        r#"{"a":"\"k\":1","\"k":2,"k\"":3,"kk":4,"K":5,"k\u0000":6,"\\u006b":7,"\\":"k"}"#,
        r#"["k","\u006b",{"a":"k"},":",{"\ud800":1,"\ud800k":2}]"#,
        r#""k""#,
        r#"{"a":"\u006b","b":"\\\"k\":"}"#,
    ] {
        assert_eq!(serde_json::from_str::<&RawValue>(text).unwrap().get(), text);
        assert!(matches!(without_members(text, &["k"]), Cow::Borrowed(left) if left == text), "{text}");
    }
}

#[test]
fn depth_and_keys_that_are_no_text_are_no_hiding_place() {
    let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(without(&deep(r#"{"app_s_key":{"a":[[]]}}"#), &["app_s_key"]), deep("{}"));
    assert_eq!(without(&format!(r#"{{"k":{}}}"#, deep("")), &["k"]), "{}");
    assert_eq!(without(r#"{"\ud800":{"k":1},"b":2}"#, &["k"]), r#"{"\ud800":{},"b":2}"#);
}

#[test]
fn the_time_it_takes_does_not_grow_with_the_square_of_the_text() {
    let members = "\"k\":1,".repeat(100_000);
    assert_eq!(without(&format!(r#"{{{members}"a":"\u0061"}}"#), &["k", "u"]), r#"{"a":"\u0061"}"#);
    let text = format!(r#"["{}","{}"]"#, "k".repeat(500_000), "\\u006b".repeat(100_000));
    assert_eq!(without(&text, &["k"]), text);
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
