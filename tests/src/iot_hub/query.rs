//! Route conditions, crudely: `true` and `IS_OBJECT($body.…)` joined by `OR`.

use serde_json::{Map, Value};

/// A parsed route condition.
#[derive(Debug)]
pub struct Condition(Vec<String>);

/// Why a condition is not one.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the condition `{0}`")]
pub struct ParseError(String);

/// What a condition looks at.
#[derive(Debug)]
pub struct RoutedMessage<'a> {
    /// `None` unless JSON with content type and encoding set.
    pub body: Option<&'a Value>,
    /// The device's twin after the change.
    pub twin: Option<&'a Value>,
    /// Application properties.
    pub properties: &'a Map<String, Value>,
    /// System properties.
    pub system: &'a Map<String, Value>,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// When it is neither `true` nor a disjunction of `IS_OBJECT($body.…)`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text == "true" {
            return Ok(Self(Vec::new()));
        }
        let pointer = |term: &str| {
            let path = term.trim().strip_prefix("IS_OBJECT($body.")?.strip_suffix(')')?;
            Some(format!("/{}", path.replace('.', "/")))
        };
        let pointers = text.split(" OR ").map(pointer).collect::<Option<_>>();
        pointers.map(Self).ok_or_else(|| ParseError(text.to_owned()))
    }

    /// Whether the condition is true for a message.
    #[must_use]
    pub fn matches(&self, message: &RoutedMessage<'_>) -> bool {
        self.0.is_empty()
            || message
                .body
                .is_some_and(|body| self.0.iter().any(|pointer| body.pointer(pointer).is_some_and(Value::is_object)))
    }
}
