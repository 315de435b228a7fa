//! Deliberate defects, one in each copy of the real files: each check finds what it is for.

mod agreement;
mod language;
mod linter;
mod programs;
mod secrets;
mod security;
mod types;

use crate::judge;
use crate::problem::Problem;
use crate::sources::Sources;

/// A defect: what it is, where, the text and what it becomes, and part of what has to be said about it.
#[derive(Debug, Clone, Copy)]
struct Defect {
    title: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    said: &'static str,
}

const fn defect(
    title: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
    said: &'static str,
) -> Defect {
    Defect { title, file, from, to, said }
}

impl Defect {
    /// The first problem that tells of it.
    fn found(&self) -> Option<Problem> {
        let sources = Sources::of_the_repository().with(self.file, self.from, self.to);
        judge::problems(&sources).into_iter().find(|problem| problem.message.contains(self.said))
    }
}

/// Fails unless each defect is found. Prints a line for each.
fn all_are_found(defects: &[Defect]) {
    let missed: Vec<_> = defects.iter().filter(|defect| !is_found(defect)).map(|defect| defect.title).collect();
    assert!(missed.is_empty(), "not found: {missed:#?}");
}

#[expect(clippy::print_stdout, reason = "the table of defects, seen with --nocapture")]
fn is_found(defect: &Defect) -> bool {
    let found = defect.found();
    let said = found.as_ref().map_or_else(|| "NOT FOUND".to_owned(), ToString::to_string);
    println!("{:<62} {said}", defect.title);
    found.is_some()
}

#[test]
#[should_panic(expected = "describe the defect anew")]
fn a_defect_that_does_not_fit_any_more_fails() {
    Sources::of_the_repository().with("infra/main.bicep", "there is no such line", "");
}
