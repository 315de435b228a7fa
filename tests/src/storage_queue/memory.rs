//! Queues in memory, with the service's rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use time::{Date, OffsetDateTime, Time};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::QueueError;
use super::message::{MOST_TEXT_BYTES, Message, PeekedMessage, PutOptions, Receipt, SEVEN_DAYS};

/// The most messages of one get or peek.
const MOST_MESSAGES: u32 = 32;

/// The longest time to live that is not for ever: it is sent as a positive number of 32 bits.
const LONGEST_LIFE: Duration = Duration::from_secs(i32::MAX as u64);

/// An account whose time runs faster or slower than the clock.
#[derive(Debug)]
pub(super) struct MemoryQueues {
    time_scale: f64,
    queues: Mutex<BTreeMap<String, Queue>>,
    /// Changes when a message may have become visible sooner than it looked.
    changed: watch::Sender<()>,
}

/// One queue; a million messages cost each operation no more than a few steps down a tree.
#[derive(Debug, Default)]
struct Queue {
    messages: HashMap<Uuid, Stored>,
    by_visibility: BTreeSet<(Instant, u64, Uuid)>,
    by_expiry: BTreeSet<(Instant, Uuid)>,
    puts: u64,
}

#[derive(Debug)]
struct Stored {
    message: Message,
    sequence: u64,
    visible_at: Instant,
    expires_at: Option<Instant>,
}

impl MemoryQueues {
    pub(super) fn new(time_scale: f64) -> Self {
        Self { time_scale: time_scale.max(0.0), queues: Mutex::default(), changed: watch::Sender::new(()) }
    }

    pub(super) fn time_scale(&self) -> f64 {
        self.time_scale
    }

