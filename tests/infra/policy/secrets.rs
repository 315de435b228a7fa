//! Secrets: marked where they come in, and in the vault only.

use crate::bicep::{Kind, Param, Template, Type};
use crate::checks::is_secure;
use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::sources::Templates;

pub(super) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    for item in &deployment.items {
        item.body.leaves("", &mut |path, value| {
            let in_vault = item.kind == "Microsoft.KeyVault/vaults/secrets" && path == ".properties.value";
            if value.is_secret() && !in_vault {
                problems.push(item.problem(&format!("{} holds a secret: {value}", path.trim_start_matches('.'))));
            }
        });
    }
    for (file, at, name, value) in &deployment.all_outputs {
        if value.is_secret() {
            problems.push(Problem::new(file, *at, format!("the output `{name}` holds a secret: {value}")));
        }
    }
    problems.extend(deployment.problems.iter().cloned());
    problems
}

/// What parameters say of themselves.
pub(super) fn of_parameters(templates: &Templates) -> Vec<Problem> {
    let mut problems = Vec::new();
    for template in &templates.all {
        for param in &template.params {
            let is_text = matches!(&param.kind, Type::Named(name) if name == "string");
            if is_text && sounds_secret(&param.name) && !is_secure(param) {
                problems.push(of_param(template, param, "sounds like a secret and is not @secure()"));
            }
            let literal = param.default.as_ref().is_some_and(|default| default.text() != Some(""));
            if is_secure(param) && literal {
                problems.push(of_param(template, param, "is @secure() and has a default that everybody can read"));
            }
        }
    }
    problems.extend(literals(templates));
    problems
}

/// Names the linter takes for secrets, and those that end in a word for one.
fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let within = ["password", "pwd", "secret", "accountkey", "acctkey"];
    let at_end = ["key", "token", "connectionstring"];
    within.iter().any(|word| name.contains(word))
        || at_end.iter().any(|word| name.trim_end_matches('s').ends_with(word))
}

fn of_param(template: &Template, param: &Param, message: &str) -> Problem {
    Problem::new(&template.path, param.at, format!("`{}` {message}", param.name))
}

/// Secrets in profiles come from the environment.
fn literals(templates: &Templates) -> Vec<Problem> {
    let mut problems = Vec::new();
    for parameters in &templates.parameters {
        let Some(target) = templates.referred(&parameters.path, &parameters.using) else { continue };
        for value in &parameters.values {
            let secure = target.params.iter().any(|param| param.name == value.name && is_secure(param));
            let from_outside = matches!(&value.value.kind, Kind::Call(..));
            if secure && !from_outside {
                let message = format!("`{}` is a secret in a file; use readEnvironmentVariable", value.name);
                problems.push(Problem::new(&parameters.path, value.at, message));
            }
        }
    }
    problems
}
