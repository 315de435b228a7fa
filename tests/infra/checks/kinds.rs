//! What kind of value an expression has, as far as it can be seen.

use crate::bicep::{Expr, Kind, Template, Type};

/// The kinds of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Simple {
    Text,
    Number,
    Bool,
    Array,
    Object,
}

impl Simple {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Number => "an integer",
            Self::Bool => "a boolean",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }

    /// By the name that Bicep has for it.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        match name {
            "string" | "secureString" => Some(Self::Text),
            "int" => Some(Self::Number),
            "bool" => Some(Self::Bool),
            "array" => Some(Self::Array),
            "object" | "secureObject" => Some(Self::Object),
            _ => None,
        }
    }

    pub(crate) fn of_type(kind: &Type, template: &Template) -> Option<Self> {
        match kind {
            Type::OneOf(_) => Some(Self::Text),
            Type::Other => None,
            Type::Named(name) => Self::of_name(name).or_else(|| {
                let alias = template.types.iter().find(|alias| alias.name == *name)?;
                Self::of_type(&alias.kind, template)
            }),
        }
    }

    /// Of a literal only.
    fn of_literal(expression: &Expr) -> Option<Self> {
        match &expression.kind {
            Kind::Text(_) => Some(Self::Text),
            Kind::Number(_) => Some(Self::Number),
            Kind::Bool(_) => Some(Self::Bool),
            Kind::Array(_) | Kind::For(..) => Some(Self::Array),
            Kind::Object(_) => Some(Self::Object),
            _ => None,
        }
    }

    /// Of an expression in a template.
    pub(crate) fn of(expression: &Expr, template: &Template) -> Option<Self> {
        match &expression.kind {
            Kind::Name(name) => {
                if let Some(param) = template.params.iter().find(|param| param.name == *name) {
                    return Self::of_type(&param.kind, template);
                }
                let var = template.vars.iter().find(|var| var.name == *name)?;
                Self::of(&var.value, template)
            }
            Kind::Not(_) => Some(Self::Bool),
            Kind::Binary(left, operator, _) => match operator.as_str() {
                "+" | "-" | "*" | "/" | "%" => Some(Self::Number),
                "??" => Self::of(left, template),
                _ => Some(Self::Bool),
            },
            Kind::Choice(parts) => {
                let [_, yes, no] = parts.as_ref();
                Self::of(yes, template).filter(|kind| Some(*kind) == Self::of(no, template))
            }
            Kind::Call(None, name, _) => of_call(name),
            _ => Self::of_literal(expression),
        }
    }
}

fn of_call(name: &str) -> Option<Simple> {
    match name {
        "base64"
        | "base64ToString"
        | "format"
        | "guid"
        | "join"
        | "replace"
        | "resourceId"
        | "string"
        | "substring"
        | "subscriptionResourceId"
        | "toLower"
        | "toUpper"
        | "trim"
        | "uniqueString"
        | "uri"
        | "loadTextContent"
        | "extensionResourceId" => Some(Simple::Text),
        "length" | "int" | "indexOf" | "max" | "min" => Some(Simple::Number),
        "contains" | "empty" | "startsWith" | "endsWith" | "bool" => Some(Simple::Bool),
        "range" | "split" | "items" | "flatten" | "objectKeys" | "array" => Some(Simple::Array),
        _ => None,
    }
}

/// What a literal is, if it is not what is expected.
pub(super) fn fits(value: &Expr, expected: Option<Simple>) -> Option<&'static str> {
    let found = Simple::of_literal(value)?;
    (found != expected?).then(|| found.name())
}
