//! The envelope `{"Data": …, "Metadata": …}` that the host posts to the handler for each invocation.
//!
//! One rule encodes every value: objects stay objects, bytes become base64, anything else becomes a string that
//! *contains* JSON text (`1` is `"1"`, `abc` is `"\"abc\""`).

mod event_hub;
mod http;
mod queue;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

pub use event_hub::{
    Cardinality, DataType, PartitionContext, event_hub_admin_data, event_hub_admin_metadata, event_hub_data,
    event_hub_metadata,
};
pub use http::{HttpRequest, http_data, http_metadata};
pub use queue::{queue_admin_metadata, queue_data, queue_metadata};

/// The whole envelope for one trigger binding.
#[must_use]
pub fn envelope(binding: &str, data: Value, metadata: Metadata) -> Value {
    json!({"Data": {binding: data}, "Metadata": metadata.0})
}

/// Encodes a value that is no byte array: an object stays one, the rest becomes a string holding its JSON text.
#[must_use]
pub fn encoded(value: &Value) -> Value {
    if value.is_object() { value.clone() } else { value.to_string().into() }
}

/// Encodes a byte array: one base64 string.
#[must_use]
pub fn encoded_bytes(bytes: &[u8]) -> Value {
    STANDARD.encode(bytes).into()
}

/// The `sys` member of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Sys {
    /// The function's name.
    pub method_name: String,
    /// When the invocation was made.
    pub utc_now: OffsetDateTime,
    /// Fresh for each invocation.
    pub rand_guid: Uuid,
}

impl Sys {
    /// For an invocation of `function` made now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the stand-in stamps invocations as the host does")]
    pub fn now(function: &str) -> Self {
        Self { method_name: function.to_owned(), utc_now: OffsetDateTime::now_utc(), rand_guid: Uuid::new_v4() }
    }
}

/// The members of `Metadata`, in the order they were added.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// Adds a value, encoded. Null values and names that end in `trigger` (in any case) are left out.
    pub fn add(&mut self, name: &str, value: &Value) {
        if !value.is_null() {
            self.add_as_is(name, encoded(value));
        }
    }

    /// Adds a value that is already in its final form, e.g. a date.
    pub fn add_as_is(&mut self, name: &str, value: Value) {
        if !name.to_ascii_lowercase().ends_with("trigger") {
            self.0.insert(name.to_owned(), value);
        }
    }

    /// Adds the members of an object, skipping nulls and arrays; existing names are **overwritten**.
    pub fn spread(&mut self, object: &Map<String, Value>) {
        for (name, value) in object.iter().filter(|(_, value)| !value.is_array()) {
            self.add(name, value);
        }
    }

    /// Adds the members of a body that is a JSON object; of any other body nothing.
    fn spread_body(&mut self, body: &[u8]) {
        if let Ok(Value::Object(body)) = serde_json::from_slice(body) {
            self.spread(&body);
        }
    }

    /// Adds `sys`.
    pub fn add_sys(&mut self, sys: &Sys) {
        let ticks = sys.utc_now.nanosecond() / 100;
        let sys = json!({
            "MethodName": sys.method_name,
            "UtcNow": format!("{}.{ticks:07}Z", whole_seconds(sys.utc_now)),
            "RandGuid": sys.rand_guid.to_string(),
        });
        self.add_as_is("sys", sys);
    }

    /// Adds `RetryContext`, which is there from the first attempt on when the function has a retry policy.
    pub fn add_retry_context(&mut self, retry_count: u32, max_retry_count: i32, failure: Option<&str>) {
        let exception = failure.map(|failure| {
            json!({
                "ClassName": "Microsoft.Azure.WebJobs.Host.FunctionInvocationException",
                "Message": "Exception while executing function",
                "InnerException": {"ClassName": "System.Net.Http.HttpRequestException", "Message": failure},
            })
        });
        let context = json!({
            "RetryCount": retry_count,
            "MaxRetryCount": max_retry_count,
            "Exception": exception,
            "Instance": null,
            "State": {},
        });
        self.add_as_is("RetryContext", context);
    }

    /// The members as one JSON object.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.0.into()
    }
}

/// A date on its own: whole seconds, and no `Z` although it is UTC.
fn whole_seconds(time: OffsetDateTime) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", u8::from(month))
}

/// A date inside an array or object: up to seven digits of a second, trailing zeros cut, and no `Z`.
fn with_fraction(time: OffsetDateTime) -> String {
    let ticks = time.nanosecond() / 100;
    let fraction = format!(".{ticks:07}");
    whole_seconds(time) + fraction.trim_end_matches('0').trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_stay_objects_and_all_else_becomes_a_string_of_json_text() {
        for (value, expected) in [
            (json!({"a": [1]}), json!({"a": [1]})),
            (json!("abc"), json!("\"abc\"")),
            (json!(1), json!("1")),
            (json!(true), json!("true")),
            (json!(["a"]), json!("[\"a\"]")),
            (json!(null), json!("null")),
        ] {
            assert_eq!(encoded(&value), expected, "{value}");
        }
        assert_eq!(encoded_bytes(b"{\"t\":21.5,\"n\":1}"), json!("eyJ0IjoyMS41LCJuIjoxfQ=="));
    }

    #[test]
    fn metadata_leaves_out_nulls_and_names_that_end_in_trigger() {
        let mut metadata = Metadata::default();
        metadata.add("QueueTrigger", &json!("text"));
        metadata.add("mytRIGGER", &json!({}));
        metadata.add("Nothing", &json!(null));
        metadata.add("Id", &json!("1"));
        metadata.spread(json!({"Id": 2, "list": [1], "none": null, "deep": {"a": 1}}).as_object().unwrap());
        assert_eq!(metadata.into_value(), json!({"Id": "2", "deep": {"a": 1}}));
    }

    #[test]
    fn the_retry_context_holds_the_last_failure_from_the_second_attempt_on() {
        let mut first = Metadata::default();
        first.add_retry_context(0, 5, None);
        assert_eq!(
            first.into_value(),
            json!({"RetryContext":
                {"RetryCount": 0, "MaxRetryCount": 5, "Exception": null, "Instance": null, "State": {}}})
        );
        let mut second = Metadata::default();
        second.add_retry_context(1, 5, Some("500"));
        let second = second.into_value();
        assert_eq!(second["RetryContext"]["RetryCount"], 1);
        assert_eq!(second["RetryContext"]["Exception"]["InnerException"]["Message"], "500");
    }

    #[test]
    fn dates_lose_their_fraction_on_their_own_and_keep_it_inside_arrays() {
        let time = OffsetDateTime::from_unix_timestamp_nanos(1_795_204_805_011_000_000).unwrap();
        assert_eq!(whole_seconds(time), "2026-11-20T20:00:05");
        assert_eq!(with_fraction(time), "2026-11-20T20:00:05.011");
        assert_eq!(with_fraction(time.replace_nanosecond(0).unwrap()), "2026-11-20T20:00:05");
    }
}
