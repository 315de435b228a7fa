//! Decorators, and what our parameters and outputs must say about themselves.

use crate::bicep::{Expr, Kind, Output, Param, Template, Type, decorator, has_decorator};
use crate::checks::Simple;
use crate::checks::kinds::fits;
use crate::problem::{Problem, suggestion};

const DECORATORS: [&str; 11] = [
    "allowed",
    "batchSize",
    "description",
    "discriminator",
    "export",
    "maxLength",
    "maxValue",
    "metadata",
    "minLength",
    "minValue",
    "secure",
];

pub(super) fn problems(template: &Template) -> Vec<Problem> {
    let mut problems = Vec::new();
    template.visit_decorators(&mut |decorator: &Expr| {
        let known = matches!(&decorator.kind, Kind::Call(_, name, _) if DECORATORS.contains(&name.as_str()));
        if let (false, Kind::Call(_, name, _)) = (known, &decorator.kind) {
            let near = suggestion(name, DECORATORS);
            problems.push(Problem::new(&template.path, decorator.at, format!("there is no decorator `{name}`{near}")));
        }
    });
    let params = template.params.iter().map(|param| (&param.name, param.at, &param.decorators));
    let outputs = template.outputs.iter().map(|output| (&output.name, output.at, &output.decorators));
    for (name, at, decorators) in params.chain(outputs) {
        if !has_decorator(decorators, "description") {
            problems.push(Problem::new(&template.path, at, format!("`{name}` has no @description")));
        }
    }
    problems.extend(template.params.iter().flat_map(|param| of_param(template, param)));
    problems.extend(template.outputs.iter().filter_map(|output| of_output(template, output)));
    problems
}

fn of_output(template: &Template, output: &Output) -> Option<Problem> {
    let (found, expected) = (Simple::of(&output.value, template)?, Simple::of_type(&output.kind, template)?);
    let message = || format!("`{}` is {}, expected {}", output.name, found.name(), expected.name());
    (found != expected).then(|| Problem::new(&template.path, output.at, message()))
}

fn of_param(template: &Template, param: &Param) -> Vec<Problem> {
    let mut problems = Vec::new();
    let name = &param.name;
    if let Some(default) = &param.default {
        problems.extend(
            value_problem(template, param, default).map(|found| Problem::new(&template.path, default.at, found)),
        );
    }
    let has = |name| has_decorator(&param.decorators, name);
    let is = |kind: &str| matches!(&param.kind, Type::Named(name) if name == kind);
    let bounded = match () {
        () if has("allowed") || name == "location" => true,
        () if is("int") => has("minValue") && has("maxValue"),
        () if is("string") => has("minLength") || has("maxLength"),
        () => true,
    };
    // Modules are given what main.bicep has let through.
    if !bounded && !template.path.contains("/modules/") {
        let message = format!("`{name}` is not bounded: say @allowed, or least and largest value or length");
        problems.push(Problem::new(&template.path, param.at, message));
    }
    problems
}

/// Why a parameter cannot have this value, as far as the value is literal.
pub(super) fn value_problem(template: &Template, param: &Param, value: &Expr) -> Option<String> {
    let name = &param.name;
    let expected = Simple::of_type(&param.kind, template);
    if let Some(found) = fits(value, expected) {
        return Some(format!("`{name}` is {found}, expected {}", expected?.name()));
    }
    let text = value.text()?;
    let allowed = allowed(template, param)?;
    if allowed.contains(&text.to_owned()) {
        return None;
    }
    Some(format!("`{name}` is '{text}', expected one of {}", allowed.join(", ")))
}

/// Whether a parameter is a secret.
pub(crate) fn is_secure(param: &Param) -> bool {
    has_decorator(&param.decorators, "secure")
}

/// The strings a parameter may be, if that is limited.
pub(super) fn allowed(template: &Template, param: &Param) -> Option<Vec<String>> {
    if let Some([Expr { kind: Kind::Array(items), .. }]) = decorator(&param.decorators, "allowed") {
        return Some(items.iter().filter_map(|item| item.text().map(str::to_owned)).collect());
    }
    match &param.kind {
        Type::OneOf(values) => Some(values.clone()),
        Type::Named(name) => match &template.types.iter().find(|alias| alias.name == *name)?.kind {
            Type::OneOf(values) => Some(values.clone()),
            Type::Named(_) | Type::Other => None,
        },
        Type::Other => None,
    }
}
