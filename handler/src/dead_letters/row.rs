//! A queue message in a few words.

use serde::Serialize;

use crate::parking::{Item, Kind};
use crate::storage_queue::QueueMessage;

/// What a list says about a message.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) inserted: String,
    pub(super) expires: String,
    pub(super) dequeue_count: u64,
    #[serde(flatten)]
    pub(super) content: Content,
}

/// What a message is.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Content {
    /// An item of the handler.
    Item {
        kind: Kind,
        device_id: Option<String>,
        first_seen: String,
        attempts: u64,
        error: String,
        reason: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        not_before: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        trace: Option<String>,
    },
    /// Something else.
    Foreign { problem: String },
}

impl Row {
    pub(super) fn new(message: &QueueMessage) -> Self {
        Self {
            id: message.id.clone(),
            inserted: message.inserted.clone(),
            expires: message.expires.clone(),
            dequeue_count: message.dequeue_count,
            content: item(message).map_or_else(|problem| Content::Foreign { problem }, Content::from),
        }
    }

    /// When it failed first; what is not an item comes last.
    pub(super) fn first_seen(&self) -> Option<&str> {
        match &self.content {
            Content::Item { first_seen, .. } => Some(first_seen),
            Content::Foreign { .. } => None,
        }
    }
}

impl From<Item> for Content {
    fn from(item: Item) -> Self {
        Self::Item {
            kind: item.kind,
            device_id: item.device_id,
            first_seen: item.first_seen,
            attempts: item.attempts,
            error: item.error,
            reason: item.reason,
            not_before: item.not_before,
            trace: item.trace,
        }
    }
}

/// The item a message holds.
pub(super) fn item(message: &QueueMessage) -> Result<Item, String> {
    let content = message.content().map_err(|reason| format!("not an item of the handler: {reason}"))?;
    Item::decode(&content).map_err(|reason| reason.to_string())
}

/// A journey's name.
pub(super) fn name_of(kind: Kind) -> String {
    let name = serde_json::to_value(kind).expect("a journey's name is JSON");
    name.as_str().unwrap_or_default().to_owned()
}
