//! The envelope of an HTTP trigger.

use serde_json::{Map, Value, json};

use super::{Metadata, Sys, encoded_bytes};

/// A request as the host has buffered it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HttpRequest {
    /// The full address, e.g. `http://localhost:7071/api/devices/dev-7?since=5`.
    pub url: String,
    /// Upper case.
    pub method: String,
    /// Decoded, in order; the host joins repeated names with commas.
    pub query: Vec<(String, String)>,
    /// As sent, in order; repeated names become one entry with several values.
    pub headers: Vec<(String, String)>,
    /// From the route template.
    pub params: Map<String, Value>,
    /// `None` when the client announced no `Content-Length` or 0: the host **drops** bodies that come chunked.
    pub body: Option<Vec<u8>>,
}

impl HttpRequest {
    fn query(&self) -> Value {
        joined(&self.query)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn body_is_binary(&self) -> bool {
        let media_type = self.header("content-type").unwrap_or_default().to_ascii_lowercase();
        media_type.starts_with("application/octet-stream") || media_type.starts_with("multipart/")
    }
}

/// `Data.<binding>`: a real object; the body is plain text, or base64 for octet streams and multipart.
#[must_use]
pub fn http_data(request: &HttpRequest) -> Value {
    let mut headers = Map::new();
    for (name, value) in &request.headers {
        if let Value::Array(values) = headers.entry(name).or_insert_with(|| json!([])) {
            values.push(value.as_str().into());
        }
    }
    let mut data = json!({
        "Url": request.url,
        "Method": request.method,
        "Query": request.query(),
        "Headers": headers,
        "Params": request.params,
        "Identities": [anonymous()],
    });
    if let Some(body) = request.body.as_deref().filter(|body| !body.is_empty()) {
        data["Body"] = if request.body_is_binary() {
            encoded_bytes(body)
        } else {
            String::from_utf8_lossy(body).into_owned().into()
        };
    }
    data
}

/// `Metadata`: query, headers and parameters again, and each member of query, route and JSON body by its own name.
#[must_use]
pub fn http_metadata(request: &HttpRequest, sys: &Sys) -> Metadata {
    let mut metadata = Metadata::default();
    if let Some(Value::Object(body)) = json_body(request) {
        for (name, value) in &body {
            metadata.add(name, value);
        }
    }
    for members in [request.query(), request.params.clone().into()] {
        for (name, value) in members.as_object().into_iter().flatten() {
            metadata.add(name, value);
        }
    }
    metadata.add("Query", &request.query());
    metadata.add("Headers", &joined(&request.headers));
    metadata.add("Params", &request.params.clone().into());
    metadata.add_sys(sys);
    metadata
}

fn json_body(request: &HttpRequest) -> Option<Value> {
    let body = request.body.as_deref().filter(|_| !request.body_is_binary())?;
    serde_json::from_slice(body).ok()
}

fn joined(pairs: &[(String, String)]) -> Value {
    let mut members = Map::new();
    for (name, value) in pairs {
        match members.get_mut(name) {
            Some(Value::String(joined)) => *joined = format!("{joined},{value}"),
            Some(_) | None => drop(members.insert(name.clone(), value.as_str().into())),
        }
    }
    members.into()
}

fn anonymous() -> Value {
    json!({
        "AuthenticationType": null,
        "IsAuthenticated": false,
        "Actor": null,
        "BootstrapContext": null,
        "Claims": [],
        "Label": null,
        "Name": null,
        "NameClaimType": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
        "RoleClaimType": "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
    })
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::super::envelope;
    use super::*;

    const DOCUMENTED: &str = r#"{
    "Data": {"req": {
        "Url": "http://localhost:7071/api/devices/dev-7?since=5&since=6",
        "Method": "POST",
        "Query": {"since": "5,6"},
        "Headers": {
            "Content-Type": ["application/json"],
            "Content-Length": ["14"],
            "Host": ["localhost:7071"],
            "X-Many": ["a", "b"]
        },
        "Params": {"id": "dev-7"},
        "Identities": [{
            "AuthenticationType": null,
            "IsAuthenticated": false,
            "Actor": null,
            "BootstrapContext": null,
            "Claims": [],
            "Label": null,
            "Name": null,
            "NameClaimType": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
            "RoleClaimType": "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
        }],
        "Body": "{\"mode\":\"eco\",\"deep\":{\"a\":1},\"list\":[1],\"none\":null}"
    }},
    "Metadata": {
        "Query": {"since": "5,6"},
        "Headers": {
            "Content-Type": "application/json",
            "Content-Length": "14",
            "Host": "localhost:7071",
            "X-Many": "a,b"
        },
        "Params": {"id": "dev-7"},
        "since": "\"5,6\"",
        "id": "\"dev-7\"",
        "mode": "\"eco\"",
        "deep": {"a": 1},
        "list": "[1]",
        "sys": {
            "MethodName": "device",
            "UtcNow": "2026-11-20T20:00:05.1234567Z",
            "RandGuid": "00000000-0000-0000-0000-000000000000"
        }
    }
}"#;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn request(content_type: &str, body: Option<&[u8]>) -> HttpRequest {
        HttpRequest {
            headers: pairs(&[("Content-Type", content_type)]),
            body: body.map(<[u8]>::to_vec),
            ..HttpRequest::default()
        }
    }

    #[test]
    fn a_post_with_query_route_and_json_body_gives_the_documented_envelope() {
        let request = HttpRequest {
            url: "http://localhost:7071/api/devices/dev-7?since=5&since=6".to_owned(),
            method: "POST".to_owned(),
            query: pairs(&[("since", "5"), ("since", "6")]),
            headers: pairs(&[
                ("Content-Type", "application/json"),
                ("Content-Length", "14"),
                ("Host", "localhost:7071"),
                ("X-Many", "a"),
                ("X-Many", "b"),
            ]),
            params: json!({"id": "dev-7"}).as_object().unwrap().clone(),
            body: Some(b"{\"mode\":\"eco\",\"deep\":{\"a\":1},\"list\":[1],\"none\":null}".to_vec()),
        };
        let sys = Sys {
            method_name: "device".to_owned(),
            utc_now: OffsetDateTime::from_unix_timestamp_nanos(1_795_204_805_123_456_700).unwrap(),
            rand_guid: Uuid::nil(),
        };
        let expected: Value = serde_json::from_str(DOCUMENTED).unwrap();
        assert_eq!(envelope("req", http_data(&request), http_metadata(&request, &sys)), expected);
    }

    #[test]
    fn the_body_is_absent_when_there_is_none_and_base64_for_binary_media_types() {
        for (content_type, body, expected) in [
            ("application/json", None, None),
            ("application/json", Some(b"".as_slice()), None),
            ("text/plain", Some(b"caf\xc3\xa9"), Some("caf\u{e9}")),
            ("text/plain", Some(b"\xff"), Some("\u{fffd}")),
            ("application/octet-stream", Some(b"\xff"), Some("/w==")),
            ("multipart/form-data; boundary=x", Some(b"ab"), Some("YWI=")),
        ] {
            let data = http_data(&request(content_type, body));
            assert_eq!(data.get("Body").and_then(Value::as_str), expected, "{content_type} {body:?}");
        }
    }
}
