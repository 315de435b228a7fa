//! The Things Stack's error bodies: what went wrong, by name, and the correlation id its support asks for.

use std::fmt;

use serde::Deserialize;

use crate::error::shortened;

/// Longest message kept of an error, in bytes.
const MAX_MESSAGE: usize = 500;

/// An API error. A proxy's HTML, or a body without details, leaves everything but the status empty.
#[derive(Debug, Default)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Innermost namespace and name, e.g. `pkg/errors:validation`; match on the name.
    pub name: String,
    code: u32,
    message: String,
    correlation_id: String,
}

/// gRPC code of a request that was right, at a wrong time.
const FAILED_PRECONDITION: u32 = 9;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    code: u32,
    message: String,
    details: Vec<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    namespace: String,
    name: String,
    correlation_id: String,
    cause: Option<Box<Details>>,
}

impl ApiError {
    /// Reads an error body.
    #[must_use]
    pub fn read(status: u16, body: &str) -> Self {
        let body: Body = serde_json::from_str(body).unwrap_or_default();
        let details = body.details.into_iter().find(|details| !details.name.is_empty()).unwrap_or_default();
        let correlation_id = details.correlation_id.clone();
        let root = innermost(details);
        let name = if root.name.is_empty() { String::new() } else { format!("{}:{}", root.namespace, root.name) };
        let message = shortened(&body.message, MAX_MESSAGE).to_owned();
        Self { status, name, code: body.code, message, correlation_id }
    }

    /// Whether the request was right and something an operator can mend was not; this API answers that with 400 too.
    #[must_use]
    pub fn is_about_the_state(&self) -> bool {
        self.code == FAILED_PRECONDITION
    }

    /// Whether the token itself is malformed, which this API answers with 400 like a bad request.
    #[must_use]
    pub fn is_about_the_token(&self) -> bool {
        self.name == "pkg/auth:token"
    }
}

fn innermost(mut details: Details) -> Details {
    while let Some(cause) = details.cause.take() {
        details = *cause;
    }
    details
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "status {}", self.status)?;
        if !self.name.is_empty() {
            write!(formatter, " {}", self.name)?;
        }
        if !self.message.is_empty() {
            write!(formatter, " ({})", self.message)?;
        }
        if !self.correlation_id.is_empty() {
            write!(formatter, ", correlation id {}", self.correlation_id)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_cause_names_the_error_and_the_correlation_id_is_shown() {
        let body = r#"{"code":3,"message":"invalid","details":[{"namespace":"pkg/web","name":"outer","correlation_id":"5f0c",
            "cause":{"namespace":"pkg/errors","name":"validation","code":3}}]}"#;
        let error = ApiError::read(400, body);
        assert_eq!(error.name, "pkg/errors:validation");
        assert_eq!(error.to_string(), "status 400 pkg/errors:validation (invalid), correlation id 5f0c");
        assert!(!error.is_about_the_token() && !error.is_about_the_state());
        assert!(ApiError::read(400, r#"{"code":9,"message":"not now"}"#).is_about_the_state());
    }

    #[test]
    fn bodies_without_details_leave_the_status() {
        for body in ["", "<html>", r#"{"code":5,"message":"","details":[]}"#, "{}"] {
            assert_eq!(ApiError::read(404, body).to_string(), "status 404");
        }
    }
}
