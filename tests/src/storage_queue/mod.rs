//! Storage queues: one API over an account in memory and over any real one by REST.

pub(crate) mod connection_string;
mod error;
mod faults;
mod memory;
mod message;
mod rest;
mod shared_key;
#[cfg(test)]
pub(crate) mod tests;
mod xml;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use error::QueueError;
pub use faults::PutFault;
pub use message::{MOST_TEXT_BYTES, Message, PeekedMessage, PutOptions, Receipt, SEVEN_DAYS};

use self::faults::Faults;
use self::memory::MemoryQueues;
use self::message::check_xml;
use self::rest::RestQueues;

/// Sees every message that is put.
pub trait Observer: fmt::Debug + Send + Sync {
    /// A message is going to be in a queue; nobody has got it yet.
    fn put(&self, queue: &str, text: &str);
}

/// The queues of a storage account. Clones share it.
#[derive(Debug, Clone)]
pub struct Queues(Arc<Account>);

#[derive(Debug)]
struct Account {
    backend: Backend,
    faults: Faults,
    observer: Option<Arc<dyn Observer>>,
}

#[derive(Debug)]
enum Backend {
    Memory(MemoryQueues),
    Rest(RestQueues),
}

impl Default for Queues {
    fn default() -> Self {
        Self::in_memory()
    }
}

