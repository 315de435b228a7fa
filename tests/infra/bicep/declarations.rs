//! Files and what they declare.

use tree_sitter::Node;

use super::reader::{Reader, at, children, named};
use super::{Alias, Deployed, Expr, Module, Output, Param, Parameters, Resource, Template, Type, Var};
use crate::problem::Problem;

/// What was read, and what could not be.
pub(crate) struct Parsed<T> {
    pub(crate) read: T,
    pub(crate) problems: Vec<Problem>,
}

/// Reads a `.bicep` file.
pub(crate) fn parse(path: &str, text: &str) -> Parsed<Template> {
    let reader = Reader { path, text, problems: Vec::new().into() };
    let mut template = Template { path: path.to_owned(), ..Template::default() };
    let tree = reader.tree();
    if reader.problems.borrow().is_empty() {
        let mut decorators = Vec::new();
        for node in named(tree.root_node()) {
            if node.kind() == "decorators" {
                decorators = reader.decorators(node);
            } else if reader.declaration(node, std::mem::take(&mut decorators), &mut template).is_none() {
                reader.unread(node);
            }
        }
    }
    Parsed { read: template, problems: reader.problems.into_inner() }
}

/// Reads a `.bicepparam` file. The grammar does not know them, so `param x =` is read as a variable.
pub(crate) fn parse_parameters(path: &str, text: &str) -> Parsed<Parameters> {
    let mut using = String::new();
    let as_template = |line: &str| {
        if let Some(reference) = line.strip_prefix("using ") {
            using = reference.trim().trim_matches('\'').to_owned();
            return String::from("\n");
        }
        let variable = line.strip_prefix("param ").map(|rest| format!("var   {rest}"));
        variable.unwrap_or_else(|| line.to_owned())
    };
    let text: String = text.split_inclusive('\n').map(as_template).collect();
    let Parsed { read, problems } = parse(path, &text);
    Parsed { read: Parameters { path: path.to_owned(), using, values: read.vars }, problems }
}

impl Reader<'_> {
    fn decorators(&self, node: Node<'_>) -> Vec<Expr> {
        let calls = named(node).into_iter().filter_map(|decorator| named(decorator).first().copied());
        calls.map(|call| self.expression(call)).collect()
    }

    fn declaration(&self, node: Node<'_>, decorators: Vec<Expr>, template: &mut Template) -> Option<()> {
        let parts = named(node);
        let at = at(node);
        if ["metadata_declaration", "target_scope_assignment"].contains(&node.kind()) {
            return Some(());
        }
        let name = self.text(*parts.first()?).to_owned();
        let value = || parts.last().map(|last| self.expression(*last));
        match (node.kind(), parts.len()) {
            ("parameter_declaration", 2 | 3) => {
                let default = if parts.len() == 3 { value() } else { None };
                template.params.push(Param { name, at, kind: self.kind(parts[1]), default, decorators });
            }
            ("variable_declaration", 2) => template.vars.push(Var { name, at, value: value()? }),
            ("type_declaration", 2) => template.types.push(Alias { name, at, kind: self.kind(parts[1]) }),
            ("output_declaration", 3) => {
                template.outputs.push(Output { name, at, kind: self.kind(parts[1]), value: value()?, decorators });
            }
            ("resource_declaration", 3) => {
                let existing = children(node, false).iter().any(|child| child.kind() == "existing");
                let type_and_version = self.expression(parts[1]).text()?.to_owned();
                let deployed = self.deployed(parts[2])?;
                let resource = Resource { symbol: name, at, type_and_version, existing, deployed, decorators };
                template.resources.push(resource);
            }
            ("module_declaration", 3) => {
                let reference = self.expression(parts[1]).text()?.to_owned();
                let deployed = self.deployed(parts[2])?;
                template.modules.push(Module { symbol: name, at, reference, deployed, decorators });
            }
            _ => return None,
        }
        Some(())
    }

    fn deployed(&self, node: Node<'_>) -> Option<Deployed> {
        let (each, node) = match node.kind() {
            "for_statement" => self.each(node).map(|(each, body)| (Some(each), body))?,
            _ => (None, node),
        };
        let (condition, body) = self.conditional(node);
        Some(Deployed { each, condition, body })
    }

    fn kind(&self, node: Node<'_>) -> Type {
        let parts = named(node);
        match node.kind() {
            "type" => parts.first().map_or_else(|| Type::Named(self.text(node).to_owned()), |inner| self.kind(*inner)),
            "primitive_type" | "identifier" => Type::Named(self.text(node).to_owned()),
            "string" => self.expression(node).text().map_or(Type::Other, |text| Type::OneOf(vec![text.to_owned()])),
            "union_type" | "binary_expression" => {
                let mut values = Vec::new();
                for part in parts {
                    match self.kind(part) {
                        Type::OneOf(more) => values.extend(more),
                        Type::Named(_) | Type::Other => return Type::Other,
                    }
                }
                Type::OneOf(values)
            }
            _ => Type::Other,
        }
    }
}
