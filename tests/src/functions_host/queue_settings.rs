//! `extensions.queues` of `host.json`: how queue triggers read and how queue messages are encoded.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::error::StartError;
use super::host_json::duration;

/// The settings with the host's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueueSettings {
    /// So many messages are got at once.
    pub batch_size: u32,
    /// More are got when no more than so many are being processed.
    pub new_batch_threshold: usize,
    /// A message that failed so often is moved to the poison queue.
    pub max_dequeue_count: u32,
    /// How long a failed message stays hidden before it is tried again.
    pub visibility_timeout: Duration,
    /// The longest pause between two looks at an empty queue.
    pub max_polling_interval: Duration,
    pub encoding: MessageEncoding,
}

/// How a message's bytes become the text that the service stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MessageEncoding {
    Base64,
    None,
}

/// The section as written.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct File {
    batch_size: Option<u32>,
    new_batch_threshold: Option<usize>,
    max_dequeue_count: Option<u32>,
    visibility_timeout: Option<String>,
    max_polling_interval: Option<String>,
    message_encoding: Option<String>,
}

impl QueueSettings {
    pub(super) fn read(file: &File) -> Result<Self, StartError> {
        let refused = |reason: &str| Err(StartError::HostJson(format!("extensions.queues: {reason}")));
        let batch_size = file.batch_size.unwrap_or(16);
        let max_dequeue_count = file.max_dequeue_count.unwrap_or(5);
        if !(1..=32).contains(&batch_size) {
            return refused("batchSize is not from 1 to 32");
        }
        if max_dequeue_count == 0 {
            return refused("maxDequeueCount is 0");
        }
        let encoding = match file.message_encoding.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("base64") => MessageEncoding::Base64,
            Some("none") => MessageEncoding::None,
            Some(_) => return refused("messageEncoding is neither base64 nor none"),
        };
        Ok(Self {
            batch_size,
            new_batch_threshold: file.new_batch_threshold.unwrap_or(batch_size as usize / 2),
            max_dequeue_count,
            visibility_timeout: duration("visibilityTimeout", file.visibility_timeout.as_deref(), 0)?,
            max_polling_interval: duration("maxPollingInterval", file.max_polling_interval.as_deref(), 60)?,
            encoding,
        })
    }
}

impl MessageEncoding {
    /// The text to be stored. Without an encoding, bytes that are not UTF-8 are replaced.
    pub(super) fn encode(self, message: &[u8]) -> String {
        match self {
            Self::Base64 => STANDARD.encode(message),
            Self::None => String::from_utf8_lossy(message).into_owned(),
        }
    }

    /// The bytes of a stored text, unless it is not in this encoding.
    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Base64 => STANDARD.decode(text.split_ascii_whitespace().collect::<String>()).ok(),
            Self::None => Some(text.as_bytes().to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(file: Value) -> Result<QueueSettings, String> {
        QueueSettings::read(&serde_json::from_value(file).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_given_has_the_hosts_defaults() {
        let defaults = QueueSettings {
            batch_size: 16,
            new_batch_threshold: 8,
            max_dequeue_count: 5,
            visibility_timeout: Duration::ZERO,
            max_polling_interval: Duration::from_mins(1),
            encoding: MessageEncoding::Base64,
        };
        assert_eq!(read(json!({})), Ok(defaults.clone()));
        let given = json!({
            "batchSize": 3, "maxDequeueCount": 2, "visibilityTimeout": "00:05:00", "messageEncoding": "None",
            "maxPollingInterval": "00:00:02",
        });
        let expected = QueueSettings {
            batch_size: 3,
            new_batch_threshold: 1,
            max_dequeue_count: 2,
            visibility_timeout: Duration::from_mins(5),
            max_polling_interval: Duration::from_secs(2),
            encoding: MessageEncoding::None,
        };
        assert_eq!(read(given), Ok(expected));
        assert_eq!(read(json!({"newBatchThreshold": 0})), Ok(QueueSettings { new_batch_threshold: 0, ..defaults }));
    }

    #[test]
    fn what_the_host_refuses_is_refused_by_name() {
        for (file, name) in [
            (json!({"batchSize": 33}), "batchSize"),
            (json!({"batchSize": 0}), "batchSize"),
            (json!({"maxDequeueCount": 0}), "maxDequeueCount"),
            (json!({"visibilityTimeout": "5"}), "visibilityTimeout"),
            (json!({"messageEncoding": "utf8"}), "messageEncoding"),
        ] {
            assert!(read(file.clone()).unwrap_err().contains(name), "{file}");
        }
    }

    #[test]
    fn text_is_stored_as_base64_or_as_it_is() {
        let encoded = MessageEncoding::Base64.encode(b"a<\xff");
        assert_eq!((encoded.as_str(), MessageEncoding::None.encode(b"a<\xff").as_str()), ("YTz/", "a<\u{fffd}"));
        assert_eq!(MessageEncoding::Base64.decode("YTz/\n"), Some(b"a<\xff".to_vec()));
        assert_eq!(MessageEncoding::Base64.decode("{}"), None);
        assert_eq!(MessageEncoding::None.decode("{}"), Some(b"{}".to_vec()));
    }
}
