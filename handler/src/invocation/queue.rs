//! A queue message as the host wraps it.

use serde::Deserialize;
use serde_json::Value;

use super::{decoded, decoded_as, not_an_envelope};
use crate::error::Error;
use crate::json::parse;

/// The message of an invocation of a queue-triggered function whose binding is called `item`.
#[derive(Debug, PartialEq, Eq)]
pub struct QueueMessage {
    /// Its text, already out of base64.
    pub text: String,
    /// How often it has been handed out, this time included.
    pub dequeue_count: u64,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Data")]
    data: Data,
    #[serde(rename = "Metadata", default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Data {
    item: Value,
}

/// Members of a message that is a JSON object are here too, hence only the host's own name is read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    #[serde(default)]
    dequeue_count: Value,
}

/// Reads the envelope of a queue-triggered function.
///
/// # Errors
/// [`Error::Malformed`] naming the JSON path if it is not one.
pub fn queue_message(envelope: &[u8]) -> Result<QueueMessage, Error> {
    let Envelope { data, metadata } = parse(envelope).map_err(|reason| not_an_envelope(&reason))?;
    // The text is JSON itself: undoing the host's encoding once gives the text, not what the text says.
    let text = match decoded(data.item) {
        Value::String(text) => text,
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            other.to_string()
        }
    };
    let dequeue_count = metadata.and_then(|metadata| decoded_as(metadata.dequeue_count)).unwrap_or(1);
    Ok(QueueMessage { text, dequeue_count })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_text_comes_out_as_it_was_put_in() {
        for text in [r#"{"kind":"uplink","attempts":1.50}"#, "hello", "17"] {
            let envelope = json!({
                "Data": {"item": Value::from(text).to_string()},
                "Metadata": {"DequeueCount": "3", "Id": "\"7c9b\"", "kind": "\"uplink\""},
            });
            let message = queue_message(envelope.to_string().as_bytes()).unwrap();
            assert_eq!(message, QueueMessage { text: text.to_owned(), dequeue_count: 3 });
        }
    }

    #[test]
    fn a_missing_count_is_the_first_time() {
        for metadata in [json!(null), json!({}), json!({"DequeueCount": null})] {
            let envelope = json!({"Data": {"item": "\"x\""}, "Metadata": metadata}).to_string();
            assert_eq!(queue_message(envelope.as_bytes()).unwrap().dequeue_count, 1);
        }
        assert!(queue_message(b"{}").is_err());
    }
}
