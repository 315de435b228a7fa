//! An HTTP request as the host wraps it when forwarding is off.

use std::borrow::Cow;

use serde::Deserialize;

use super::not_an_envelope;
use crate::error::Error;
use crate::json::{Members, Text, parse};

/// The caller's request to an HTTP-triggered function whose input binding is called `req`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HttpRequest<'a> {
    #[serde(borrow, default)]
    headers: Members<'a>,
    #[serde(borrow, default)]
    params: Members<'a>,
    #[serde(borrow, default)]
    body: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "Data", borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    req: HttpRequest<'a>,
}

/// Reads the envelope of an HTTP-triggered function.
///
/// # Errors
/// [`Error::Malformed`] naming the JSON path if it is not one.
pub fn http_request(envelope: &[u8]) -> Result<HttpRequest<'_>, Error> {
    let envelope: Envelope<'_> = parse(envelope).map_err(|reason| not_an_envelope(&reason))?;
    Ok(envelope.data.req)
}

impl HttpRequest<'_> {
    /// The first value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        match value.get().starts_with('[') {
            true => serde_json::from_str::<Vec<String>>(value.get()).ok()?.into_iter().next(),
            false => serde_json::from_str(value.get()).ok(),
        }
    }

    /// A value of the route template, e.g. `rest` of `tts/{*rest}`.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.params.value(name)?.get()).ok()
    }

    /// The body as text, empty if there was none. The host drops a body sent without `Content-Length`, and gives the
    /// base64 text of `application/octet-stream` and `multipart/*`.
    #[must_use]
    pub fn body(&self) -> &str {
        self.body.as_ref().map_or("", |Text(text)| match text {
            Cow::Borrowed(text) => text,
            Cow::Owned(text) => text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &[u8] = br#"{
        "Data": {"req": {
            "Url": "http://localhost:7071/api/tts/devices/dev-7/up?x=1", "Method": "POST", "Query": {"x": "1"},
            "Headers": {"Content-Type": ["application/json"], "X-Webhook-Secret": ["a", "b"], "Content-Length": ["12"]},
            "Params": {"rest": "devices/dev-7/up"},
            "Identities": [{"AuthenticationType": null, "IsAuthenticated": false, "Claims": []}],
            "Body": "{\"f_port\":2}"
        }},
        "Metadata": {"Query": {}, "Headers": {}, "f_port": "2", "sys": {"MethodName": "uplink"}}
    }"#;

    #[test]
    fn a_request_is_read_from_the_envelope() {
        let request = http_request(POST).unwrap();
        assert_eq!(request.header("content-type").as_deref(), Some("application/json"));
        assert_eq!(request.header("x-webhook-secret").as_deref(), Some("a"));
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.param("rest").as_deref(), Some("devices/dev-7/up"));
        assert_eq!(request.body(), r#"{"f_port":2}"#);
    }

    #[test]
    fn a_request_without_body_headers_or_params_is_fine() {
        let request = http_request(br#"{"Data":{"req":{"Method":"GET"}},"Metadata":{}}"#).unwrap();
        assert_eq!((request.body(), request.header("host"), request.param("rest")), ("", None, None));
    }

    #[test]
    fn anything_but_an_envelope_is_refused_with_the_json_path() {
        for (body, path) in [
            (&b""[..], "at `.`"),
            (b"null", "at `.`"),
            (br#"{"Data":{"req":{}}} }"#, "at `.`: trailing characters"),
            (br#"{"Data":{}}"#, "at `Data`"),
            (br#"{"Data":{"req":{"Body":7}}}"#, "at `Data.req.Body`"),
            (br#"{"Data":{"req":{"Headers":[]}}}"#, "at `Data.req.Headers`"),
        ] {
            let reason = http_request(body).unwrap_err().to_string();
            assert!(reason.contains(path), "{reason}");
        }
    }
}
