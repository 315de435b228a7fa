//! The templates under `infra/`, judged without Azure and without the Bicep compiler.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a check's helpers fail the check")]

mod bicep;
mod checks;
mod deployment;
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
fn the_templates_name_what_there_is_and_give_what_is_needed() {
    let templates = Templates::of(&Sources::of_the_repository());
    assert_eq!(listed(checks::problems(&templates)), "");
}
