//! Names as they come out, against what Azure takes.

use super::table::{matches, table};
use crate::deployment::{Deployment, Item};
use crate::problem::Problem;

pub(crate) fn names(deployment: &Deployment) -> Vec<Problem> {
    let invalid = deployment.items.iter().filter(|item| !item.existing).filter_map(problem);
    invalid.chain(deployment.items.iter().filter_map(misplaced)).collect()
}

/// `a/b/c` is the type of something within an `a/b`, and says which by `parent`.
fn misplaced(item: &Item) -> Option<Problem> {
    let owner = item.kind.rsplit_once('/').map(|(owner, _)| owner).filter(|owner| owner.contains('/'));
    if item.name.is_empty() {
        return Some(item.problem("has no name"));
    }
    match (owner, &item.parent) {
        (None, None) => None,
        (Some(owner), Some((parent, _))) if owner == parent => None,
        (Some(owner), _) => Some(item.problem(&format!("needs a parent of type {owner}"))),
        (None, Some(_)) => Some(item.problem("has a parent, but its type is not within another")),
    }
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
