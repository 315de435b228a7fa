//! Errors as The Things Stack answers them: a gRPC status, usually with `ErrorDetails`.

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::rate_limit::Quota;

/// gRPC codes in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    InvalidArgument = 3,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

impl Code {
    fn status(self) -> u16 {
        match self {
            Self::InvalidArgument | Self::FailedPrecondition => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Aborted => 409,
            Self::ResourceExhausted => 429,
            Self::Internal => 500,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
        }
    }
}

/// One error answer.
#[derive(Debug, Clone)]
pub(super) struct Rejection {
    code: Code,
    message: String,
    details: Option<Box<Details>>,
    quota: Option<Quota>,
}

/// What The Things Stack itself adds to a gRPC status.
#[derive(Debug, Clone)]
struct Details {
    namespace: &'static str,
    name: &'static str,
    attributes: Map<String, Value>,
    cause: Option<Rejection>,
}

impl Rejection {
    /// An error defined in `namespace` under `name`, e.g. `pkg/errors` and `validation`.
    pub(super) fn new(code: Code, namespace: &'static str, name: &'static str, message: impl Into<String>) -> Self {
        let details = Box::new(Details { namespace, name, attributes: Map::new(), cause: None });
        Self { code, message: message.into(), details: Some(details), quota: None }
    }

    /// An error the HTTP gateway answers by itself: it has no details.
    pub(super) fn bare(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, quota: None }
    }

    /// A value the request's validation rules refuse.
    pub(super) fn validation(field: &str, reason: &str) -> Self {
        Self::new(Code::InvalidArgument, "pkg/errors", "validation", format!("invalid `{field}`: {reason}"))
            .with("field", field)
            .with("reason", reason)
    }

    /// The route does not exist, e.g. because this edition has no such package.
    pub(super) fn no_route() -> Self {
        Self::bare(Code::NotFound, "Not Found")
    }

    /// Too many requests: `X-Rate-Limit-*` headers and never a `Retry-After`.
    pub(super) fn rate_limited(quota: Quota) -> Self {
        let name = "rate_limit_exceeded";
        let rejection = Self::new(Code::ResourceExhausted, "pkg/ratelimit", name, "rate limit exceeded");
        Self { quota: Some(quota), ..rejection }
    }

    pub(super) fn with(self, attribute: &str, value: &str) -> Self {
        self.with_value(attribute, value.into())
    }

    pub(super) fn with_value(mut self, attribute: &str, value: Value) -> Self {
        if let Some(details) = &mut self.details {
            details.attributes.insert(attribute.to_owned(), value);
        }
        self
    }

    /// Names the error behind this one.
    pub(super) fn because(mut self, cause: Self) -> Self {
        if let Some(details) = &mut self.details {
            details.cause = Some(cause);
        }
        self
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut body = json!({"code": self.code as u8, "message": self.message});
        if let Some(Details { namespace, name, .. }) = self.details.as_deref() {
            body["message"] = format!("error:{namespace}:{name} ({})", self.message).into();
            let mut details = self.error_details();
            details["@type"] = "type.googleapis.com/ttn.lorawan.v3.ErrorDetails".into();
            details["correlation_id"] = Uuid::new_v4().simple().to_string().into();
            body["details"] = json!([details]);
        }
        let mut response = response(self.code.status(), body.to_string());
        if let Some(quota) = self.quota {
            quota.show(&mut response);
        }
        response
    }

    /// `ErrorDetails`, and in them those of the cause.
    fn error_details(&self) -> Value {
        let Some(Details { namespace, name, attributes, cause }) = self.details.as_deref() else { return json!({}) };
        let mut details = json!({"namespace": namespace, "name": name, "message_format": self.message,
            "code": self.code as u8});
        if !attributes.is_empty() {
            details["attributes"] = attributes.clone().into();
        }
        if let Some(cause) = cause {
            details["cause"] = cause.error_details();
        }
        details
    }
}

/// A JSON answer.
pub(super) fn response(status: u16, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
