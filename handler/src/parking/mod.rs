//! What cannot be delivered now is kept in storage queues: `parked` to be tried again, `dead-letter` for a person.

mod compression;
mod item;
mod original;

pub use item::{Item, Kind, MAX_BYTES, TooLarge, Unreadable};
pub use original::{HubEventOriginal, UnreadBody, UplinkOriginal};

/// How long an item is tried: as many dequeues, and as long a visibility time-out, as `host.json` says.
pub const TRIED_FOR: time::Duration = time::Duration::hours(25);

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_item_is_tried_as_long_as_the_host_shows_it() {
        let host: Value = serde_json::from_str(include_str!("../../../host.json")).unwrap();
        let queues = &host["extensions"]["queues"];
        assert_eq!(queues["visibilityTimeout"], "00:05:00");
        let dequeues = queues["maxDequeueCount"].as_i64().unwrap();
        assert_eq!(time::Duration::minutes(5 * dequeues), TRIED_FOR);
    }
}
