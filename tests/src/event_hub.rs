//! An Event Hub in memory: the log of events between IoT Hub's routes and the Functions host's trigger.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::newest::Newest;

/// What a sender gives: body, application properties and annotations ("system properties").
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventData {
    /// Any bytes; JSON text for IoT Hub's own events.
    pub body: Vec<u8>,
    /// Application properties, e.g. `opType`.
    pub properties: Map<String, Value>,
    /// Annotations and AMQP properties, e.g. `iothub-message-source`.
    pub system_properties: Map<String, Value>,
    /// Events with the same key stay in one partition, in order. IoT Hub uses the device id.
    pub partition_key: Option<String>,
}

/// An event as it lies in a partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What the sender gave.
    pub data: EventData,
    /// Position in the partition, counted from 0.
    pub sequence_number: i64,
    /// Byte position in the partition, as the service reports it.
    pub offset: i64,
    /// When the hub accepted it.
    pub enqueued_time: OffsetDateTime,
}

/// Sees every event.
pub trait Observer: fmt::Debug + Send + Sync {
    /// An event has its place in a partition; no reader has it yet.
    fn accepted(&self, partition: usize, event: &Event);
}

/// A named log with a fixed number of partitions.
#[derive(Debug)]
pub struct EventHub {
    name: String,
    partitions: Vec<Mutex<Newest<Event>>>,
    accepted: watch::Sender<u64>,
    observer: Option<Arc<dyn Observer>>,
}

impl EventHub {
    /// An empty hub with `partitions` partitions (at least one).
    #[must_use]
    pub fn new(name: &str, partitions: usize) -> Arc<Self> {
        Self::observed(name, partitions, None)
    }

    /// An empty hub that shows its events to somebody before it stores them.
    #[must_use]
    pub fn observed(name: &str, partitions: usize, observer: Option<Arc<dyn Observer>>) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            partitions: (0..partitions.max(1)).map(|_| Mutex::new(Newest::new(usize::MAX))).collect(),
            accepted: watch::Sender::new(0),
            observer,
        })
    }

    /// The entity name, as in `EVENT_HUB_NAME`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many partitions there are; they are numbered from 0.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    /// Appends one event to its key's partition (to the first one without a key).
    #[expect(clippy::disallowed_methods, reason = "the stand-in stamps events as the service does")]
    pub fn send(&self, data: EventData) {
        let partition = data.partition_key.as_deref().map_or(0, |key| self.partition_of(key));
        let mut log = self.partition(partition);
        let offset = log.last().map_or(0, |last| last.offset + 64 + length(&last.data));
        let sequence_number = i64::try_from(log.count()).unwrap_or(i64::MAX);
        let event = Event { data, sequence_number, offset, enqueued_time: OffsetDateTime::now_utc() };
        if let Some(observer) = &self.observer {
            observer.accepted(partition, &event);
        }
        log.push(event);
        drop(log);
        self.accepted.send_modify(|count| *count += 1);
    }

    /// At most `most` events of a partition, from sequence number `from` on.
    #[must_use]
    pub fn read(&self, partition: usize, from: i64, most: usize) -> Vec<Event> {
        let log = self.partition(partition);
        log.from(usize::try_from(from).unwrap_or(0)).take(most).cloned().collect()
    }

    /// Lets go of a partition's events before a sequence number, as the service does after the retention time.
    pub fn forget_before(&self, partition: usize, sequence_number: i64) {
        self.partition(partition).forget_before(usize::try_from(sequence_number).unwrap_or(0));
    }

    /// The sequence number a partition's next event gets.
    #[must_use]
    pub fn next_sequence_number(&self, partition: usize) -> i64 {
        i64::try_from(self.partition(partition).count()).unwrap_or(i64::MAX)
    }

    /// All events there are, partition by partition.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        (0..self.partitions.len()).flat_map(|partition| self.read(partition, 0, usize::MAX)).collect()
    }

    /// A receiver that changes with every accepted event; read, then wait for a change, then read again.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.accepted.subscribe()
    }

    fn partition_of(&self, key: &str) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        usize::try_from(hasher.finish() % self.partitions.len() as u64).unwrap_or(0)
    }

    fn partition(&self, index: usize) -> MutexGuard<'_, Newest<Event>> {
        self.partitions[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn length(data: &EventData) -> i64 {
    i64::try_from(data.body.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(key: &str, body: &str) -> EventData {
        EventData { body: body.into(), partition_key: Some(key.to_owned()), ..EventData::default() }
    }

    #[test]
    fn events_of_one_device_keep_their_order_in_one_partition() {
        let hub = EventHub::new("events", 4);
        for number in 0..10 {
            hub.send(event("dev-1", &number.to_string()));
        }
        let partition = hub.partition_of("dev-1");
        let bodies: Vec<_> = hub.read(partition, 0, 100).into_iter().map(|event| event.data.body).collect();
        assert_eq!(bodies, (0..10).map(|number| number.to_string().into_bytes()).collect::<Vec<_>>());
        assert_eq!(hub.read(partition, 7, 2).len(), 2);
        assert_eq!(hub.read(partition, 11, 2), []);
    }

    #[test]
    fn forgotten_events_leave_a_gap_and_numbers_go_on() {
        let hub = EventHub::new("events", 1);
        (0..4).for_each(|number: u8| hub.send(event("dev-1", &number.to_string())));
        hub.forget_before(0, 2);
        hub.send(event("dev-1", "4"));
        let numbers: Vec<_> = hub.read(0, 0, 10).into_iter().map(|event| event.sequence_number).collect();
        assert_eq!((numbers, hub.next_sequence_number(0)), (vec![2, 3, 4], 5));
    }
}
