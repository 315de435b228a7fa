//! Modules are given what they take.

use super::decorators::{allowed, value_problem};
use super::kinds::Simple;
use crate::bicep::{Expr, Kind, Module, Param, Template};
use crate::problem::{Problem, suggestion};
use crate::sources::Templates;

const OF_A_MODULE: [&str; 4] = ["name", "scope", "params", "dependsOn"];

pub(super) fn problems(template: &Template, templates: &Templates) -> Vec<Problem> {
    template.modules.iter().flat_map(|module| of_module(template, module, templates)).collect()
}

fn of_module(template: &Template, module: &Module, templates: &Templates) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut complain = |at, message: String| problems.push(Problem::new(&template.path, at, message));
    let Some(target) = templates.referred(&template.path, &module.reference) else {
        complain(module.at, format!("module '{}' is not there", module.reference));
        return problems;
    };
    for property in module.deployed.body.properties() {
        let name = property.key.text().unwrap_or_default();
        if !OF_A_MODULE.contains(&name) {
            complain(property.at, format!("a module has no `{name}`{}", suggestion(name, OF_A_MODULE)));
        }
    }
    let given = module.deployed.body.property("params").map(|params| params.properties()).unwrap_or_default();
    for property in given {
        let name = property.key.text().unwrap_or_default();
        let Some(param) = target.params.iter().find(|param| param.name == name) else {
            let near = suggestion(name, target.params.iter().map(|param| param.name.as_str()));
            complain(property.at, format!("{} has no parameter `{name}`{near}", target.path));
            continue;
        };
        if let Some(found) = value_problem(target, param, &property.value) {
            complain(property.at, found);
            continue;
        }
        if let Some(values) = not_allowed(template, &property.value, target, param) {
            complain(property.at, format!("`{name}` may be {values} here, which {} does not take", target.path));
        }
        let (found, expected) = (Simple::of(&property.value, template), Simple::of_type(&param.kind, target));
        if let (Some(found), Some(expected)) = (found, expected)
            && found != expected
        {
            complain(property.at, format!("`{name}` is {}, expected {}", found.name(), expected.name()));
        }
    }
    for param in target.params.iter().filter(|param| param.default.is_none()) {
        if !given.iter().any(|property| property.key.text() == Some(&param.name)) {
            complain(module.at, format!("{} needs the parameter `{}`", target.path, param.name));
        }
    }
    problems
}

/// Values that a parameter of ours may have and the module's may not.
fn not_allowed(template: &Template, value: &Expr, target: &Template, param: &Param) -> Option<String> {
    let Kind::Name(name) = &value.kind else { return None };
    let ours = allowed(template, template.params.iter().find(|param| param.name == *name)?)?;
    let theirs = allowed(target, param)?;
    let more: Vec<_> = ours.into_iter().filter(|value| !theirs.contains(value)).collect();
    (!more.is_empty()).then(|| more.join(", "))
}
