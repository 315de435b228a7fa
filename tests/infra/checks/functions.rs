//! Functions the compiler knows, with as many arguments as they take.

use std::ops::RangeInclusive;

use super::symbols::NAMESPACES;
use crate::bicep::{Expr, Kind, Template};
use crate::problem::{Problem, suggestion};

const MANY: usize = usize::MAX;

/// Function and how many arguments it takes.
const FUNCTIONS: [(&str, RangeInclusive<usize>); 69] = [
    ("any", 1..=1),
    ("array", 1..=1),
    ("base64", 1..=1),
    ("base64ToJson", 1..=1),
    ("base64ToString", 1..=1),
    ("bool", 1..=1),
    ("cidrHost", 2..=2),
    ("cidrSubnet", 3..=3),
    ("coalesce", 1..=MANY),
    ("concat", 0..=MANY),
    ("contains", 2..=2),
    ("dataUri", 1..=1),
    ("dateTimeAdd", 2..=3),
    ("dateTimeFromEpoch", 1..=1),
    ("dateTimeToEpoch", 1..=1),
    ("deployment", 0..=0),
    ("empty", 1..=1),
    ("endsWith", 2..=2),
    ("environment", 0..=0),
    ("extensionResourceId", 3..=MANY),
    ("fail", 1..=1),
    ("first", 1..=1),
    ("flatten", 1..=1),
    ("format", 1..=MANY),
    ("guid", 1..=MANY),
    ("indexOf", 2..=2),
    ("int", 1..=1),
    ("intersection", 2..=MANY),
    ("items", 1..=1),
    ("join", 2..=2),
    ("json", 1..=1),
    ("last", 1..=1),
    ("lastIndexOf", 2..=2),
    ("length", 1..=1),
    ("listKeys", 2..=3),
    ("loadFileAsBase64", 1..=1),
    ("loadJsonContent", 1..=3),
    ("loadTextContent", 1..=2),
    ("loadYamlContent", 1..=3),
    ("managementGroup", 0..=1),
    ("max", 1..=MANY),
    ("min", 1..=MANY),
    ("newGuid", 0..=0),
    ("objectKeys", 1..=1),
    ("padLeft", 2..=3),
    ("range", 2..=2),
    ("reference", 1..=3),
    ("replace", 3..=3),
    ("resourceGroup", 0..=2),
    ("resourceId", 2..=MANY),
    ("skip", 2..=2),
    ("split", 2..=2),
    ("startsWith", 2..=2),
    ("string", 1..=1),
    ("subscription", 0..=1),
    ("subscriptionResourceId", 2..=MANY),
    ("substring", 2..=3),
    ("take", 2..=2),
    ("tenant", 0..=0),
    ("tenantResourceId", 2..=MANY),
    ("toLower", 1..=1),
    ("toUpper", 1..=1),
    ("trim", 1..=1),
    ("union", 1..=MANY),
    ("uniqueString", 1..=MANY),
    ("uri", 2..=2),
    ("uriComponent", 1..=1),
    ("uriComponentToString", 1..=1),
    ("utcNow", 0..=1),
];
/// Functions of a resource besides those whose name begins with `list`.
const OF_RESOURCES: [&str; 1] = ["getSecret"];

pub(super) fn problems(template: &Template) -> Vec<Problem> {
    let mut problems = Vec::new();
    template.visit(&mut |expression, _| problems.extend(problem(&template.path, expression, &[])));
    problems
}

/// What is wrong with a call, if the expression is one. `more` is known in addition to `FUNCTIONS`.
pub(super) fn problem(
    path: &str,
    expression: &Expr,
    more: &[(&'static str, RangeInclusive<usize>)],
) -> Option<Problem> {
    let Kind::Call(object, name, arguments) = &expression.kind else { return None };
    let complaint = |message| Some(Problem::new(path, expression.at, message));
    let is_namespace = |object: &Expr| matches!(&object.kind, Kind::Name(name) if NAMESPACES.contains(&name.as_str()));
    if object.as_deref().is_some_and(|object| !is_namespace(object)) {
        let known = name.starts_with("list") || OF_RESOURCES.contains(&name.as_str());
        return if known { None } else { complaint(format!("no resource has a function `{name}`")) };
    }
    let known = || FUNCTIONS.iter().chain(more);
    let Some((_, count)) = known().find(|(known, _)| known == name) else {
        let near = suggestion(name, known().map(|(name, _)| *name));
        return complaint(format!("there is no function `{name}`{near}"));
    };
    if count.contains(&arguments.len()) {
        return None;
    }
    complaint(format!("`{name}` does not take {} arguments", arguments.len()))
}

#[test]
fn functions_are_in_order() {
    assert!(FUNCTIONS.is_sorted_by_key(|(name, _)| *name));
}
