//! Queue items: what was kept comes back whole, within the queue's limit or refused, and strangers' items do no harm.

use std::time::Duration;

use handler::error::{Error, Peer, Retry};
use handler::parking::{Item, Kind, MAX_BYTES, UplinkOriginal};
use serde_json::value::{RawValue, to_raw_value};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::lines;

const NOW: OffsetDateTime = datetime!(2026-11-21 10:00 UTC);

/// Largest original tried.
const MOST_BYTES: usize = 64 * 1024;

/// Smaller originals always fit: base64 of what does not compress, and the reason with every character escaped.
const ALWAYS_FITS: usize = 28 * 1024;

/// Lines: how long the peer asks to wait, how often the original is repeated (`#`: how much noise follows it), and the
/// original. The whole is tried as an item, too.
pub fn queue_item(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    a_strangers_item_does_no_harm(&text);
    let [wait, times, original] = lines(&text);
    let error = match wait.parse() {
        Ok(seconds) => {
            let retry = Retry::After(Duration::from_secs(seconds));
            Error::Unavailable { peer: Peer::IotHub, what: wait.to_owned(), retry }
        }
        Err(_) => Error::Malformed(wait.to_owned()),
    };
    let message = match times.strip_prefix('#') {
        Some(bytes) => json_of(&format!("{original}{}", noise(original, bytes.parse().unwrap_or(0)))),
        None => json_of(&original.repeat(most_times(original, times.parse().unwrap_or(1)))),
    };
    what_is_kept_comes_back(&error, message, original);
}

fn a_strangers_item_does_no_harm(text: &str) {
    let Ok(item) = Item::decode(text) else { return };
    let _ = (item.wait_from(NOW), item.original().map(std::borrow::Cow::into_owned));
    let again = Item::decode(&item.clone().encode().expect("an input is small")).expect("it is read again");
    assert_eq!((again.kind, &again.reason, &again.error), (item.kind, &item.reason, &item.error));
    assert_eq!((&again.first_seen, again.attempts), (&item.first_seen, item.attempts));
    assert_eq!((&again.not_before, &again.trace, &again.device_id), (&item.not_before, &item.trace, &item.device_id));
    assert_eq!(again.original(), item.original());
}

fn what_is_kept_comes_back(error: &Error, message: Box<RawValue>, device_id: &str) {
    let message_text = message.get().to_owned();
    let original = UplinkOriginal { application_id: Some("plant-a".to_owned()), trimmed: true, message };
    let device_id: String = device_id.chars().take(128).collect();
    let item = Item::new(Kind::Uplink, error, NOW, &original).about(Some(device_id.clone()), None);
    let text = match item.failed_again(error, u64::MAX, NOW).encode() {
        Ok(text) => text,
        Err(_) => return assert!(message_text.len() > ALWAYS_FITS, "{} bytes must fit", message_text.len()),
    };
    assert!(text.len() <= MAX_BYTES, "{} bytes", text.len());
    let item = Item::decode(&text).expect("our own item is read");
    let _ = item.wait_from(NOW);
    assert_eq!((item.attempts, item.device_id.as_ref()), (u64::MAX, Some(&device_id)));
    let original = item.original().expect("it is decompressed");
    let original: UplinkOriginal = serde_json::from_str(&original).expect("our own original is read");
    assert_eq!(original.message.get(), message_text);
}

/// The text itself if it is JSON, else a JSON string of it.
fn json_of(text: &str) -> Box<RawValue> {
    serde_json::from_str(text).or_else(|_| to_raw_value(text)).expect("a string is JSON")
}

fn most_times(text: &str, times: usize) -> usize {
    times.min(MOST_BYTES / text.len().max(1))
}

/// Letters that do not compress well, the same for the same text.
fn noise(seed: &str, bytes: usize) -> String {
    let mut state = seed.bytes().fold(1_u32, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
    let letter = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'0' + (state >> 24) as u8 % 75)
    });
    letter.take(bytes.min(MOST_BYTES)).collect()
}
