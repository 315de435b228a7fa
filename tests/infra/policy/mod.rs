//! The security baseline: what every deployment must and must not have.

mod alerts;
mod diagnostics;
mod identities;
mod iot_hub;
mod references;
mod secrets;
mod services;
mod site;

use crate::deployment::{Deployment, Item, Value};
use crate::problem::Problem;
use crate::sources::Templates;

/// What is wrong with one deployment.
pub(crate) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let rules = [
        services::problems,
        site::problems,
        iot_hub::problems,
        identities::problems,
        diagnostics::problems,
        alerts::problems,
        secrets::problems,
    ];
    rules.iter().flat_map(|rule| rule(deployment)).collect()
}

/// What is wrong with the templates, whatever is deployed.
pub(crate) fn of_templates(templates: &Templates) -> Vec<Problem> {
    let mut problems = references::problems(templates);
    problems.extend(secrets::of_parameters(templates));
    problems
}

/// A property and the value it must have.
type Rule<'a> = (&'a str, Value);

/// The rules that resources of a type do not keep.
fn broken(deployment: &Deployment, kind: &str, rules: &[Rule<'_>]) -> Vec<Problem> {
    let of_item = |item: &Item| rules.iter().filter_map(|(path, value)| item.expect(path, value)).collect::<Vec<_>>();
    deployment.of_kind(kind).flat_map(of_item).collect()
}

const TRUE: Value = Value::Bool(true);
const FALSE: Value = Value::Bool(false);
