//! Errors for people: what failed, and why.

use std::error::Error;

/// The error and all that caused it, on one line.
#[must_use]
pub fn with_causes(reason: &dyn Error) -> String {
    let mut text = reason.to_string();
    let mut source = reason.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
