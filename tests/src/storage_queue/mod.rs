//! Storage queues: one API over an account in memory and over any real one by REST.

mod error;
mod memory;
mod message;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use error::QueueError;
pub use message::{MOST_TEXT_BYTES, Message, PeekedMessage, PutOptions, Receipt, SEVEN_DAYS};

use self::memory::MemoryQueues;
use self::message::check_xml;

/// The queues of a storage account. Clones share it.
#[derive(Debug, Clone)]
pub struct Queues(Arc<Account>);

#[derive(Debug)]
struct Account {
    backend: Backend,
    /// How many puts are still to fail.
    failing_puts: Mutex<usize>,
}

#[derive(Debug)]
enum Backend {
    Memory(MemoryQueues),
}

/// Which puts fail, with 503 `ServerBusy` and nothing stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutFault {
    /// So many from now on.
    Next(usize),
    /// All until [`Queues::clear_faults`].
    UntilCleared,
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
        Self::new(Backend::Memory(MemoryQueues::new(time_scale)))
    }

    fn new(backend: Backend) -> Self {
        Self(Arc::new(Account { backend, failing_puts: Mutex::default() }))
    }

    /// Creates a queue; one that exists is left as it is.
    ///
    /// # Errors
    /// 400 for a name no queue can have.
    pub async fn create(&self, queue: &str) -> Result<(), QueueError> {
        match &self.0.backend {
            Backend::Memory(memory) => memory.create(queue),
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
        self.spend_fault()?;
        check_xml(text)?;
        match &self.0.backend {
            Backend::Memory(memory) => memory.put(queue, text, options),
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
        }
    }

    /// Looks at the first visible messages, at most `most` (1 to 32), and changes nothing.
    ///
    /// # Errors
    /// As [`Queues::get`].
    pub async fn peek(&self, queue: &str, most: u32) -> Result<Vec<PeekedMessage>, QueueError> {
        match &self.0.backend {
            Backend::Memory(memory) => memory.peek(queue, most),
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
        }
    }

    /// Deletes a message.
    ///
    /// # Errors
    /// As [`Queues::update`].
    pub async fn delete(&self, queue: &str, id: &str, pop_receipt: &str) -> Result<(), QueueError> {
        match &self.0.backend {
            Backend::Memory(memory) => memory.delete(queue, id, pop_receipt),
        }
    }

    /// Deletes all messages of a queue.
    ///
    /// # Errors
    /// 404 without the queue.
    pub async fn clear(&self, queue: &str) -> Result<(), QueueError> {
        match &self.0.backend {
            Backend::Memory(memory) => memory.clear(queue),
        }
    }

    /// How many messages there are, hidden ones included.
    ///
    /// # Errors
    /// 404 without the queue.
    pub async fn approximate_count(&self, queue: &str) -> Result<usize, QueueError> {
        match &self.0.backend {
            Backend::Memory(memory) => memory.approximate_count(queue),
        }
    }

    /// All messages of a queue in memory, hidden ones included, in the order in which they are or become visible;
    /// none without the queue. `None` for an account that is not in memory, which cannot be looked at like that.
    #[must_use]
    pub fn all(&self, queue: &str) -> Option<Vec<PeekedMessage>> {
        match &self.0.backend {
            Backend::Memory(memory) => Some(memory.all(queue)),
        }
    }

    /// Makes puts fail from now on, in place of what was injected before.
    pub fn inject(&self, fault: PutFault) {
        self.set_failing_puts(match fault {
            PutFault::Next(count) => count,
            PutFault::UntilCleared => usize::MAX,
        });
    }

    /// Lets puts succeed again.
    pub fn clear_faults(&self) {
        self.set_failing_puts(0);
    }

    /// How long a second of this account takes, in seconds.
    #[must_use]
    pub fn time_scale(&self) -> f64 {
        match &self.0.backend {
            Backend::Memory(memory) => memory.time_scale(),
        }
    }

    /// Waits until a queue in memory has a visible message; of another account nobody hears, so it waits for `poll`.
    pub(crate) async fn wait_for_message(&self, queue: &str, _poll: Duration) {
        match &self.0.backend {
            Backend::Memory(memory) => memory.wait_for_message(queue).await,
        }
    }

    fn set_failing_puts(&self, count: usize) {
        *self.0.failing_puts.lock().unwrap_or_else(PoisonError::into_inner) = count;
    }

    fn spend_fault(&self) -> Result<(), QueueError> {
        let mut left = self.0.failing_puts.lock().unwrap_or_else(PoisonError::into_inner);
        match *left {
            0 => return Ok(()),
            usize::MAX => {}
            _ => *left -= 1,
        }
        Err(QueueError::service(503, "ServerBusy"))
    }
}
