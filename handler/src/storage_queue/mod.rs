//! Azure Storage queues over REST, for the operator's commands; functions reach queues through bindings.

mod account;
mod azure_login;
mod client;
mod connection_string;
mod error;
mod message;
mod shared_key;
#[cfg(test)]
pub(crate) mod stand_in;
#[cfg(test)]
mod tests;

pub use account::{Account, Credential};
pub use client::{PAGE, QueueService, StorageQueue};
pub use error::QueueError;
pub use message::QueueMessage;

/// Whether `name` is one the service accepts: 3 to 63 lower-case letters, digits and single inner dashes.
#[must_use]
pub fn is_queue_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (3..=63).contains(&name.len())
        && name.chars().all(is_allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}