impl Queues {
    /// An empty account in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::in_memory_at(1.0)
    }

    /// An empty account in memory whose visibility timeouts, delays and times to live take `time_scale` times as
    /// long as they say: with 0.001 a timeout of 1000 s ends after one. The times it *tells* are those of the service.
    #[must_use]
    pub fn in_memory_at(time_scale: f64) -> Self {
        Self::new(Backend::Memory(MemoryQueues::new(time_scale)), None)
    }

    /// The same, with somebody who watches.
    #[must_use]
    pub fn in_memory_observed(time_scale: f64, observer: Arc<dyn Observer>) -> Self {
        Self::new(Backend::Memory(MemoryQueues::new(time_scale)), Some(observer))
    }

    /// The account of a connection string, over HTTP or HTTPS. Nothing is sent yet.
    ///
    /// # Errors
    /// What is wrong with the connection string.
    pub fn connect(connection_string: &str) -> Result<Self, QueueError> {
        RestQueues::new(connection_string).map(|rest| Self::new(Backend::Rest(rest), None))
    }

    fn new(backend: Backend, observer: Option<Arc<dyn Observer>>) -> Self {
        Self(Arc::new(Account { backend, faults: Faults::default(), observer }))
    }

    /// Creates a queue; one that exists is left as it is.
    ///
    /// # Errors
    /// 400 for a name no queue can have.
    pub async fn create(&self, queue: &str) -> Result<(), QueueError> {
        match &self.0.backend {
            Backend::Memory(memory) => memory.create(queue),
            Backend::Rest(rest) => rest.create(queue).await,
        }
    }

    /// Puts a message that is visible at once and lives for seven days.
    ///
    /// # Errors
    /// As [`Queues::put_with`].
    pub async fn put(&self, queue: &str, text: &str) -> Result<Message, QueueError> {
        self.put_with(queue, text, PutOptions::default()).await
    }

    /// Puts a message.
    ///
    /// # Errors
    /// 404 without the queue, 413 over 64 KB, 400 for characters XML cannot carry, 503 as injected.
    pub async fn put_with(&self, queue: &str, text: &str, options: PutOptions) -> Result<Message, QueueError> {
        self.0.faults.spend()?;
        check_xml(text)?;
        self.0.observer.iter().for_each(|observer| observer.put(queue, text));
        match &self.0.backend {
            Backend::Memory(memory) => memory.put(queue, text, options),
            Backend::Rest(rest) => rest.put(queue, text, options).await,
        }
    }

    /// Puts a message as the Functions host does: a missing queue is created.
    ///
    /// # Errors
    /// As [`Queues::put_with`], without the 404.
    pub async fn put_creating(&self, queue: &str, text: &str) -> Result<Message, QueueError> {
        match self.put(queue, text).await {
            Err(error) if error.code() == "QueueNotFound" => {
                self.create(queue).await?;
                self.put(queue, text).await
            }
            other => other,
        }
    }

    /// Gets at most `most` (1 to 32) messages and hides them for the visibility timeout; each gets a new pop receipt
    /// and one more on its dequeue count.
    ///
    /// # Errors
    /// 404 without the queue, 400 for numbers out of range.
    pub async fn get(&self, queue: &str, most: u32, visibility_timeout: Duration) -> Result<Vec<Message>, QueueError> {
        match &self.0.backend {
            Backend::Memory(memory) => memory.get(queue, most, visibility_timeout),
            Backend::Rest(rest) => rest.get(queue, most, visibility_timeout).await,
        }
    }

    /// Looks at the first visible messages, at most `most` (1 to 32), and changes nothing.
    ///
    /// # Errors
    /// As [`Queues::get`].
    pub async fn peek(&self, queue: &str, most: u32) -> Result<Vec<PeekedMessage>, QueueError> {
        match &self.0.backend {
            Backend::Memory(memory) => memory.peek(queue, most),
            Backend::Rest(rest) => rest.peek(queue, most).await,
        }
    }

    /// Makes a message visible after the timeout, counted from now, and gives it a new pop receipt.
    ///
    /// # Errors
    /// 404 without the queue or the message, 400 when the pop receipt is not the newest.
    pub async fn update(
        &self,
        queue: &str,
        id: &str,
        pop_receipt: &str,
        visibility_timeout: Duration,
    ) -> Result<Receipt, QueueError> {
        match &self.0.backend {
            Backend::Memory(memory) => memory.update(queue, id, pop_receipt, visibility_timeout),
            Backend::Rest(rest) => rest.update(queue, id, pop_receipt, visibility_timeout).await,
        }
    }

    /// Deletes a message.
    ///
    /// # Errors
    /// As [`Queues::update`].
    pub async fn delete(&self, queue: &str, id: &str, pop_receipt: &str) -> Result<(), QueueError> {
        match &self.0.backend {
            Backend::Memory(memory) => memory.delete(queue, id, pop_receipt),
            Backend::Rest(rest) => rest.delete(queue, id, pop_receipt).await,
        }
    }

    /// Deletes all messages of a queue.
    ///
    /// # Errors
    /// 404 without the queue.
    pub async fn clear(&self, queue: &str) -> Result<(), QueueError> {
        match &self.0.backend {
            Backend::Memory(memory) => memory.clear(queue),
            Backend::Rest(rest) => rest.clear(queue).await,
        }
    }

    /// How many messages there are, hidden ones included.
    ///
    /// # Errors
    /// 404 without the queue.
    pub async fn approximate_count(&self, queue: &str) -> Result<usize, QueueError> {
        match &self.0.backend {
            Backend::Memory(memory) => memory.approximate_count(queue),
            Backend::Rest(rest) => rest.approximate_count(queue).await,
        }
    }

    /// All messages of a queue in memory, hidden ones included, in the order in which they are or become visible;
    /// none without the queue. `None` for an account that is not in memory, which cannot be looked at like that.
    #[must_use]
    pub fn all(&self, queue: &str) -> Option<Vec<PeekedMessage>> {
        match &self.0.backend {
            Backend::Memory(memory) => Some(memory.all(queue)),
            Backend::Rest(_) => None,
        }
    }

    /// Makes puts fail from now on, in place of what was injected before.
    pub fn inject(&self, fault: PutFault) {
        self.0.faults.set(Some(fault));
    }

    /// Lets puts succeed again.
    pub fn clear_faults(&self) {
        self.0.faults.set(None);
    }

    /// How long a second of this account takes, in seconds.
    #[must_use]
    pub fn time_scale(&self) -> f64 {
        match &self.0.backend {
            Backend::Memory(memory) => memory.time_scale(),
            Backend::Rest(_) => 1.0,
        }
    }

    /// Waits until a queue in memory has a visible message; of another account nobody hears, so it waits for `poll`.
    pub(crate) async fn wait_for_message(&self, queue: &str, poll: Duration) {
        match &self.0.backend {
            Backend::Memory(memory) => memory.wait_for_message(queue).await,
            Backend::Rest(_) => tokio::time::sleep(poll).await,
        }
    }
}
