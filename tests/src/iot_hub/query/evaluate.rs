//! What a route condition says about one message.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::RoutedMessage;

/// A parsed condition or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Literal(Value),
    Path(Root, Vec<Step>),
    Call(Function, Box<Expression>),
    Compare(Comparison, Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    Body,
    Twin,
    Property,
    System,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    AsNumber,
    IsArray,
    IsBool,
    IsDefined,
    IsNull,
    IsNumber,
    IsObject,
    IsPrimitive,
    IsString,
}

impl Expression {
    /// The value, or none when it is undefined.
    pub(super) fn evaluate<'a>(&'a self, message: &RoutedMessage<'a>) -> Option<Cow<'a, Value>> {
        match self {
            Self::Literal(value) => Some(Cow::Borrowed(value)),
            Self::Path(root, steps) => root.follow(message, steps).map(Cow::Borrowed),
            Self::Call(function, argument) => function.call(argument.evaluate(message).as_deref()).map(Cow::Owned),
            Self::Compare(comparison, left, right) => {
                let (left, right) = (left.evaluate(message)?, right.evaluate(message)?);
                comparison.compare(&left, &right).map(Value::Bool).map(Cow::Owned)
            }
            Self::Not(negated) => negated.truth(message).map(|truth| Cow::Owned(Value::Bool(!truth))),
            Self::And(terms) => decide(terms, message, false),
            Self::Or(terms) => decide(terms, message, true),
        }
    }

    fn truth(&self, message: &RoutedMessage<'_>) -> Option<bool> {
        self.evaluate(message)?.as_bool()
    }
}

/// One `decisive` term decides; without one, an undefined term makes the whole undefined.
fn decide<'a>(terms: &[Expression], message: &RoutedMessage<'_>, decisive: bool) -> Option<Cow<'a, Value>> {
    let mut undefined = false;
    for term in terms {
        match term.truth(message) {
            Some(truth) if truth == decisive => return Some(Cow::Owned(Value::Bool(decisive))),
            Some(_) => {}
            None => undefined = true,
        }
    }
    (!undefined).then_some(Cow::Owned(Value::Bool(!decisive)))
}

impl Root {
    fn follow<'a>(self, message: &RoutedMessage<'a>, steps: &[Step]) -> Option<&'a Value> {
        match self {
            Self::Body => walk(message.body?, steps),
            Self::Twin => walk(message.twin?, steps),
            Self::Property => named(message.properties, steps, str::to_lowercase),
            Self::System => named(message.system, steps, query_name),
        }
    }
}

fn walk<'a>(from: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(from, |value, step| match step {
        Step::Index(index) => value.get(index),
        Step::Key(key) => value.get(key).or_else(|| {
            let (_, found) = value.as_object()?.iter().find(|(name, _)| name.to_lowercase() == key.to_lowercase())?;
            Some(found)
        }),
    })
}

fn named<'a>(map: &'a Map<String, Value>, steps: &[Step], canonical: fn(&str) -> String) -> Option<&'a Value> {
    let [Step::Key(wanted)] = steps else { return None };
    map.iter().find(|(name, _)| canonical(name) == canonical(wanted)).map(|(_, value)| value)
}

/// Queries say `connectionDeviceId` and `contentType` for what is called `iothub-connection-device-id` and
/// `content-type` on the wire.
fn query_name(name: &str) -> String {
    let name = name.to_lowercase();
    name.strip_prefix("iothub-").unwrap_or(&name).replace('-', "")
}

impl Comparison {
    pub(super) fn from_symbol(symbol: &str) -> Self {
        match symbol {
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "=" => Self::Equal,
            _ => Self::NotEqual,
        }
    }

    fn compare(self, left: &Value, right: &Value) -> Option<bool> {
        let order = match (left, right) {
            (Value::Number(left), Value::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?)?,
            (Value::String(left), Value::String(right)) => left.cmp(right),
            (Value::Bool(left), Value::Bool(right)) if self.is_equality() => left.cmp(right),
            (Value::Null, Value::Null) if self.is_equality() => Ordering::Equal,
            _ => return None,
        };
        Some(match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        })
    }

    fn is_equality(self) -> bool {
        matches!(self, Self::Equal | Self::NotEqual)
    }
}

impl Function {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "AS_NUMBER" => Self::AsNumber,
            "IS_ARRAY" => Self::IsArray,
            "IS_BOOL" => Self::IsBool,
            "IS_DEFINED" => Self::IsDefined,
            "IS_NULL" => Self::IsNull,
            "IS_NUMBER" => Self::IsNumber,
            "IS_OBJECT" => Self::IsObject,
            "IS_PRIMITIVE" => Self::IsPrimitive,
            "IS_STRING" => Self::IsString,
            _ => return None,
        })
    }

    fn call(self, argument: Option<&Value>) -> Option<Value> {
        let is = |test: fn(&Value) -> bool| Some(Value::Bool(argument.is_some_and(test)));
        match self {
            Self::AsNumber => as_number(argument?),
            Self::IsArray => is(Value::is_array),
            Self::IsBool => is(Value::is_boolean),
            Self::IsDefined => is(|_| true),
            Self::IsNull => is(Value::is_null),
            Self::IsNumber => is(Value::is_number),
            Self::IsObject => is(Value::is_object),
            Self::IsPrimitive => is(|value| !value.is_object() && !value.is_array()),
            Self::IsString => is(Value::is_string),
        }
    }
}

fn as_number(value: &Value) -> Option<Value> {
    match value {
        Value::Number(number) => Some(Value::Number(number.clone())),
        Value::String(text) => text.trim().parse().ok().and_then(Number::from_f64).map(Value::Number),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
