//! Bicep files as a tree of what the checks ask about.
//!
//! Read is the dialect that every free parser takes: no lambdas, imports, functions, spreads or nested resources.
//! What lies outside it is a problem.

mod declarations;
mod expressions;
mod reader;
mod tests;
mod walk;

pub(crate) use declarations::{parse, parse_parameters};

use crate::problem::At;

/// One `.bicep` file.
#[derive(Debug, Default)]
pub(crate) struct Template {
    pub(crate) path: String,
    pub(crate) params: Vec<Param>,
    pub(crate) vars: Vec<Var>,
    pub(crate) types: Vec<Alias>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) modules: Vec<Module>,
    pub(crate) outputs: Vec<Output>,
}

/// One `.bicepparam` file.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    pub(crate) path: String,
    /// The template, as written: `./main.bicep`.
    pub(crate) using: String,
    pub(crate) values: Vec<Var>,
}

#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) name: String,
    pub(crate) at: At,
    pub(crate) kind: Type,
    pub(crate) default: Option<Expr>,
    pub(crate) decorators: Vec<Expr>,
}

#[derive(Debug)]
pub(crate) struct Var {
    pub(crate) name: String,
    pub(crate) at: At,
    pub(crate) value: Expr,
}

#[derive(Debug)]
pub(crate) struct Alias {
    pub(crate) name: String,
    pub(crate) at: At,
    pub(crate) kind: Type,
}

/// A resource, ours or `existing`.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) symbol: String,
    pub(crate) at: At,
    /// `Microsoft.Devices/IotHubs@2023-06-30`
    pub(crate) type_and_version: String,
    pub(crate) existing: bool,
    pub(crate) deployed: Deployed,
    pub(crate) decorators: Vec<Expr>,
}

#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) symbol: String,
    pub(crate) at: At,
    /// As written: `modules/storage.bicep`.
    pub(crate) reference: String,
    pub(crate) deployed: Deployed,
    pub(crate) decorators: Vec<Expr>,
}

/// How often and with what body a resource or module is deployed: `[for … in …: if (…) { … }]`.
#[derive(Debug)]
pub(crate) struct Deployed {
    pub(crate) each: Option<Each>,
    pub(crate) condition: Option<Expr>,
    pub(crate) body: Expr,
}

/// `for (item, index) in over`
#[derive(Debug)]
pub(crate) struct Each {
    pub(crate) item: String,
    pub(crate) index: Option<String>,
    pub(crate) over: Box<Expr>,
}

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) at: At,
    pub(crate) kind: Type,
    pub(crate) value: Expr,
    pub(crate) decorators: Vec<Expr>,
}

/// What a parameter or output may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    /// `string`, `int`, `bool`, `array`, `object`, or the name of an alias.
    Named(String),
    /// `'a' | 'b'`
    OneOf(Vec<String>),
    /// Anything more involved, which the checks take as it is.
    Other,
}

#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) at: At,
    pub(crate) kind: Kind,
    /// In parentheses.
    grouped: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Text(Vec<Piece>),
    Number(i64),
    Bool(bool),
    Null,
    Object(Vec<Property>),
    Array(Vec<Expr>),
    Name(String),
    Member(Box<Expr>, String),
    /// `symbol!`: it is there although it is conditional.
    Sure(Box<Expr>),
    Index(Box<Expr>, Box<Expr>),
    /// `function(…)` or `object.function(…)`
    Call(Option<Box<Expr>>, String, Vec<Expr>),
    Not(Box<Expr>),
    Binary(Box<Expr>, String, Box<Expr>),
    /// `condition ? consequence : alternative`
    Choice(Box<[Expr; 3]>),
    /// `[for item in over: body]`
    For(std::rc::Rc<Each>, Option<Box<Expr>>, Box<Expr>),
}

/// Part of a string.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Literal(String),
    Inserted(Expr),
}

#[derive(Debug, Clone)]
pub(crate) struct Property {
    pub(crate) at: At,
    /// A string, also if written without quotes.
    pub(crate) key: Expr,
    pub(crate) value: Expr,
}

impl Expr {
    /// The text of a string without insertions.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(pieces) => match pieces.as_slice() {
                [] => Some(""),
                [Piece::Literal(text)] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// The name, if the expression is one, sure or not.
    pub(crate) fn symbol(&self) -> Option<&str> {
        match &self.kind {
            Kind::Name(name) => Some(name),
            Kind::Sure(inner) => inner.symbol(),
            _ => None,
        }
    }

    /// The properties of an object; none of anything else.
    pub(crate) fn properties(&self) -> &[Property] {
        match &self.kind {
            Kind::Object(properties) => properties,
            _ => &[],
        }
    }

    /// A property's value by its literal name.
    pub(crate) fn property(&self, name: &str) -> Option<&Expr> {
        self.properties().iter().find(|property| property.key.text() == Some(name)).map(|property| &property.value)
    }
}

/// Whether a decorator of this name is there: `@secure()`.
pub(crate) fn has_decorator(decorators: &[Expr], name: &str) -> bool {
    decorator(decorators, name).is_some()
}

/// The arguments of a decorator.
pub(crate) fn decorator<'a>(decorators: &'a [Expr], name: &str) -> Option<&'a [Expr]> {
    decorators.iter().find_map(|decorator| match &decorator.kind {
        Kind::Call(_, called, arguments) if called == name => Some(arguments.as_slice()),
        _ => None,
    })
}
