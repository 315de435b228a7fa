//! Visiting every expression.

use super::{Deployed, Each, Expr, Kind, Piece, Template};

impl Expr {
    /// Visits this expression and all within it; `within` are the loop variables that are known there.
    pub(crate) fn visit<'a>(&'a self, within: &mut Vec<&'a str>, visitor: &mut dyn FnMut(&'a Expr, &[&'a str])) {
        visitor(self, within);
        match &self.kind {
            Kind::Text(pieces) => {
                for piece in pieces {
                    if let Piece::Inserted(inner) = piece {
                        inner.visit(within, visitor);
                    }
                }
            }
            Kind::Object(properties) => {
                for property in properties {
                    property.key.visit(within, visitor);
                    property.value.visit(within, visitor);
                }
            }
            Kind::Array(items) => items.iter().for_each(|item| item.visit(within, visitor)),
            Kind::Member(inner, _) | Kind::Not(inner) | Kind::Sure(inner) => inner.visit(within, visitor),
            Kind::Index(left, right) | Kind::Binary(left, _, right) => {
                left.visit(within, visitor);
                right.visit(within, visitor);
            }
            Kind::Call(object, _, arguments) => {
                object.iter().for_each(|object| object.visit(within, visitor));
                arguments.iter().for_each(|argument| argument.visit(within, visitor));
            }
            Kind::Choice(parts) => parts.iter().for_each(|part| part.visit(within, visitor)),
            Kind::For(each, condition, body) => {
                let known = each.enter(within, visitor);
                condition.iter().for_each(|condition| condition.visit(within, visitor));
                body.visit(within, visitor);
                within.truncate(known);
            }
            Kind::Number(_) | Kind::Bool(_) | Kind::Null | Kind::Name(_) => {}
        }
    }
}

impl Each {
    /// Visits what is looped over and makes the variables known; returns how many there were before.
    fn enter<'a>(&'a self, within: &mut Vec<&'a str>, visitor: &mut dyn FnMut(&'a Expr, &[&'a str])) -> usize {
        self.over.visit(within, visitor);
        let known = within.len();
        within.push(&self.item);
        within.extend(self.index.as_deref());
        known
    }
}

impl Deployed {
    pub(crate) fn visit<'a>(&'a self, visitor: &mut dyn FnMut(&'a Expr, &[&'a str])) {
        let mut within = Vec::new();
        if let Some(each) = &self.each {
            each.enter(&mut within, visitor);
        }
        self.condition.iter().for_each(|condition| condition.visit(&mut within, visitor));
        self.body.visit(&mut within, visitor);
    }
}

impl Template {
    /// Visits every expression but decorators.
    pub(crate) fn visit<'a>(&'a self, visitor: &mut dyn FnMut(&'a Expr, &[&'a str])) {
        let defaults = self.params.iter().filter_map(|param| param.default.as_ref());
        let values = self.vars.iter().map(|var| &var.value).chain(self.outputs.iter().map(|output| &output.value));
        defaults.chain(values).for_each(|expression| expression.visit(&mut Vec::new(), visitor));
        self.resources.iter().for_each(|resource| resource.deployed.visit(visitor));
        self.modules.iter().for_each(|module| module.deployed.visit(visitor));
    }

    /// Visits every decorator.
    pub(crate) fn visit_decorators<'a>(&'a self, visitor: &mut dyn FnMut(&'a Expr)) {
        let of_params = self.params.iter().map(|param| &param.decorators);
        let of_outputs = self.outputs.iter().map(|output| &output.decorators);
        let of_resources = self.resources.iter().map(|resource| &resource.decorators);
        let of_modules = self.modules.iter().map(|module| &module.decorators);
        of_params.chain(of_outputs).chain(of_resources).chain(of_modules).flatten().for_each(visitor);
    }
}
