//! Giving an item another chance: put first, delete then, so that a crash in between doubles it and never loses it.

use serde_json::value::to_raw_value;

use super::change::Fate;
use super::row::item;
use crate::json::Members;
use crate::storage_queue::{QueueError, QueueMessage, StorageQueue};

/// The item's text with nothing changed but what would keep it from being tried anew.
pub(super) fn afresh(message: &QueueMessage) -> Result<String, String> {
    let _readable = item(message)?.original().map_err(|reason| reason.to_string())?;
    let content = message.content()?;
    let mut item: Members<'_> = serde_json::from_str(&content).map_err(|reason| reason.to_string())?;
    let none = to_raw_value(&0).expect("a number is JSON");
    item.0.retain(|(name, _)| name != "not_before");
    for (_, attempts) in item.0.iter_mut().filter(|(name, _)| name == "attempts") {
        *attempts = &none;
    }
    Ok(serde_json::to_string(&item).expect("members of an item are JSON"))
}

/// Moves a received message to the queue `parked`.
pub(super) async fn moved(message: &QueueMessage, queue: &StorageQueue, parked: &StorageQueue) -> Fate {
    let content = match afresh(message) {
        Ok(content) => content,
        Err(reason) => return Fate::Skipped(reason),
    };
    if let Err(error) = put(parked, &content).await {
        return Fate::Failed(format!(
            "cannot put it into queue {}, so it stays in {}: {error}",
            parked.name, queue.name
        ));
    }
    match queue.delete(&message.id, message.pop_receipt.as_deref().unwrap_or_default()).await {
        Ok(()) => Fate::Changed,
        Err(error) => Fate::Failed(format!(
            "it is in queue {} now, but still in {} as well, where it should be deleted: {error}",
            parked.name, queue.name
        )),
    }
}

/// The Functions host creates the queue with its first message, which may not have been there yet.
async fn put(parked: &StorageQueue, content: &str) -> Result<(), QueueError> {
    match parked.put(content).await {
        Err(QueueError::NoQueue) => {
            parked.create().await?;
            parked.put(content).await
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn message(content: &str) -> QueueMessage {
        let (inserted, expires, text) = (String::new(), String::new(), STANDARD.encode(content));
        QueueMessage { id: "m1".to_owned(), pop_receipt: None, inserted, expires, dequeue_count: 1, text }
    }

    #[test]
    fn an_item_starts_afresh_with_the_rest_of_its_text_as_it_was() {
        let content = r#"{"kind":"uplink","reason":"a \u00fc","error":"unavailable","first_seen":"2026-11-21T10:00:00Z","attempts":12,"not_before":"2026-11-22T00:00:00Z","new":[1.50],"original":{"message":{"not_before":1.0,"attempts":7}}}"#;
        let expected = r#"{"kind":"uplink","reason":"a \u00fc","error":"unavailable","first_seen":"2026-11-21T10:00:00Z","attempts":0,"new":[1.50],"original":{"message":{"not_before":1.0,"attempts":7}}}"#;
        assert_eq!(afresh(&message(content)).unwrap(), expected);
    }

    #[test]
    fn what_is_no_readable_item_is_not_retried() {
        let broken = r#"{"kind":"uplink","reason":"","error":"","first_seen":"","attempts":1,"original_gzip":"AAAA"}"#;
        for (content, reason) in [("hello", "not an item of the handler"), (broken, "not gzip")] {
            let found = afresh(&message(content)).unwrap_err();
            assert!(found.contains(reason), "{found}");
        }
    }
}
