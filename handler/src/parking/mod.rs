//! What cannot be delivered now is kept in storage queues: `parked` to be tried again, `dead-letter` for a person.

mod compression;
mod item;
mod original;

pub use item::{Item, Kind, MAX_BYTES, TooLarge, Unreadable};
pub use original::{HubEventOriginal, UnreadBody, UplinkOriginal};
