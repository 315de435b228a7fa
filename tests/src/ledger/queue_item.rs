//! What the handler keeps in its queues, read from the outside.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::uplink;

/// Largest original read, against a queue message that is a bomb.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Whose item it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// The uplink with this number.
    Uplink(u32),
    /// A hub event: its application properties.
    HubEvent(Map<String, Value>),
}

/// One item: what it is about, and all its text for whoever looks for secrets.
#[derive(Debug, PartialEq)]
pub(super) struct QueueItem {
    pub(super) content: Content,
    /// No try makes sense before.
    pub(super) not_before: Option<OffsetDateTime>,
    pub(super) original: String,
}

#[derive(Deserialize)]
struct Item {
    kind: String,
    not_before: Option<String>,
    original: Option<Value>,
    original_gzip: Option<String>,
}

impl QueueItem {
    /// Reads a queue message's text.
    ///
    /// # Errors
    /// Why nobody could redeliver it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let item: Item = serde_json::from_str(text).map_err(|error| format!("not an item: {error}"))?;
        let original = match (item.original, item.original_gzip) {
            (Some(original), None) => original.to_string(),
            (None, Some(gzip)) => gunzipped(&gzip)?,
            _ => return Err("neither original nor original_gzip, or both".to_owned()),
        };
        let value: Value = serde_json::from_str(&original).map_err(|error| format!("the original: {error}"))?;
        let content = match item.kind.as_str() {
            "uplink" => uplink::number_of(&value["message"]).map(Content::Uplink).ok_or("an uplink nobody sent")?,
            "hub_event" => {
                let properties = value["properties"].as_object().ok_or("a hub event without properties")?;
                Content::HubEvent(properties.clone())
            }
            kind => return Err(format!("an item of kind {kind}")),
        };
        let not_before = item.not_before.and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok());
        Ok(Self { content, not_before, original })
    }
}

fn gunzipped(base64: &str) -> Result<String, String> {
    let gzip = STANDARD.decode(base64).map_err(|error| format!("original_gzip: {error}"))?;
    let mut text = String::new();
    let reader = flate2::read::GzDecoder::new(gzip.as_slice());
    reader.take(MOST_BYTES).read_to_string(&mut text).map_err(|error| format!("original_gzip: {error}"))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::*;

    fn uplink_original(number: u32) -> Value {
        json!({"application_id": "plant-a", "message": {"correlation_ids": [uplink::correlation_id(number)]}})
    }

    fn gzip(text: &str) -> String {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        STANDARD.encode(encoder.finish().unwrap())
    }

    #[test]
    fn items_are_read_plain_and_compressed() {
        let original = uplink_original(7);
        for item in [
            json!({"kind": "uplink", "reason": "r", "error": "unavailable", "original": original}),
            json!({"kind": "uplink", "original_gzip": gzip(&original.to_string())}),
        ] {
            let (content, not_before) = (Content::Uplink(7), None);
            let expected = QueueItem { content, not_before, original: original.to_string() };
            assert_eq!(QueueItem::read(&item.to_string()), Ok(expected));
        }
        let event = json!({"kind": "hub_event", "not_before": "1970-01-01T00:00:07Z", "original": {"partition_id": "1", "sequence_number": 4,
            "properties": {"opType": "updateTwin"}, "body": {"version": 3}}});
        let item = QueueItem::read(&event.to_string()).unwrap();
        let Content::HubEvent(properties) = item.content else { panic!("an event") };
        assert_eq!(properties["opType"], json!("updateTwin"));
        assert_eq!(item.not_before.map(OffsetDateTime::unix_timestamp), Some(7));
    }

    #[test]
    fn what_nobody_could_redeliver_is_refused() {
        for text in [
            "hello",
            "{}",
            r#"{"kind":"uplink"}"#,
            r#"{"kind":"uplink","original":{"message":{}}}"#,
            r#"{"kind":"uplink","original_gzip":"AAAA"}"#,
            r#"{"kind":"other","original":{}}"#,
            r#"{"kind":"hub_event","original":{}}"#,
        ] {
            assert!(QueueItem::read(text).is_err(), "{text}");
        }
    }
}
