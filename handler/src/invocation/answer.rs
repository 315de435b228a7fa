//! Answers the host accepts: 2xx, `application/json`, a JSON object. Anything else fails the invocation, and an empty
//! 200 would hang it until `functionTimeout`.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The answer of an HTTP-triggered function whose output binding is called `res`: the invocation succeeds and the
/// caller gets `status` and `body` as JSON.
#[must_use]
pub fn http_output(status: u16, body: &Value) -> Response {
    // The body travels as text: the host re-indents objects and calls them text/plain.
    let output = json!({
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": body.to_string(),
    });
    object(StatusCode::OK, &json!({"Outputs": {"res": output}, "Logs": [], "ReturnValue": null}))
}

/// A successful invocation without outputs; `log` goes to the function's own log.
#[must_use]
pub fn done(log: &str) -> Response {
    object(StatusCode::OK, &json!({"Outputs": {}, "Logs": [log], "ReturnValue": null}))
}

/// A failed invocation. The host reads only the status, so the reason must be logged too.
#[must_use]
pub fn failed(status: StatusCode, reason: &str) -> Response {
    object(status, &json!({"error": reason}))
}

fn object(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
