//! The templates under `infra/`, judged without Azure and without the Bicep compiler.
#![expect(clippy::unwrap_used, reason = "a check's helpers fail the check")]
#![expect(clippy::wildcard_enum_match_arm, reason = "checks ask about some expressions and pass over all others")]

mod agreement;
mod bicep;
mod checkov;
mod checks;
mod defects;
mod deployment;
mod judge;
mod policy;
mod problem;
mod sources;

use problem::listed;
use sources::{Sources, Templates};

#[test]
fn the_templates_can_be_read() {
    let templates = Templates::of(&Sources::of_the_repository());
    assert_eq!(listed(templates.problems), "");
    assert!(!templates.all.is_empty());
}

#[test]
fn nothing_is_wrong_with_the_templates() {
    let problems = listed(judge::problems(&Sources::of_the_repository()));
    assert!(problems.is_empty(), "\n{problems}");
}
