//! What the templates must agree with: the handler's settings, the functions' bindings, the stand-ins, Azure's limits.

mod messaging;
mod profiles;
mod routes;
mod settings;
mod values;

pub(crate) use profiles::of_files;

use crate::deployment::{Deployment, Item};
use crate::problem::{At, Problem};
use crate::sources::Sources;

/// What does not fit in one deployment.
pub(crate) fn problems(sources: &Sources, deployment: &Deployment) -> Vec<Problem> {
    let mut problems = settings::problems(sources, deployment);
    problems.extend(messaging::problems(sources, deployment));
    problems.extend(routes::problems(deployment));
    problems.extend(values::problems(deployment));
    problems.extend(profiles::problems(deployment));
    problems
}

/// The one resource of a type; none is a problem.
fn only<'a>(deployment: &'a Deployment, kind: &'a str, problems: &mut Vec<Problem>) -> Option<&'a Item> {
    let all: Vec<_> = deployment.of_kind(kind).collect();
    if all.len() != 1 {
        let message = format!("{} resources of type {kind} are deployed, expected one", all.len());
        problems.push(Problem::new("infra/main.bicep", At { line: 1, column: 1 }, message));
    }
    all.first().copied()
}

/// Names that one side has and the other has not.
fn differences(item: &Item, what: &str, found: &[String], expected: &[String]) -> Vec<Problem> {
    let missing = expected.iter().filter(|name| !found.contains(name)).map(|name| format!("{what} {name} is missing"));
    let extra =
        found.iter().filter(|name| !expected.contains(name)).map(|name| format!("nobody knows the {what} {name}"));
    missing.chain(extra).map(|message| item.problem(&message)).collect()
}
