//! The Functions host's envelope: what an invocation looks like coming in, and what the host accepts as an answer.
//!
//! The host puts binding values under `Data` and everything else under `Metadata`. Objects stay objects, bytes become
//! base64 text, and whatever else (strings, numbers, arrays) becomes a *string holding JSON*.

mod answer;
mod events;
mod http;
mod queue;

pub use answer::{QueueOutputs, done, failed, http_output};
pub use events::{EventBatch, RetryContext, TriggerEvent, event_batch};
pub use http::{HttpRequest, http_request};
pub use queue::{QueueMessage, queue_message};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;

/// Largest invocation body read, in bytes: the host's own limit for an inbound HTTP body. An Event Hub batch stays
/// far below (`maxEventBatchSize` × 256 KB, in base64).
pub const MAX_BYTES: usize = 100 * 1024 * 1024;

/// Undoes the "string holding JSON" rule for a field that is known not to be base64.
fn decoded(value: Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => other,
    }
}

/// Like [`decoded`], into a type; `None` for anything that does not fit, since every metadata key may be missing.
fn decoded_as<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(decoded(value)).ok()
}

fn not_an_envelope(reason: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    Error::Malformed(format!(
        "the invocation is not the Functions host's envelope at `{}`: {}; expected {{\"Data\":{{…}},\"Metadata\":{{…}}}}",
        reason.path(),
        reason.inner()
    ))
}

/// Parses JSON and, only when that fails, parses again to find out where.
fn parse<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, serde_path_to_error::Error<serde_json::Error>> {
    serde_json::from_slice(body).map_err(|reason| {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        // Nothing is found wrong the second time if something follows the value.
        let located = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err();
        located.unwrap_or_else(|| serde_path_to_error::Error::new(serde_path_to_error::Track::new().path(), reason))
    })
}
