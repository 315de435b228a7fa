//! A request taken apart and an answer before it is put together: what the two APIs share.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Response, Uri};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use uuid::Uuid;

use super::access::Claim;
use super::clock;
use super::error::{self, ErrorCode, HubError};
use super::registry::Precondition;

/// The oldest api-version that is still documented.
const OLDEST_API_VERSION: &str = "2018-06-30";

/// One request with its whole body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Decoded segments.
    pub(crate) path: Vec<String>,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn claim(&self) -> Claim<'_> {
        let token = self.header("authorization");
        Claim { token, method: self.method.as_str(), path: &self.path, now: clock::now().unix_timestamp() }
    }

    pub(crate) fn precondition(&self) -> Precondition {
        Precondition::parse(self.header("if-match"))
    }

    /// The body as a JSON object.
    pub(crate) fn json(&self) -> Result<Value, HubError> {
        let value: Value = serde_json::from_slice(&self.body).map_err(|error| HubError::format(error.to_string()))?;
        if value.is_object() { Ok(value) } else { Err(HubError::format("the body is not a JSON object")) }
    }

    /// A query parameter; names are compared without case.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.into_owned())
    }

    /// Any date from 2018-06-30 on, also a preview: the hub knows more versions than are documented.
    pub(crate) fn check_api_version(&self) -> Result<(), HubError> {
        let version = self.parameter("api-version").unwrap_or_default();
        if is_api_version(&version) {
            return Ok(());
        }
        Err(HubError::new(ErrorCode::InvalidProtocolVersion, format!("api-version '{version}' is not supported")))
    }
}

/// Whether the hub speaks this version.
pub(crate) fn is_api_version(version: &str) -> bool {
    let date = version.strip_suffix("-preview").unwrap_or(version);
    is_date(date) && date >= OLDEST_API_VERSION
}

/// The path's segments, each decoded on its own so that `%2F` stays inside an id.
pub(crate) fn segments(uri: &Uri) -> Vec<String> {
    let decode = |segment| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    uri.path().trim_start_matches('/').split('/').map(decode).collect()
}

fn is_date(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let number = |text: &str, digits: usize, range: std::ops::RangeInclusive<u32>| {
        text.len() == digits && text.parse().is_ok_and(|number| range.contains(&number))
    };
    number(year, 4, 2000..=9999) && number(month, 2, 1..=12) && number(day, 2, 1..=31)
}

/// What an answer carries.
#[derive(Debug, PartialEq)]
enum Body {
    Empty,
    Json(Value),
    /// A cloud-to-device message's own.
    Bytes(Vec<u8>),
}

/// One answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Body,
    /// For the request log only.
    pub(crate) refusal: Option<String>,
}

impl Reply {
    /// A status alone: 204, and 404 for paths the hub does not know.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Empty, refusal: None }
    }

    pub(crate) fn json(body: Value) -> Self {
        Self { body: Body::Json(body), ..Self::empty(200) }
    }

    /// A cloud-to-device message.
    pub(crate) fn message(body: Vec<u8>, headers: Vec<(String, String)>) -> Self {
        Self { headers, body: Body::Bytes(body), ..Self::empty(200) }
    }

    /// A word for the request log.
    pub(crate) fn refused(self, refusal: String) -> Self {
        Self { refusal: Some(refusal), ..self }
    }

    pub(crate) fn with_header(mut self, name: &str, value: String) -> Self {
        self.headers.push((name.to_owned(), value));
        self
    }

    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// An answer with the entity's tag.
    pub(crate) fn entity(body: Value) -> Self {
        let etag = body.get("etag").and_then(Value::as_str).map(|etag| ("etag".to_owned(), format!("\"{etag}\"")));
        Self { headers: etag.into_iter().collect(), ..Self::json(body) }
    }

    /// A refusal in the hub's envelope. A throttled connection is closed, as captured live.
    pub(crate) fn refusal(status: u16, error_code: &str, message: &str) -> Self {
        let mut headers = vec![("iothub-errorcode".to_owned(), error_code.to_owned())];
        if status == 429 {
            headers.push(("connection".to_owned(), "close".to_owned()));
        }
        let body = Body::Json(error::envelope(error_code, message, clock::now()));
        Self { status, headers, body, refusal: Some(format!("{error_code}: {message}")) }
    }

    /// A live 204 says `Content-Length: 0`; RFC 9110 forbids that and hyper would take it out.
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let (body, content_type) = match self.body {
            Body::Empty => (Bytes::new(), None),
            Body::Json(body) => (Bytes::from(body.to_string()), Some("application/json; charset=utf-8")),
            Body::Bytes(body) => (Bytes::from(body), None),
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status.try_into().unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
        let request_id = Uuid::new_v4().to_string();
        let own = [("server", "Microsoft-HTTPAPI/2.0"), ("vary", "Origin"), ("x-ms-request-id", &request_id)];
        let own = own.into_iter().chain(content_type.map(|text| ("content-type", text)));
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in headers.chain(own) {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

impl From<HubError> for Reply {
    fn from(error: HubError) -> Self {
        let refusal = Some(error.to_string());
        Self { refusal, ..Self::refusal(error.code.status(), error.code.name(), &error.message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(query: &str) -> Call {
        Call {
            method: Method::GET,
            path: Vec::new(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    #[test]
    fn any_dated_api_version_from_2018_on_will_do() {
        for version in ["2018-06-30", "2019-10-01", "2020-05-31-preview", "2021-04-12", "2024-03-31"] {
            assert!(call(&format!("x=y&API-version={version}")).check_api_version().is_ok(), "{version}");
        }
        for version in ["", "2018-06-29", "2021-13-01", "2021-4-12", "2021-04-12-beta", "latest"] {
            let error = call(&format!("api-version={version}")).check_api_version().unwrap_err();
            assert_eq!(error.code.name(), "InvalidProtocolVersion", "{version}");
        }
        assert!(call("").check_api_version().is_err());
    }

    #[test]
    fn a_path_is_decoded_segment_by_segment() {
        let uri = Uri::from_static("/devices/app1%3Adev%231%2Bx%2F/messages/events?api-version=x");
        assert_eq!(segments(&uri), ["devices", "app1:dev#1+x/", "messages", "events"]);
    }
}
