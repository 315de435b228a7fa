//! A queue item: self-describing JSON, readable in any storage explorer unless it had to be compressed.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, Time};

use super::compression::{compressed, decompressed};
use crate::error::{Error, Retry, shortened};

/// Largest item, in bytes: a queue message holds 64 KB, and the Functions host writes it in base64. A little less, so
/// that nobody's idea of a kilobyte matters.
pub const MAX_BYTES: usize = 48_000;

/// Longest reason, in bytes.
const MAX_REASON: usize = 1_000;

/// One message or event that could not be delivered, and why. It never holds a key.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Item {
    /// Which journey it belongs to.
    pub kind: Kind,
    /// What failed last, as the log says it.
    pub reason: String,
    /// The failure in one stable word, e.g. `unavailable`.
    pub error: String,
    /// When it could not be delivered for the first time, RFC 3339.
    pub first_seen: String,
    /// Deliveries tried before it came into this queue.
    pub attempts: u64,
    /// No try before this time makes sense, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// `traceparent` of the invocation that kept it first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The device, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_gzip: Option<String>,
}

/// A journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The original is an [`UplinkOriginal`](super::UplinkOriginal).
    Uplink,
    /// The original is a [`HubEventOriginal`](super::HubEventOriginal).
    HubEvent,
    /// The original is an update of a twin's reported properties.
    Reported,
}

/// An item does not fit a queue message, not even compressed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {0} bytes to keep after compression, and a queue message takes {MAX_BYTES}")]
pub struct TooLarge(usize);

impl TooLarge {
    /// The item's size when compressed.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0
    }
}

/// What lies in the queue is not an item of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("found a queue message that is not an item of the handler: {0}")]
pub struct Unreadable(String);

impl Item {
    /// An item for something that failed just now, for the first time.
    #[must_use]
    pub fn new<T: Serialize>(kind: Kind, error: &Error, now: OffsetDateTime, original: &T) -> Self {
        Self {
            kind,
            reason: shortened(&error.to_string(), MAX_REASON).to_owned(),
            error: error.kind().to_owned(),
            first_seen: text(now),
            attempts: 1,
            not_before: not_before(error, now),
            trace: None,
            device_id: None,
            original: Some(to_raw_value(original).expect("originals hold only JSON")),
            original_gzip: None,
        }
    }

    /// Whether what failed last concerns just its device, see [`Error::is_about_one_device`].
    #[must_use]
    pub fn is_about_one_device(&self) -> bool {
        self.error == "not_yet"
    }

    /// Whether it was refused for good, and a person has taken it out of the dead letters.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        matches!(self.error.as_str(), "refused" | "malformed")
    }

    /// The same item, naming its device and the invocation that kept it.
    #[must_use]
    pub fn about(self, device_id: Option<String>, trace: Option<String>) -> Self {
        Self { device_id, trace, ..self }
    }

    /// The same item after it failed again.
    #[must_use]
    pub fn failed_again(self, error: &Error, attempts: u64, now: OffsetDateTime) -> Self {
        Self {
            reason: shortened(&error.to_string(), MAX_REASON).to_owned(),
            error: error.kind().to_owned(),
            attempts,
            not_before: not_before(error, now),
            ..self
        }
    }

    /// How long ago it could not be delivered for the first time; very long if it does not say.
    #[must_use]
    pub fn age(&self, now: OffsetDateTime) -> time::Duration {
        OffsetDateTime::parse(&self.first_seen, &Rfc3339).map_or(time::Duration::MAX, |first_seen| now - first_seen)
    }

    /// How long a try makes no sense yet.
    #[must_use]
    pub fn wait_from(&self, now: OffsetDateTime) -> Duration {
        let not_before = self.not_before.as_deref().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        not_before.map_or(Duration::ZERO, |at| (at - now).try_into().unwrap_or_default())
    }

    /// The queue message's text; the original is compressed if it has to be.
    ///
    /// # Errors
    /// [`TooLarge`] if even that does not make it fit.
    pub fn encode(mut self) -> Result<String, TooLarge> {
        let text = self.to_json();
        if text.len() <= MAX_BYTES {
            return Ok(text);
        }
        if let Some(original) = self.original.take() {
            self.original_gzip = Some(compressed(original.get()));
        }
        let text = self.to_json();
        if text.len() <= MAX_BYTES { Ok(text) } else { Err(TooLarge(text.len())) }
    }

    /// Reads a queue message's text.
    ///
    /// # Errors
    /// [`Unreadable`] if it is none of ours.
    pub fn decode(text: &str) -> Result<Self, Unreadable> {
        let item: Self = serde_json::from_str(text).map_err(|reason| Unreadable(reason.to_string()))?;
        if item.original.is_some() == item.original_gzip.is_some() {
            return Err(Unreadable("expected either original or original_gzip".to_owned()));
        }
        Ok(item)
    }

    /// The original's JSON text.
    ///
    /// # Errors
    /// [`Unreadable`] if it cannot be decompressed.
    pub fn original(&self) -> Result<Cow<'_, str>, Unreadable> {
        match (&self.original, &self.original_gzip) {
            (Some(original), _) => Ok(Cow::Borrowed(original.get())),
            (None, Some(gzip)) => decompressed(gzip).map(Cow::Owned).map_err(Unreadable),
            (None, None) => Err(Unreadable("it has no original".to_owned())),
        }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an item holds only JSON")
    }
}

