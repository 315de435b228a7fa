//! Values.

use std::fmt;

/// JSON, or something that only Azure knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(i64),
    /// Also with unknown parts, each in angle quotes.
    Text(String),
    Array(Vec<Value>),
    Object(Vec<(String, Value)>),
    /// What it is called in the templates.
    Unknown(String),
}

/// In the name of an unknown value that must stay secret.
const SECRET: &str = "secret ";

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// An unknown value that must stay secret.
    pub(crate) fn secret(name: &str) -> Self {
        Self::Unknown(format!("{SECRET}{}", name.replace(SECRET, "")))
    }

    /// Whether it holds a secret, or was made of one.
    pub(crate) fn is_secret(&self) -> bool {
        self.to_string().contains(&format!("‹{SECRET}"))
    }

    /// Whether Azure decides what it is.
    pub(crate) fn is_unknown(&self) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::Text(text) => text.contains('‹'),
            _ => false,
        }
    }

    /// A property or, by a number, an item; null if it is not there.
    pub(crate) fn get(&self, name: &str) -> &Self {
        match self {
            Self::Object(properties) => {
                properties.iter().find(|(key, _)| key == name).map_or(&Self::Null, |(_, value)| value)
            }
            Self::Array(items) => name.parse().ok().and_then(|at: usize| items.get(at)).unwrap_or(&Self::Null),
            _ => &Self::Null,
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn properties(&self) -> &[(String, Self)] {
        match self {
            Self::Object(properties) => properties,
            _ => &[],
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Every value within, with its path.
    pub(crate) fn leaves(&self, path: &str, visitor: &mut dyn FnMut(&str, &Self)) {
        match self {
            Self::Array(items) => items.iter().for_each(|item| item.leaves(&format!("{path}[]"), visitor)),
            Self::Object(properties) => {
                properties.iter().for_each(|(name, value)| value.leaves(&format!("{path}.{name}"), visitor));
            }
            _ => visitor(path, self),
        }
    }

    pub(crate) fn of_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => number.as_i64().map_or(Self::Null, Self::Number),
            serde_json::Value::String(text) => Self::text(text),
            serde_json::Value::Array(items) => Self::Array(items.iter().map(Self::of_json).collect()),
            serde_json::Value::Object(properties) => {
                Self::Object(properties.iter().map(|(name, value)| (name.clone(), Self::of_json(value))).collect())
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("not set"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::Unknown(name) => write!(f, "‹{name}›"),
            Self::Array(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(properties) => {
                f.write_str("{")?;
                for (at, (name, value)) in properties.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if at > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}
