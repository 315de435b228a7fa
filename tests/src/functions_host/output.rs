//! What becomes of an accepted answer: the HTTP response and the messages for queues.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::answer::Answer;
use super::function_json::{Function, Output};

/// What an HTTP function says to its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Everything an invocation puts out.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outputs {
    pub response: Option<HttpResponse>,
    /// One for each queue binding.
    pub queues: Vec<QueueOutput>,
}

/// What one binding puts into its queue, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueueOutput {
    pub connection: String,
    pub queue_name: String,
    pub messages: Vec<Vec<u8>>,
}

impl Outputs {
    /// Maps the answer onto the function's output bindings. A value that cannot be put out fails the invocation,
    /// **after** the handler has answered 200.
    pub(super) fn from_answer(function: &Function, answer: &Answer) -> Result<Self, String> {
        let values = values(function, answer);
        let mut outputs = Self::default();
        for output in &function.outputs {
            match output {
                Output::Http { binding } => outputs.response = Some(http_response(binding, values.get(binding))?),
                Output::Queue { binding, queue_name, connection, binary } => outputs.queues.push(QueueOutput {
                    connection: connection.clone(),
                    queue_name: queue_name.clone(),
                    messages: messages(values.get(binding).unwrap_or(&Value::Null), *binary),
                }),
            }
        }
        Ok(outputs)
    }
}

/// Values by binding name. `ReturnValue` belongs to `$return`; without such a binding the members of a
/// `ReturnValue` object are outputs too.
fn values(function: &Function, answer: &Answer) -> Map<String, Value> {
    let mut values = answer.outputs.clone();
    let returns = function.outputs.iter().any(|output| match output {
        Output::Http { binding } | Output::Queue { binding, .. } => binding == "$return",
    });
    match &answer.return_value {
        value if returns => drop(values.insert("$return".to_owned(), value.clone())),
        Value::Object(members) => {
            for (name, value) in members {
                values.entry(name).or_insert_with(|| value.clone());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
    }
    values
}

/// The response of the binding's value: 200 and nothing when there is none.
fn http_response(binding: &str, value: Option<&Value>) -> Result<HttpResponse, String> {
    match value.unwrap_or(&Value::Null) {
        Value::Null => Ok(HttpResponse { status: 200, headers: Vec::new(), body: Vec::new() }),
        Value::Object(members) => from_members(binding, members),
        Value::String(text) if binding == "$return" => {
            Ok(text_response(200, Vec::new(), decoded(text).unwrap_or_else(|| text.clone().into_bytes())))
        }
        Value::String(text) => {
            let members = serde_json::from_str(text).map_err(|error| format!("{binding}: {error}: {text}"))?;
            from_members(binding, &members)
        }
        value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_)) => {
            Err(format!("{binding} is no HTTP response: {value}"))
        }
    }
}

/// `status` has an effect in `$return` only; a named binding needs `statusCode`.
fn from_members(binding: &str, members: &Map<String, Value>) -> Result<HttpResponse, String> {
    let given = |name: &str| members.get(name).filter(|value| !value.is_null());
    let status = given("statusCode").or_else(|| given("status").filter(|_| binding == "$return"));
    let status = status.map_or(Ok(200), |status| {
        let text = status.as_str().map_or_else(|| status.to_string(), str::to_owned);
        text.parse().ok().filter(|status| (100..=999).contains(status)).ok_or(format!("{binding}: status {text}"))
    })?;
    let headers = given("headers").and_then(Value::as_object).into_iter().flatten();
    let headers = headers.map(|(name, value)| (name.clone(), text_of(value))).collect();
    let body = given("body").map_or_else(Vec::new, |body| text_of(body).into_bytes());
    Ok(text_response(status, headers, body))
}

/// Without a `Content-Type` of its own a body is plain text, also when it holds JSON.
fn text_response(status: u16, mut headers: Vec<(String, String)>, body: Vec<u8>) -> HttpResponse {
    if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.push(("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned()));
    }
    HttpResponse { status, headers, body }
}

/// Queue messages of an output value. Traps: a lone string that happens to be base64 is decoded, one that starts
/// like JSON is parsed and written anew. Strings in an array go out as they are.
fn messages(value: &Value, binary: bool) -> Vec<Vec<u8>> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) if binary => vec![text.clone().into_bytes()],
        Value::String(text) => match decoded(text) {
            Some(bytes) => vec![bytes],
            None if text.starts_with(['{', '[']) => {
                serde_json::from_str(text).map_or_else(|_| vec![text.clone().into_bytes()], |parsed| items(&parsed))
            }
            None => vec![text.clone().into_bytes()],
        },
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => items(value),
    }
}

fn items(value: &Value) -> Vec<Vec<u8>> {
    let text = |value: &Value| text_of(value).into_bytes();
    value.as_array().map_or_else(|| vec![text(value)], |items| items.iter().map(text).collect())
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok()
}

/// A string as it is, anything else as indented JSON.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| format!("{value:#}"), str::to_owned)
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
