//! A message in its shapes: to be put, got, peeked at, updated.

use std::time::Duration;

use time::OffsetDateTime;

use super::error::QueueError;

/// The most bytes of a message's text as the service stores it, which is after base64.
pub const MOST_TEXT_BYTES: usize = 64 * 1024;

/// The default time to live, and the longest visibility timeout.
pub const SEVEN_DAYS: Duration = Duration::from_hours(7 * 24);

/// A message as it was put or got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Given by the service, the same for the message's whole life.
    pub id: String,
    /// Proves who has got it last; an update or deletion needs the newest one.
    pub pop_receipt: String,
    /// When it was put.
    pub insertion_time: OffsetDateTime,
    /// When it disappears unread.
    pub expiration_time: OffsetDateTime,
    /// When others can get it.
    pub next_visible_time: OffsetDateTime,
    /// How often it was got, this time included.
    pub dequeue_count: u32,
    /// The text as stored.
    pub text: String,
}

/// A message looked at but not got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeekedMessage {
    /// Given by the service.
    pub id: String,
    /// When it was put.
    pub insertion_time: OffsetDateTime,
    /// When it disappears unread.
    pub expiration_time: OffsetDateTime,
    /// How often it was got.
    pub dequeue_count: u32,
    /// The text as stored.
    pub text: String,
}

/// What an update gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The newest pop receipt.
    pub pop_receipt: String,
    /// When others can get the message.
    pub next_visible_time: OffsetDateTime,
}

/// How a message is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutOptions {
    /// How long it stays hidden at first.
    pub visibility_delay: Duration,
    /// How long it lives; `Duration::MAX` for ever.
    pub time_to_live: Duration,
}

impl Default for PutOptions {
    fn default() -> Self {
        Self { visibility_delay: Duration::ZERO, time_to_live: SEVEN_DAYS }
    }
}

/// Refuses what no XML document can carry, escaped or not.
pub(super) fn check_xml(text: &str) -> Result<(), QueueError> {
    let illegal =
        |character| matches!(character, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}');
    match text.contains(illegal) {
        true => Err(QueueError::service(400, "InvalidXmlDocument")),
        false => Ok(()),
    }
}
