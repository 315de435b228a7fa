//! Conditions of IoT Hub routes: which messages a route takes.

mod evaluate;
mod parse;
mod token;

use serde_json::{Map, Value};

use evaluate::Expression;

/// A route's condition, parsed once and asked for every message.
///
/// A comparison with something undefined, or of different types, is undefined, and so is its `NOT`; a condition that
/// ends up undefined or null does not match. Strings have no escapes: use the other kind of quotes.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(Expression);

impl Condition {
    /// Parses a condition, e.g. `IS_OBJECT($body.tags) OR severity = 'high'`.
    ///
    /// # Errors
    /// When the text is not a condition the hub would save.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::condition(text).map(Self)
    }

    /// Whether a route with this condition takes the message.
    #[must_use]
    pub fn matches(&self, message: &RoutedMessage<'_>) -> bool {
        self.0.evaluate(message).is_some_and(|value| *value == Value::Bool(true))
    }
}

/// What a condition can see of a message.
#[derive(Debug, Clone, Copy)]
pub struct RoutedMessage<'a> {
    /// `$body`: none unless it is JSON and the message says so in content type and content encoding.
    pub body: Option<&'a Value>,
    /// `$twin`: the twin as it is after the change that caused the message.
    pub twin: Option<&'a Value>,
    /// Application properties, addressed by their bare name.
    pub properties: &'a Map<String, Value>,
    /// System properties, by wire name (`iothub-connection-device-id`) or query name (`connectionDeviceId`).
    pub system: &'a Map<String, Value>,
}

/// Where a condition stops making sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("position {position}: found {found}, expected {expected}")]
pub struct ParseError {
    /// The character it was found at, counted from 1.
    pub position: usize,
    /// What stands there.
    pub found: String,
    /// What could have stood there.
    pub expected: &'static str,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn matches(condition: &str) -> bool {
        let body = json!({"tags": {"site": "roof"}, "properties": {"desired": {"$version": 3, "on": true}},
            "t": [21.5, {"deep": null}], "null": null, "text": "17"});
        let twin = json!({"tags": {"floor": 2}, "properties": {"desired": {"interval": 60}}});
        let properties = json!({"opType": "updateTwin", "iothub-message-schema": "twinChangeNotification", "n": "5"});
        let system = json!({"content-type": "application/json", "iothub-connection-device-id": "dev-1"});
        let (Value::Object(properties), Value::Object(system)) = (properties, system) else { unreachable!() };
        let message = RoutedMessage { body: Some(&body), twin: Some(&twin), properties: &properties, system: &system };
        Condition::parse(condition).unwrap_or_else(|error| panic!("{condition}: {error}")).matches(&message)
    }

    #[test]
    fn conditions_that_match() {
        for condition in [
            "true",
            "IS_OBJECT($body.properties.desired) OR IS_OBJECT($body.tags)",
            "is_defined($body.properties.desired.on) and not is_defined($body.properties.reported)",
            "$BODY.Tags.SITE = \"roof\"",
            "$body.t[0] >= 21.5 AND $body.t[0]<2.2e1 AND -1 < $body.t[0]",
            "IS_NULL($body.t[1].deep) AND $body.null = NULL AND IS_PRIMITIVE($body.null) AND IS_ARRAY($body.t)",
            "optype='updateTwin' and iothub-message-schema <> 'x' and opType != 'y'",
            "AS_NUMBER(n) > 4 AND AS_NUMBER($body.text) = 17 AND IS_STRING(n) AND NOT IS_NUMBER(n)",
            "$twin.tags.floor <= 2 AND $twin.properties.desired.interval=60",
            "$contentType = 'application/json' AND $connectionDeviceId = 'dev-1'",
            "$body.properties.desired.on",
            "IS_BOOL($body.properties.desired.on) AND NOT IS_BOOL(missing)",
            "FALSE AND FALSE OR TRUE",
            "NOT (TRUE AND FALSE) AND (missing = 1 OR true)",
            "NOT 1 = 2",
        ] {
            assert!(matches(condition), "{condition}");
        }
    }

    #[test]
    fn conditions_that_do_not_match() {
        for condition in [
            "false",
            "null",
            "'true'",
            "missing",
            "missing = 1",
            "missing != 1",
            "NOT missing = 1",
            "NOT (missing = 1 OR false)",
            "n = 5",
            "n != 5",
            "$body.t[2] = 1",
            "$body.null < 1",
            "$body.tags = $body.tags",
            "IS_OBJECT($body.t)",
            "TRUE AND FALSE OR FALSE",
            "FALSE AND (TRUE OR TRUE)",
        ] {
            assert!(!matches(condition), "{condition}");
        }
    }

    #[test]
    fn without_a_json_body_conditions_on_the_body_do_not_match() {
        let none = Map::new();
        let message = RoutedMessage { body: None, twin: None, properties: &none, system: &none };
        assert!(!Condition::parse("$body.a = 1 OR $twin.tags.b = 1").expect("parses").matches(&message));
        assert!(Condition::parse("NOT IS_DEFINED($body.a)").expect("parses").matches(&message));
    }

    #[test]
    fn the_error_says_where_and_what() {
        for (condition, message) in [
            ("", "position 1: found the end, expected an operand"),
            ("a = ", "position 5: found the end, expected an operand"),
            ("a = 1 b", "position 7: found `b`, expected AND, OR or the end"),
            ("(a = 1", "position 7: found the end, expected `)`"),
            ("$body", "position 1: found `$body`, expected a path into it: the whole cannot be tested"),
            ("IS_OBJECT($body)", "position 11: found `$body`, expected a path into it: the whole cannot be tested"),
            ("IS_BLUE(a)", "position 1: found `IS_BLUE`, expected a function of route conditions"),
            ("a = 'x", "position 5: found `'x`, expected a closing quote"),
            ("ä & 1", "position 3: found `&`, expected AND, OR or the end"),
            ("a ; 1", "position 3: found `;`, expected a name, a value or an operator"),
            ("a = 1.2.3", "position 5: found `1.2.3`, expected a number"),
            ("$body.a[x] = 1", "position 1: found `$body.a[x]`, expected keys and [index]es behind `$body`"),
            ("$body.a..b", "position 1: found `$body.a..b`, expected keys and [index]es behind `$body`"),
            ("$contentType.x = 1", "position 1: found `$contentType.x`, expected a system property without a path"),
        ] {
            assert_eq!(Condition::parse(condition).map_err(|error| error.to_string()), Err(message.to_owned()));
        }
        let deep = format!("{}true{}", "(".repeat(5000), ")".repeat(5000));
        assert!(Condition::parse(&deep).expect_err("deep").to_string().contains("less nesting"));
        assert!(Condition::parse(&"NOT ".repeat(5000)).is_err());
        assert!(Condition::parse(&format!("true{}", " AND true".repeat(100_000))).is_ok(), "a chain is not nesting");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            let _ = Condition::parse(&text);
        }

        #[test]
        fn no_mixture_of_words_makes_the_parser_panic(words in proptest::collection::vec(
            prop_oneof![Just("AND"), Just("NOT"), Just("("), Just(")"), Just("="), Just("<"), Just("'"), Just("$body.a[0]"),
                Just("$"), Just("$twin."), Just("IS_NULL("), Just("-1e9"), Just("ü"), Just("]"), Just("$body.a[")], 0..12),
            glue in prop_oneof![Just(""), Just(" ")])
        {
            let _ = Condition::parse(&words.join(glue));
        }
    }
}
