//! Strings and numbers within their limits.

use super::table::{PropertyType, matches};
use crate::bicep::{Expr, Kind};
use crate::problem::suggestion;

/// What is wrong with a literal.
pub(super) fn problem(found: &Expr, expected: &PropertyType) -> Option<String> {
    if let Kind::Number(number) = found.kind {
        let (least, most) = (expected.min.unwrap_or(i64::MIN), expected.max.unwrap_or(i64::MAX));
        return (number < least || number > most).then(|| format!("is {number}, expected {least} to {most}"));
    }
    let text = found.text()?;
    if !expected.values.is_empty() && !expected.values.iter().any(|value| value == text) {
        let near = suggestion(text, expected.values.iter().map(String::as_str));
        let note = if expected.open { ", though the compiler would take it" } else { "" };
        return Some(format!("is '{text}', expected one of {}{note}{near}", expected.values.join(" | ")));
    }
    let (least, most) = (expected.min_length.unwrap_or(0), expected.max_length.unwrap_or(usize::MAX));
    let length = text.chars().count();
    if length < least || length > most {
        return Some(format!("has {length} characters, expected {least} to {most}"));
    }
    let pattern = expected.pattern.as_deref()?;
    // Azure's own consumer group is in no pattern.
    (text != "$Default" && matches(pattern, text) == Some(false))
        .then(|| format!("is '{text}', expected to match {pattern}"))
}
