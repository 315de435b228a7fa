//! Answers the host accepts: 2xx, `application/json`, a JSON object. Anything else fails the invocation, and an empty
//! 200 would hang it until `functionTimeout`.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

/// What goes into the storage queues when the invocation succeeds. The host writes it after our answer and before the
/// caller's; if it cannot, the invocation fails and the caller hears 500.
///
/// Arrays of strings are the one form the host passes on unchanged: it takes a lone string for base64 if it can, and
/// writes objects anew.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct QueueOutputs {
    /// Items to be tried again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<String>,
    /// Items for a person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dead_letter: Vec<String>,
}

/// An answer as the host reads it. Written without an intermediate value: one goes out for every uplink.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a, O> {
    outputs: O,
    logs: &'a [&'a str],
    return_value: (),
}

/// The answer of an HTTP-triggered function whose output binding is called `res`: the invocation succeeds and the
/// caller gets `status` and `body` as JSON.
#[must_use]
pub fn http_output(status: u16, body: &Value, queues: QueueOutputs) -> Response {
    #[derive(Serialize)]
    struct Outputs {
        res: HttpAnswer,
        #[serde(flatten)]
        queues: QueueOutputs,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct HttpAnswer {
        status_code: u16,
        headers: Headers,
        body: String,
    }
    #[derive(Serialize)]
    struct Headers {
        #[serde(rename = "Content-Type")]
        content_type: &'static str,
    }
    // The body travels as text: the host re-indents objects and calls them text/plain.
    let headers = Headers { content_type: "application/json" };
    let res = HttpAnswer { status_code: status, headers, body: body.to_string() };
    object(StatusCode::OK, &Answer { outputs: Outputs { res, queues }, logs: &[], return_value: () })
}

/// A successful invocation of a function without an HTTP caller; `log` goes to the function's own log.
#[must_use]
pub fn done(log: &str, queues: &QueueOutputs) -> Response {
    object(StatusCode::OK, &Answer { outputs: queues, logs: &[log], return_value: () })
}

/// A failed invocation. The host reads only the status, so the reason must be logged too.
#[must_use]
pub fn failed(status: StatusCode, reason: &str) -> Response {
    object(status, &json!({"error": reason}))
}

fn object(status: StatusCode, value: &impl Serialize) -> Response {
    let json = serde_json::to_vec(value).expect("strings and numbers under names are always JSON");
    (status, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}
