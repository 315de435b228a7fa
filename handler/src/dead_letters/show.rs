//! `dead-letters show`

use std::borrow::Cow;
use std::io::Write;

use serde::Serialize;
use serde_json::value::RawValue;

use super::failure::{Failure, Outcome};
use super::indented::indented;
use super::row;
use super::walk::Walk;
use crate::json::Members;
use crate::storage_queue::{QueueError, QueueMessage, StorageQueue};

/// A message as it is shown.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    queue: &'a str,
    inserted: &'a str,
    expires: &'a str,
    dequeue_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<Members<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// Shows one message whole.
pub(super) async fn show(queue: &StorageQueue, id: &str, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let mut walk = Walk::looking(queue.clone());
    let found = find(&mut walk, id).await;
    let given_back = walk.give_back().await;
    let no_such_message = || Failure::NoSuchMessage { id: id.to_owned(), queue: queue.name.to_string() };
    let message = match found {
        Ok(Some(message)) => message,
        Ok(None) | Err(QueueError::NoQueue) => return Err(no_such_message()),
        Err(error) => return Err(Failure::queue(&queue.name, error)),
    };
    writeln!(out, "{}", indented(&shown(&queue.name, &message)))?;
    given_back.map_err(Failure::Start)?;
    Ok(Outcome::Done)
}

async fn find(walk: &mut Walk, id: &str) -> Result<Option<QueueMessage>, QueueError> {
    while let Some(page) = walk.next_page().await? {
        if let Some(message) = page.into_iter().find(|message| message.id == id) {
            return Ok(Some(message));
        }
    }
    Ok(None)
}

fn shown(queue: &str, message: &QueueMessage) -> String {
    let content = message.content();
    let original = row::item(message).and_then(|item| original(item.original().map_err(|reason| reason.to_string())?));
    let item = content.as_deref().ok().and_then(|content| serde_json::from_str::<Members<'_>>(content).ok());
    let item = item.map(|item| match &original {
        Ok(original) => with_original(item, original),
        Err(_) => item,
    });
    let text = item.is_none().then(|| content.as_deref().unwrap_or(&message.text));
    let shown = Shown {
        id: &message.id,
        queue,
        inserted: &message.inserted,
        expires: &message.expires,
        dequeue_count: message.dequeue_count,
        problem: original.as_ref().err().cloned(),
        item,
        text,
    };
    serde_json::to_string(&shown).expect("a message is shown as JSON")
}

fn original(text: Cow<'_, str>) -> Result<Box<RawValue>, String> {
    RawValue::from_string(text.into_owned()).map_err(|reason| format!("its original is not JSON: {reason}"))
}

/// The item's members, with the original where it is compressed in the queue.
fn with_original<'a>(Members(members): Members<'a>, original: &'a RawValue) -> Members<'a> {
    let decompressed = |(name, value)| match name {
        name if name == "original_gzip" => (Cow::Borrowed("original"), original),
        name => (name, value),
    };
    Members(members.into_iter().map(decompressed).collect())
}
