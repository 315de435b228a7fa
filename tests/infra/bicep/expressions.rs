//! Expressions.

use std::rc::Rc;

use tree_sitter::Node;

use super::reader::{Reader, at, children, named};
use super::{Each, Expr, Kind, Piece, Property};

impl Reader<'_> {
    pub(super) fn expression(&self, node: Node<'_>) -> Expr {
        let kind = match node.kind() {
            "string" => Kind::Text(self.pieces(node)),
            "number" => self.text(node).parse().map_or(Kind::Null, Kind::Number),
            "boolean" => Kind::Bool(self.text(node) == "true"),
            "null" => Kind::Null,
            "identifier" => Kind::Name(self.text(node).to_owned()),
            "array" => Kind::Array(named(node).into_iter().map(|item| self.expression(item)).collect()),
            "object" => Kind::Object(named(node).into_iter().filter_map(|each| self.property(each)).collect()),
            "for_statement" => self.for_each(node),
            _ => self.compound(node),
        };
        Expr { at: at(node), kind, grouped: node.kind() == "parenthesized_expression" }
    }

    fn compound(&self, node: Node<'_>) -> Kind {
        let field = |name| node.child_by_field_name(name).map(|child| self.expression(child));
        let read = || match node.kind() {
            "member_expression" => {
                let property = self.text(node.child_by_field_name("property")?).to_owned();
                let sure = children(node, false).iter().any(|child| child.kind() == "!");
                bound(field("object")?, |object| {
                    let at = object.at;
                    let object =
                        if sure { Box::new(Expr { at, kind: Kind::Sure(object), grouped: false }) } else { object };
                    Some(Kind::Member(object, property))
                })
            }
            "subscript_expression" => {
                let index = Box::new(field("index")?);
                bound(field("object")?, |object| Some(Kind::Index(object, index)))
            }
            "call_expression" => self.call(node),
            "unary_expression" if self.text(node).starts_with('!') => Some(Kind::Not(Box::new(field("argument")?))),
            "binary_expression" => {
                let operator = self.text(node.child_by_field_name("operator")?).to_owned();
                Some(Kind::Binary(Box::new(field("left")?), operator, Box::new(field("right")?)))
            }
            "ternary_expression" => {
                Some(Kind::Choice(Box::new([field("condition")?, field("consequence")?, field("alternative")?])))
            }
            "parenthesized_expression" => named(node).first().map(|inner| self.expression(*inner).kind),
            _ => None,
        };
        read().unwrap_or_else(|| {
            self.unread(node);
            Kind::Null
        })
    }

    fn call(&self, node: Node<'_>) -> Option<Kind> {
        let arguments = named(node.child_by_field_name("arguments")?);
        let arguments = arguments.into_iter().map(|argument| self.expression(argument)).collect();
        bound(self.expression(node.child_by_field_name("function")?), |function| match function.kind {
            Kind::Name(name) => Some(Kind::Call(None, name, arguments)),
            Kind::Member(object, name) => Some(Kind::Call(Some(object), name, arguments)),
            _ => None,
        })
    }

    fn pieces(&self, node: Node<'_>) -> Vec<Piece> {
        let whole = self.text(node);
        if let Some(raw) = whole.strip_prefix("'''").and_then(|rest| rest.strip_suffix("'''")) {
            // A line break straight after the quotes is not part of it.
            return vec![Piece::Literal(raw.strip_prefix('\n').unwrap_or(raw).to_owned())];
        }
        let mut pieces = Vec::new();
        // What lies between insertions, white space too, which the grammar leaves out before one.
        let mut read_to = node.start_byte() + 1;
        let mut literal = |to: usize, pieces: &mut Vec<Piece>, next: usize| {
            let text = unescaped(self.text.get(read_to..to).unwrap_or_default());
            pieces.extend((!text.is_empty()).then_some(Piece::Literal(text)));
            read_to = next;
        };
        for child in named(node).into_iter().filter(|child| child.kind() == "interpolation") {
            literal(child.start_byte(), &mut pieces, child.end_byte());
            pieces.extend(named(child).first().map(|inner| Piece::Inserted(self.expression(*inner))));
        }
        literal(node.end_byte() - 1, &mut pieces, node.end_byte());
        pieces
    }

    fn property(&self, node: Node<'_>) -> Option<Property> {
        let parts = named(node);
        let [key, value] = parts.as_slice() else {
            self.unread(node);
            return None;
        };
        let name = match key.kind() {
            "string" => self.expression(*key),
            _ => {
                let name = Kind::Text(vec![Piece::Literal(self.text(*key).to_owned())]);
                Expr { at: at(*key), kind: name, grouped: false }
            }
        };
        Some(Property { at: at(node), key: name, value: self.expression(*value) })
    }

    fn for_each(&self, node: Node<'_>) -> Kind {
        let Some((each, body)) = self.each(node) else {
            self.unread(node);
            return Kind::Null;
        };
        let (condition, body) = self.conditional(body);
        Kind::For(Rc::new(each), condition.map(Box::new), Box::new(body))
    }

    /// The head and the body of a loop.
    pub(super) fn each<'t>(&self, node: Node<'t>) -> Option<(Each, Node<'t>)> {
        let body = node.child_by_field_name("body")?;
        let parts = named(node);
        let variables: Vec<_> = match parts.first()?.kind() {
            "for_loop_parameters" => named(parts[0]).into_iter().map(|name| self.text(name).to_owned()).collect(),
            _ => vec![self.text(parts[0]).to_owned()],
        };
        let over = Box::new(self.expression(*parts.get(1)?));
        Some((Each { item: variables.first()?.clone(), index: variables.get(1).cloned(), over }, body))
    }

    /// `if (condition) body`, or the body alone.
    pub(super) fn conditional(&self, node: Node<'_>) -> (Option<Expr>, Expr) {
        let parts = named(node);
        match (node.kind(), parts.as_slice()) {
            ("if_statement", [condition, body]) => (Some(self.expression(*condition)), self.expression(*body)),
            _ => (None, self.expression(node)),
        }
    }
}

/// Binds what follows an operand to that operand. The grammar binds `.`, `[` and `(` looser than operators, so that
/// `a * b.c` comes as `(a * b).c`.
fn bound(operand: Expr, follow: impl FnOnce(Box<Expr>) -> Option<Kind>) -> Option<Kind> {
    let inner = |inner: Expr, follow| bound(inner.clone(), follow).map(|kind| Expr { kind, ..inner });
    if operand.grouped {
        return follow(Box::new(operand));
    }
    match operand.kind {
        Kind::Binary(left, operator, right) => Some(Kind::Binary(left, operator, Box::new(inner(*right, follow)?))),
        Kind::Not(of) => Some(Kind::Not(Box::new(inner(*of, follow)?))),
        Kind::Choice(parts) => {
            let [condition, yes, no] = *parts;
            Some(Kind::Choice(Box::new([condition, yes, inner(no, follow)?])))
        }
        _ => follow(Box::new(operand)),
    }
}

fn unescaped(written: &str) -> String {
    let mut text = String::new();
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        let escaped = if character == '\\' { characters.next() } else { None };
        text.push(match escaped {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some(other) => other,
            None => character,
        });
    }
    text
}
