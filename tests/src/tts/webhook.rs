//! A webhook as the Application Server stores it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::messages::MESSAGE_TYPES;

/// Where messages of an application go, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Names the webhook in its downlink URLs.
    pub webhook_id: String,
    /// URI template of the part all message types share.
    pub base_url: String,
    /// Sent with every request; `Host` and what the transport sets itself have no effect.
    pub headers: BTreeMap<String, String>,
    /// Message type → path below the base URL, a URI template; a type that is not in here is not sent.
    pub paths: BTreeMap<String, String>,
    /// How messages are encoded.
    pub format: Format,
    /// With a key, requests carry `X-Downlink-Apikey`, `-Push` and `-Replace`.
    pub downlink_api_key: Option<String>,
    /// From connecting to the end of the answer; 5 s unless the operator changed it. There is no retry.
    pub timeout: Duration,
    /// Which fields of a message are sent, e.g. `up.uplink_message.f_port`; `None` sends all. What is not listed is
    /// left out, even `end_device_ids`.
    pub field_mask: Option<Vec<String>>,
}

/// Encoding of webhook requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `application/json`.
    #[default]
    Json,
    /// `application/octet-stream`: one serialized `ApplicationUp`.
    Protobuf,
}

impl Webhook {
    /// A JSON webhook for all eleven message types, each with an empty path.
    #[must_use]
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            webhook_id: "azure-iot-hub".to_owned(),
            base_url: base_url.into(),
            headers: BTreeMap::new(),
            paths: MESSAGE_TYPES.iter().map(|message_type| ((*message_type).to_owned(), String::new())).collect(),
            format: Format::Json,
            downlink_api_key: None,
            timeout: Duration::from_secs(5),
            field_mask: None,
        }
    }
}

/// What became of one message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The webhook does not want this message type: nothing was sent.
    Disabled,
    /// An answer came, good or bad, after following redirects.
    Answered {
        /// Where the request went first.
        url: String,
        /// Status of the last answer.
        status: u16,
        /// Its body; what is not UTF-8 is replaced.
        body: String,
    },
    /// No complete answer within the webhook's timeout: the message is lost.
    TimedOut {
        /// Where the request went.
        url: String,
    },
    /// The request could not be built or the connection broke: the message is lost.
    Failed {
        /// Where the request went; the base URL if the URL could not be built.
        url: String,
        /// The error and its causes.
        reason: String,
    },
}

impl Delivery {
    /// Whether The Things Stack counts the message as delivered: 200 to 299 only.
    #[must_use]
    pub fn delivered(&self) -> bool {
        matches!(self, Self::Answered { status: 200..=299, .. })
    }
}
