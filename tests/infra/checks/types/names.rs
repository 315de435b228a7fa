//! Names as they come out, against what Azure takes.

use super::table::{matches, table};
use crate::deployment::{Deployment, Item};
use crate::problem::Problem;

pub(crate) fn names(deployment: &Deployment) -> Vec<Problem> {
    deployment.items.iter().filter(|item| !item.existing).filter_map(problem).collect()
}

fn problem(item: &Item) -> Option<Problem> {
    let (_, types) = table().iter().find(|(kind, _)| kind.split('@').next() == Some(&item.kind))?;
    let rules = types.types.get("body")?.properties.get("name")?;
    let name = &item.name;
    // Azure's own consumer group, and what only Azure knows.
    if name.contains('‹') || name == "$Default" {
        return None;
    }
    let length = name.chars().count();
    let (least, most) = (rules.min_length.unwrap_or(1), rules.max_length.unwrap_or(usize::MAX));
    if length < least || length > most {
        return Some(item.problem(&format!("the name {name} has {length} characters, expected {least} to {most}")));
    }
    let pattern = rules.pattern.as_deref()?;
    (matches(pattern, name) == Some(false)).then(|| item.problem(&format!("the name {name} does not match {pattern}")))
}