fn text(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).expect("times of this millennium have a text")
}

fn not_before(error: &Error, now: OffsetDateTime) -> Option<String> {
    match error.retry()? {
        Retry::Soon | Retry::Settling | Retry::Redelivery => None,
        Retry::After(wait) => Some(text(now + wait)),
        Retry::NextDay => Some(text(now.date().next_day()?.with_time(Time::MIDNIGHT).assume_utc())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-21 10:00 UTC);

    fn item(original: &Value) -> Item {
        let error = Error::Malformed("because".to_owned());
        Item { device_id: Some("sensor-1".to_owned()), ..Item::new(Kind::Uplink, &error, NOW, original) }
    }

    #[test]
    fn an_item_is_readable_json() {
        let text = item(&json!({"message": {"f_cnt": 1}})).encode().unwrap();
        let expected = r#"{"kind":"uplink","reason":"because","error":"malformed","first_seen":"2026-11-21T10:00:00Z","attempts":1,"device_id":"sensor-1","original":{"message":{"f_cnt":1}}}"#;
        assert_eq!(text, expected);
        assert_eq!(Item::decode(&text).unwrap().original().unwrap(), r#"{"message":{"f_cnt":1}}"#);
    }

    #[test]
    fn a_large_original_is_compressed_and_comes_back_whole() {
        let original = json!({"message": "ab".repeat(100_000)});
        let text = item(&original).encode().unwrap();
        assert!(text.len() < 2_000 && text.contains("original_gzip"));
        assert_eq!(Item::decode(&text).unwrap().original().unwrap(), original.to_string());
    }

    #[test]
    fn what_does_not_fit_even_compressed_is_refused_not_cut() {
        let noise: String = (0..100_000).map(|_| fastrand::alphanumeric()).collect();
        assert!(matches!(item(&json!(noise)).encode(), Err(TooLarge(bytes)) if bytes > MAX_BYTES));
    }

    #[test]
    fn a_reason_is_bounded_at_a_character() {
        let error = Error::Malformed("ü".repeat(1_000));
        assert_eq!(Item::new(Kind::Uplink, &error, NOW, &()).reason.chars().count(), 500);
    }

    #[test]
    fn a_try_waits_as_the_peer_says_and_an_exhausted_quota_until_midnight_utc() {
        for (retry, hours) in
            [(Retry::Soon, 0.0), (Retry::After(Duration::from_secs(36)), 0.01), (Retry::NextDay, 14.0)]
        {
            let error = Error::Unavailable { peer: crate::error::Peer::IotHub, what: "no".to_owned(), retry };
            let item = Item::new(Kind::Uplink, &error, NOW, &());
            assert_eq!(item.wait_from(NOW).as_secs_f64(), hours * 3_600.0);
            assert_eq!(item.wait_from(NOW + Duration::from_secs(100_000)), Duration::ZERO);
        }
    }

    #[test]
    fn a_strangers_queue_message_is_unreadable() {
        for text in ["", "hello", "{}", r#"{"kind":"uplink","reason":"","error":"","first_seen":"","attempts":1}"#] {
            assert!(Item::decode(text).is_err(), "{text}");
        }
        let broken = r#"{"kind":"uplink","reason":"","error":"","first_seen":"","attempts":1,"original_gzip":"AAAA"}"#;
        assert!(Item::decode(broken).unwrap().original().is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(\\{|\\}|\"|:|,|kind|uplink|original_gzip|attempts|1|.){0,24}") {
            let _ = Item::decode(&text).map(|item| item.original().map(Cow::into_owned));
        }
    }
}
