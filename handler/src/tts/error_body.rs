//! The Things Stack's error bodies: what went wrong, by name, and the correlation id its support asks for.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::shortened;

/// Longest message kept of an error, in bytes.
const MAX_MESSAGE: usize = 500;

/// An API error. A proxy's HTML, or a body without details, leaves everything but the status empty.
#[derive(Debug, Default)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    code: u32,
    message: String,
    correlation_id: String,
    /// The error and its causes, outermost first.
    chain: Vec<Link>,
}

#[derive(Debug)]
struct Link {
    namespace: String,
    name: String,
    attributes: Map<String, Value>,
}

/// gRPC code of a request that was right, at a wrong time.
const FAILED_PRECONDITION: u32 = 9;

/// gRPC code of a request that met another one.
const ABORTED: u32 = 10;

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
    attributes: Map<String, Value>,
    cause: Option<Box<Details>>,
}

impl ApiError {
    /// Reads an error body.
    #[must_use]
    pub fn read(status: u16, body: &str) -> Self {
        let body: Body = serde_json::from_str(body).unwrap_or_default();
        let message = shortened(&body.message, MAX_MESSAGE).to_owned();
        let mut error = Self { status, code: body.code, message, ..Self::default() };
        let mut next = body.details.into_iter().find(|details| !details.name.is_empty()).map(Box::new);
        error.correlation_id = next.as_ref().map(|details| details.correlation_id.clone()).unwrap_or_default();
        while let Some(details) = next {
            let Details { namespace, name, attributes, cause, .. } = *details;
            error.chain.push(Link { namespace, name, attributes });
            next = cause;
        }
        error
    }

    /// Whether the error, or one of its causes, has this name. Namespaces move between versions.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.chain.iter().any(|link| link.name == name)
    }

    /// An attribute of the error or of one of its causes; a list as one text.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<String> {
        match self.chain.iter().find_map(|link| link.attributes.get(name))? {
            Value::String(text) => Some(shortened(text, MAX_MESSAGE).to_owned()),
            Value::Array(elements) => {
                let texts: Vec<_> = elements.iter().filter_map(Value::as_str).collect();
                Some(shortened(&texts.join(", "), MAX_MESSAGE).to_owned())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        }
    }

    /// Whether it does not come from one of The Things Stack's servers: a route that is missing, or a proxy.
    #[must_use]
    pub fn has_no_details(&self) -> bool {
        self.chain.is_empty()
    }

    /// Whether the request was right and something else was not, which may change; this API answers that with 400 too.
    #[must_use]
    pub fn is_about_the_state(&self) -> bool {
        self.code == FAILED_PRECONDITION
    }

    /// Whether another request was in the way, which this API answers with 409 like an id that is taken.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.code == ABORTED
    }

    /// Whether only the device of the request is concerned, whatever the status says: its payload formatter, which answers
    /// 409 or 5xx when it refuses a payload, or the session it has just now.
    #[must_use]
    pub fn is_about_one_device(&self) -> bool {
        self.is_of_a_formatter() || self.is("rebuild") || self.is("no_app_s_key")
    }

    /// Whether a payload formatter did not take the payload.
    fn is_of_a_formatter(&self) -> bool {
        let is_it =
            |link: &Link| ["pkg/messageprocessors", "pkg/scripting"].iter().any(|of| link.namespace.starts_with(of));
        self.chain.iter().any(is_it)
    }

    /// Whether the token itself is malformed, which this API answers with 400 like a bad request.
    #[must_use]
    pub fn is_about_the_token(&self) -> bool {
        self.chain.last().is_some_and(|link| link.namespace == "pkg/auth" && link.name == "token")
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "status {}", self.status)?;
        if let Some(Link { namespace, name, .. }) = self.chain.last() {
            write!(formatter, " {namespace}:{name}")?;
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
            "attributes":{"device_id":"sensor-1"},"cause":{"namespace":"pkg/errors","name":"validation","code":3}}]}"#;
        let error = ApiError::read(400, body);
        assert!(error.is("validation") && error.is("outer") && !error.is("id_taken"));
        assert_eq!(error.attribute("device_id"), Some("sensor-1".to_owned()));
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
