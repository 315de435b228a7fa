//! What the host accepts as the answer to an invocation.

use serde_json::{Map, Value};

use super::client::RawAnswer;

/// An accepted answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Answer {
    /// Values by output binding.
    pub outputs: Map<String, Value>,
    /// Lines for the host's log.
    pub logs: Vec<String>,
    /// The value of `$return`.
    pub return_value: Value,
}

impl Answer {
    /// Needs 2xx, a JSON media type and a JSON object; anything else fails the invocation.
    ///
    /// An empty body or `null` never completes an invocation in the host; here it fails at once and says so.
    pub(super) fn parse(raw: &RawAnswer) -> Result<Self, String> {
        let RawAnswer { status, content_type, body } = raw;
        match status {
            200..=299 => {}
            300..=399 => return Err(format!("status {status}: the host follows redirects of an invocation")),
            _ => return Err(format!("Response status code does not indicate success: {status}")),
        }
        if body.iter().all(u8::is_ascii_whitespace) || body.trim_ascii() == b"null" {
            return Err("empty answer: would hang until functionTimeout".to_owned());
        }
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if !["application/json", "text/json"].contains(&media_type.as_str()) {
            return Err(format!("UnsupportedMediaType: {media_type:?}"));
        }
        let text = || String::from_utf8_lossy(body);
        let value: Value = serde_json::from_slice(body).map_err(|error| format!("{error}: {}", text()))?;
        let Value::Object(members) = value else { return Err(format!("not a JSON object: {}", text())) };
        Ok(Self {
            outputs: outputs(member(&members, "outputs"))?,
            logs: logs(member(&members, "logs"))?,
            return_value: member(&members, "returnvalue").clone(),
        })
    }
}

/// The member of that name in any case.
fn member<'a>(members: &'a Map<String, Value>, name: &str) -> &'a Value {
    members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or(&Value::Null, |(_, value)| value)
}

fn outputs(value: &Value) -> Result<Map<String, Value>, String> {
    match (value, value.is_null()) {
        (Value::Object(outputs), _) => Ok(outputs.clone()),
        (_, true) => Ok(Map::new()),
        (_, false) => Err(format!("Outputs is no object: {value}")),
    }
}

fn logs(value: &Value) -> Result<Vec<String>, String> {
    if value.is_null() {
        return Ok(Vec::new());
    }
    serde_json::from_value(value.clone()).map_err(|error| format!("Logs: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(status: u16, content_type: &str, body: &str) -> Result<Answer, String> {
        Answer::parse(&RawAnswer { status, content_type: content_type.to_owned(), body: body.into() })
    }

    #[test]
    fn members_are_found_in_any_case_and_may_be_missing() {
        let body = r#"{"outputs":{"a":1},"LOGS":["x"],"returnValue":2}"#;
        let answer = parse(200, "application/json; charset=utf-8", body).unwrap();
        assert_eq!(answer.outputs, json!({"a": 1}).as_object().unwrap().clone());
        assert_eq!(answer.logs, ["x"]);
        assert_eq!(answer.return_value, 2);
        assert_eq!(parse(201, "text/json", r#"{"Outputs":null,"Logs":null}"#), Ok(Answer::default()));
        assert_eq!(parse(200, "application/json", "{}"), Ok(Answer::default()));
    }

    #[test]
    fn anything_but_a_json_object_with_2xx_fails() {
        for (status, content_type, body, reason) in [
            (500, "application/json", "{}", "does not indicate success: 500"),
            (302, "application/json", "{}", "follows redirects"),
            (200, "text/plain", "{}", "UnsupportedMediaType"),
            (200, "", "{}", "UnsupportedMediaType"),
            (200, "application/json", "", "would hang until functionTimeout"),
            (204, "", "", "would hang until functionTimeout"),
            (200, "application/json", "null", "would hang until functionTimeout"),
            (200, "application/json", "[]", "not a JSON object"),
            (200, "application/json", "{", "EOF"),
            (200, "application/json", r#"{"Logs":[1]}"#, "Logs"),
            (200, "application/json", r#"{"Outputs":[]}"#, "Outputs"),
        ] {
            let failure = parse(status, content_type, body).unwrap_err();
            assert!(failure.contains(reason), "{status} {content_type} {body}: {failure}");
        }
    }
}
