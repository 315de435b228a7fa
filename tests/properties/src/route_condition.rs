//! Route conditions of the hub stand-in: no text makes parsing or asking panic, and depth is bounded.

use local::iot_hub::query::{Condition, RoutedMessage};
use serde_json::{Map, Value, json};

/// Parentheses no condition may have around anything.
const TOO_DEEP: usize = 200;

/// Any text.
pub fn route_condition(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let deep = format!("{}{text}{}", "(".repeat(TOO_DEEP), ")".repeat(TOO_DEEP));
    assert!(Condition::parse(&deep).is_err(), "depth is bounded");
    let condition = match Condition::parse(&text) {
        Ok(condition) => condition,
        Err(error) => {
            let end = text.chars().count() + 1;
            return assert!((1..=end).contains(&error.position), "{error}");
        }
    };
    let matches = matches(&condition);
    for (around, expected) in [("(", matches), ("NOT NOT (", matches), ("NOT (", false), ("false OR (", matches)] {
        match Condition::parse(&format!("{around}{text})")) {
            // The opposite of a match is none; the opposite of no match may be undefined.
            Ok(_) if around == "NOT (" && !matches => {}
            Ok(wrapped) if around.starts_with("NOT NOT") && !is_boolean(&text) => drop(self::matches(&wrapped)),
            Ok(wrapped) => assert_eq!(self::matches(&wrapped), expected, "{around}{text})"),
            Err(error) => assert_eq!(error.expected, "less nesting", "{around}{text})"),
        }
    }
}

/// Whether the condition is true or false, rather than undefined or a value of another kind.
fn is_boolean(text: &str) -> bool {
    Condition::parse(&format!("NOT ({text})")).is_ok_and(|not| matches(&not))
        || Condition::parse(text).is_ok_and(|condition| matches(&condition))
}

fn matches(condition: &Condition) -> bool {
    let body = json!({"tags": {"site": "roof"}, "t": [21.5, {"deep": null}], "n": -1e9, "on": true});
    let twin = json!({"tags": {"floor": 2}, "properties": {"desired": {"interval": 60}}});
    let properties = json!({"opType": "updateTwin", "n": "5", "ü": "x"});
    let system = json!({"content-type": "application/json", "iothub-connection-device-id": "dev-1"});
    let [properties, system] = [properties, system].map(object);
    condition.matches(&RoutedMessage { body: Some(&body), twin: Some(&twin), properties: &properties, system: &system })
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}
