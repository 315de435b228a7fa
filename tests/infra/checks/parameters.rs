//! A profile gives what its template takes.

use super::decorators::value_problem;
use super::functions;
use crate::bicep::{Kind, Parameters};
use crate::problem::{At, Problem, suggestion};
use crate::sources::Templates;

const START: At = At { line: 1, column: 1 };

pub(super) fn problems(parameters: &Parameters, templates: &Templates) -> Vec<Problem> {
    let path = &parameters.path;
    let Some(target) = templates.referred(path, &parameters.using) else {
        return vec![Problem::new(path, START, format!("template '{}' is not there", parameters.using))];
    };
    let mut problems = Vec::new();
    for value in &parameters.values {
        let Some(param) = target.params.iter().find(|param| param.name == value.name) else {
            let near = suggestion(&value.name, target.params.iter().map(|param| param.name.as_str()));
            let message = format!("{} has no parameter `{}`{near}", target.path, value.name);
            problems.push(Problem::new(path, value.at, message));
            continue;
        };
        let wrong = value_problem(target, param, &value.value);
        problems.extend(wrong.map(|message| Problem::new(path, value.at, message)));
        value.value.visit(&mut Vec::new(), &mut |expression, _| {
            problems.extend(functions::problem(path, expression, &[("readEnvironmentVariable", 1..=2)]));
            if let Kind::Name(name) = &expression.kind {
                problems.push(Problem::new(path, expression.at, format!("`{name}` is not declared")));
            }
        });
    }
    for param in target.params.iter().filter(|param| param.default.is_none()) {
        if !parameters.values.iter().any(|value| value.name == param.name) {
            problems.push(Problem::new(path, START, format!("{} needs the parameter `{}`", target.path, param.name)));
        }
    }
    problems
}