    pub(super) fn create(&self, queue: &str) -> Result<(), QueueError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let dashes = queue.starts_with('-') || queue.ends_with('-') || queue.contains("--");
        match (3..=63).contains(&queue.len()) && queue.bytes().all(allowed) && !dashes {
            true => drop(self.lock().entry(queue.to_owned()).or_default()),
            false => return Err(QueueError::service(400, "InvalidResourceName")),
        }
        Ok(())
    }

    pub(super) fn put(&self, queue: &str, text: &str, options: PutOptions) -> Result<Message, QueueError> {
        let PutOptions { visibility_delay, time_to_live } = options;
        let ever = time_to_live == Duration::MAX;
        check(ever || (Duration::from_secs(1)..=LONGEST_LIFE).contains(&time_to_live))?;
        check(visibility_delay <= SEVEN_DAYS && visibility_delay < time_to_live)?;
        if text.len() > MOST_TEXT_BYTES {
            return Err(QueueError::service(413, "RequestBodyTooLarge"));
        }
        let (id, now) = (Uuid::new_v4(), now());
        let message = Message {
            id: id.to_string(),
            pop_receipt: pop_receipt(),
            insertion_time: now,
            expiration_time: if ever { end_of_time() } else { now + time_to_live },
            next_visible_time: now + visibility_delay,
            dequeue_count: 0,
            text: text.to_owned(),
        };
        let visible_at = self.due(visibility_delay);
        let expires_at = (!ever).then(|| self.due(time_to_live));
        self.with(queue, |queue| {
            queue.puts += 1;
            queue.insert(id, Stored { message: message.clone(), sequence: queue.puts, visible_at, expires_at });
        })?;
        self.changed.send_replace(());
        Ok(message)
    }

    pub(super) fn get(&self, queue: &str, most: u32, timeout: Duration) -> Result<Vec<Message>, QueueError> {
        check((1..=MOST_MESSAGES).contains(&most) && (Duration::from_secs(1)..=SEVEN_DAYS).contains(&timeout))?;
        let (visible_at, next_visible_time) = (self.due(timeout), now() + timeout);
        self.with(queue, |queue| {
            let ids: Vec<_> = queue.visible().take(most as usize).collect();
            let got = ids.into_iter().filter_map(|id| {
                let mut stored = queue.remove(id)?;
                stored.visible_at = visible_at;
                stored.message.next_visible_time = next_visible_time;
                stored.message.pop_receipt = pop_receipt();
                stored.message.dequeue_count += 1;
                let message = stored.message.clone();
                queue.insert(id, stored);
                Some(message)
            });
            got.collect()
        })
    }

    pub(super) fn peek(&self, queue: &str, most: u32) -> Result<Vec<PeekedMessage>, QueueError> {
        check((1..=MOST_MESSAGES).contains(&most))?;
        self.with(queue, |queue| queue.visible().take(most as usize).filter_map(|id| queue.peeked(id)).collect())
    }

    pub(super) fn update(
        &self,
        queue: &str,
        id: &str,
        receipt: &str,
        timeout: Duration,
    ) -> Result<Receipt, QueueError> {
        check(timeout <= SEVEN_DAYS)?;
        let (visible_at, next_visible_time) = (self.due(timeout), now() + timeout);
        let receipt = self.with(queue, |queue| {
            let id = queue.checked(id, receipt)?;
            let mut stored = queue.remove(id).ok_or_else(|| QueueError::service(404, "MessageNotFound"))?;
            stored.visible_at = visible_at;
            stored.message.next_visible_time = next_visible_time;
            stored.message.pop_receipt = pop_receipt();
            let receipt = Receipt { pop_receipt: stored.message.pop_receipt.clone(), next_visible_time };
            queue.insert(id, stored);
            Ok(receipt)
        })?;
        self.changed.send_replace(());
        receipt
    }

    pub(super) fn delete(&self, queue: &str, id: &str, pop_receipt: &str) -> Result<(), QueueError> {
        self.with(queue, |queue| queue.checked(id, pop_receipt).map(|id| drop(queue.remove(id))))?
    }

    pub(super) fn clear(&self, queue: &str) -> Result<(), QueueError> {
        self.with(queue, |queue| *queue = Queue { puts: queue.puts, ..Queue::default() })
    }

    pub(super) fn approximate_count(&self, queue: &str) -> Result<usize, QueueError> {
        self.with(queue, |queue| queue.messages.len())
    }

    pub(super) fn all(&self, queue: &str) -> Vec<PeekedMessage> {
        let all = self.with(queue, |queue| queue.by_visibility.iter().filter_map(|key| queue.peeked(key.2)).collect());
        all.unwrap_or_default()
    }

    pub(super) async fn wait_for_message(&self, queue: &str) {
        let mut changes = self.changed.subscribe();
        loop {
            changes.mark_unchanged();
            let first = self.with(queue, |queue| queue.by_visibility.first().map(|(visible_at, ..)| *visible_at));
            match first.ok().flatten() {
                Some(visible_at) if visible_at <= Instant::now() => return,
                Some(visible_at) => drop(tokio::time::timeout_at(visible_at, changes.changed()).await),
                None => drop(changes.changed().await),
            }
        }
    }

    fn due(&self, duration: Duration) -> Instant {
        Instant::now() + duration.mul_f64(self.time_scale)
    }

    /// Does something with a queue that has no expired messages.
    fn with<T>(&self, name: &str, operation: impl FnOnce(&mut Queue) -> T) -> Result<T, QueueError> {
        let mut queues = self.lock();
        let queue = queues.get_mut(name).ok_or_else(|| QueueError::service(404, "QueueNotFound"))?;
        queue.expire();
        Ok(operation(queue))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn insert(&mut self, id: Uuid, stored: Stored) {
        self.by_visibility.insert((stored.visible_at, stored.sequence, id));
        self.by_expiry.extend(stored.expires_at.map(|expires_at| (expires_at, id)));
        self.messages.insert(id, stored);
    }

    fn remove(&mut self, id: Uuid) -> Option<Stored> {
        let stored = self.messages.remove(&id)?;
        self.by_visibility.remove(&(stored.visible_at, stored.sequence, id));
        stored.expires_at.map(|expires_at| self.by_expiry.remove(&(expires_at, id)));
        Some(stored)
    }

    fn expire(&mut self) {
        let now = Instant::now();
        while let Some((_, id)) = self.by_expiry.first().copied().filter(|(expires_at, _)| *expires_at <= now) {
            self.remove(id);
        }
    }

    fn visible(&self) -> impl Iterator<Item = Uuid> {
        let now = Instant::now();
        self.by_visibility.iter().take_while(move |(visible_at, ..)| *visible_at <= now).map(|(_, _, id)| *id)
    }

    fn peeked(&self, id: Uuid) -> Option<PeekedMessage> {
        let Message { id, insertion_time, expiration_time, dequeue_count, text, .. } =
            self.messages.get(&id)?.message.clone();
        Some(PeekedMessage { id, insertion_time, expiration_time, dequeue_count, text })
    }

    fn checked(&self, id: &str, pop_receipt: &str) -> Result<Uuid, QueueError> {
        let id = Uuid::parse_str(id).ok().filter(|id| self.messages.contains_key(id));
        let id = id.ok_or_else(|| QueueError::service(404, "MessageNotFound"))?;
        match self.messages[&id].message.pop_receipt == pop_receipt {
            true => Ok(id),
            false => Err(QueueError::service(400, "PopReceiptMismatch")),
        }
    }
}

fn check(in_range: bool) -> Result<(), QueueError> {
    if in_range { Ok(()) } else { Err(QueueError::service(400, "OutOfRangeQueryParameterValue")) }
}

fn pop_receipt() -> String {
    STANDARD.encode(Uuid::new_v4().as_bytes())
}

#[expect(clippy::disallowed_methods, reason = "the stand-in stamps messages as the service does")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// The expiration time of a message that lives for ever.
fn end_of_time() -> OffsetDateTime {
    OffsetDateTime::new_utc(Date::MAX, Time::MIDNIGHT)
}
