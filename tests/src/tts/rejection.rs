//! Errors as The Things Stack answers them: a gRPC status, usually with `ErrorDetails`.

use http_body_util::Full;
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, json};
use uuid::Uuid;

/// gRPC codes in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    InvalidArgument = 3,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

impl Code {
    fn status(self) -> u16 {
        match self {
            Self::InvalidArgument => 400,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
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
    details: Option<(&'static str, &'static str)>,
    attributes: Vec<(String, String)>,
    rate_limited: bool,
}

impl Rejection {
    /// An error defined in `namespace` under `name`, e.g. `pkg/errors` and `validation`.
    pub(super) fn new(code: Code, namespace: &'static str, name: &'static str, message: impl Into<String>) -> Self {
        let details = Some((namespace, name));
        Self { code, message: message.into(), details, attributes: Vec::new(), rate_limited: false }
    }

    /// An error the HTTP gateway answers by itself: it has no details.
    pub(super) fn bare(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, attributes: Vec::new(), rate_limited: false }
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
    pub(super) fn rate_limited() -> Self {
        let name = "rate_limit_exceeded";
        let rejection = Self::new(Code::ResourceExhausted, "pkg/ratelimit", name, "rate limit exceeded");
        Self { rate_limited: true, ..rejection }
    }

    pub(super) fn with(mut self, attribute: &str, value: &str) -> Self {
        self.attributes.push((attribute.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let code = self.code as u8;
        let mut body = json!({"code": code, "message": self.message});
        if let Some((namespace, name)) = self.details {
            body["message"] = format!("error:{namespace}:{name} ({})", self.message).into();
            let mut details = json!({
                "@type": "type.googleapis.com/ttn.lorawan.v3.ErrorDetails",
                "namespace": namespace, "name": name, "message_format": self.message,
                "correlation_id": Uuid::new_v4().simple().to_string(), "code": code,
            });
            if !self.attributes.is_empty() {
                let attributes = self.attributes.into_iter().map(|(name, value)| (name, value.into()));
                details["attributes"] = attributes.collect::<Map<_, _>>().into();
            }
            body["details"] = json!([details]);
        }
        let mut response = response(self.code.status(), body.to_string());
        if self.rate_limited {
            for (name, value) in [("limit", "20"), ("available", "0"), ("reset", "60"), ("retry", "3")] {
                let name = format!("x-rate-limit-{name}").parse::<hyper::header::HeaderName>();
                response.headers_mut().extend(name.ok().map(|name| (name, HeaderValue::from_static(value))));
            }
        }
        response
    }
}

/// A JSON answer.
pub(super) fn response(status: u16, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
