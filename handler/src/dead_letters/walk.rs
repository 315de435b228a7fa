//! Going through all messages of a queue without taking any away.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::storage_queue::{PAGE, QueueError, QueueMessage, StorageQueue};

/// How long a message stays hidden if we end before giving it back. A walk past 100,000 messages takes a minute.
const HIDDEN_FOR: Duration = Duration::from_secs(120);

/// One walk. Peeking shows the first page only, so a longer queue is received page by page: what was received is hidden,
/// and the next page comes forward. It takes no more than there were when it began: what is tried again may fail and come
/// back while it is under way. [`Walk::give_back`] ends it.
pub(super) struct Walk {
    queue: StorageQueue,
    next: Step,
    /// Messages still to come, once they are counted.
    left: Option<usize>,
    seen: HashSet<String>,
    held: HashMap<String, String>,
}

enum Step {
    Peek,
    Receive,
    End,
}

impl Walk {
    /// A walk to look only: a queue of less than a page is not touched at all.
    pub(super) fn looking(queue: StorageQueue) -> Self {
        Self { queue, next: Step::Peek, left: None, seen: HashSet::new(), held: HashMap::new() }
    }

    /// A walk that gets a pop receipt for every message.
    pub(super) fn taking(queue: StorageQueue) -> Self {
        Self { next: Step::Receive, ..Self::looking(queue) }
    }

    /// The next messages, none of them a second time; `None` after the last.
    pub(super) async fn next_page(&mut self) -> Result<Option<Vec<QueueMessage>>, QueueError> {
        if matches!(self.next, Step::Peek) {
            let page = self.queue.peek().await?;
            if page.len() < PAGE {
                self.next = Step::End;
                return Ok(Some(page));
            }
            self.next = Step::Receive;
        }
        if matches!(self.next, Step::End) {
            return Ok(None);
        }
        let left = match self.left {
            Some(left) => left,
            None => usize::try_from(self.queue.approximate_count().await?).unwrap_or(usize::MAX),
        };
        if left == 0 {
            return Ok(None);
        }
        let mut page = self.queue.receive(HIDDEN_FOR).await?;
        for message in &page {
            if let Some(receipt) = &message.pop_receipt {
                self.held.insert(message.id.clone(), receipt.clone());
            }
        }
        // A walk slower than HIDDEN_FOR meets its first messages again: then it has been everywhere.
        page.retain(|message| self.seen.insert(message.id.clone()));
        page.truncate(left);
        self.left = Some(left - page.len());
        Ok(Some(page).filter(|page| !page.is_empty()))
    }

    /// The message is gone from the queue: there is nothing to give back.
    pub(super) fn is_gone(&mut self, id: &str) {
        self.held.remove(id);
    }

    /// Shows everything received to others again.
    ///
    /// # Errors
    /// A sentence if something stays hidden for a while.
    pub(super) async fn give_back(self) -> Result<(), String> {
        let mut failed = Vec::new();
        let held: Vec<_> = self.held.into_iter().collect();
        for page in held.chunks(PAGE) {
            let given_back = |(id, receipt): (String, String)| {
                let queue = self.queue.clone();
                tokio::spawn(async move { queue.give_back(&id, &receipt).await })
            };
            let tasks: Vec<_> = page.iter().cloned().map(given_back).collect();
            for task in tasks {
                match task.await {
                    // Visible again already.
                    Ok(Ok(()) | Err(QueueError::NoMessage)) => {}
                    Ok(Err(error)) => failed.push(error.to_string()),
                    Err(reason) => failed.push(reason.to_string()),
                }
            }
        }
        let Some(first) = failed.first() else { return Ok(()) };
        let (count, seconds) = (failed.len(), HIDDEN_FOR.as_secs());
        Err(format!("{count} messages could not be given back and stay hidden for up to {seconds} s: {first}"))
    }
}
