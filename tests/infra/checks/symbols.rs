//! Names: declared once, used, and no others.

use std::collections::BTreeSet;

use crate::bicep::{Expr, Kind, Template, Type};
use crate::problem::{At, Problem, suggestion};

/// Namespaces of functions.
pub(super) const NAMESPACES: [&str; 2] = ["az", "sys"];
const TYPES: [&str; 7] = ["array", "bool", "int", "object", "secureObject", "secureString", "string"];

pub(super) fn problems(template: &Template) -> Vec<Problem> {
    let declared = declared(template);
    let mut problems = doubles(template, &declared);
    let known: BTreeSet<&str> = declared.iter().map(|(name, ..)| *name).collect();
    let mut used = BTreeSet::new();
    template.visit(&mut |expression: &Expr, within| {
        let Kind::Name(name) = &expression.kind else { return };
        used.insert(name.as_str());
        let name = name.as_str();
        if !known.contains(name) && !within.contains(&name) && !NAMESPACES.contains(&name) {
            let near = suggestion(name, known.iter().chain(within).copied());
            problems.push(Problem::new(&template.path, expression.at, format!("`{name}` is not declared{near}")));
        }
    });
    for (name, at, what) in declared.iter().filter(|(name, _, what)| *what != "resource" && !used.contains(name)) {
        if *what != "module" {
            problems.push(Problem::new(&template.path, *at, format!("{what} `{name}` is not used")));
        }
    }
    problems.extend(type_names(template));
    problems
}

/// Every symbol with its kind.
fn declared(template: &Template) -> Vec<(&str, At, &'static str)> {
    let params = template.params.iter().map(|param| (param.name.as_str(), param.at, "parameter"));
    let vars = template.vars.iter().map(|var| (var.name.as_str(), var.at, "variable"));
    let resources = template.resources.iter().map(|resource| {
        (resource.symbol.as_str(), resource.at, if resource.existing { "existing resource" } else { "resource" })
    });
    let modules = template.modules.iter().map(|module| (module.symbol.as_str(), module.at, "module"));
    params.chain(vars).chain(resources).chain(modules).collect()
}

fn doubles(template: &Template, declared: &[(&str, At, &str)]) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    let again = declared.iter().filter(|(name, ..)| !seen.insert(*name));
    again.map(|(name, at, _)| Problem::new(&template.path, *at, format!("`{name}` is declared twice"))).collect()
}

fn type_names(template: &Template) -> Vec<Problem> {
    let of_params = template.params.iter().map(|param| (&param.kind, param.at));
    let of_outputs = template.outputs.iter().map(|output| (&output.kind, output.at));
    let aliases: BTreeSet<&str> = template.types.iter().map(|alias| alias.name.as_str()).collect();
    let mut used = BTreeSet::new();
    let mut problems = Vec::new();
    for (kind, at) in of_params.chain(of_outputs) {
        let Type::Named(name) = kind else { continue };
        used.insert(name.as_str());
        if !TYPES.contains(&name.as_str()) && !aliases.contains(name.as_str()) {
            let near = suggestion(name, aliases.iter().copied().chain(TYPES));
            problems.push(Problem::new(&template.path, at, format!("type `{name}` is not declared{near}")));
        }
    }
    let unused = template.types.iter().filter(|alias| !used.contains(alias.name.as_str()));
    let unused = unused.map(|alias| (alias.at, format!("type `{}` is not used", alias.name)));
    problems.extend(unused.map(|(at, message)| Problem::new(&template.path, at, message)));
    problems
}
