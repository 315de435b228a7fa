//! `dead-letters retry` and `dead-letters delete`: which messages, what is done to each, and what is said about it.

use std::io::Write;

use super::failure::{Failure, Outcome};
use super::retry;
use super::row::{item, name_of};
use super::table::cell;
use super::walk::Walk;
use crate::storage_queue::{QueueError, QueueMessage, StorageQueue};

/// A change to a queue's messages.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) change: Change,
    pub(super) queue: StorageQueue,
    pub(super) wanted: Wanted,
    /// Otherwise the job only says what it would do.
    pub(super) is_real: bool,
}

/// What is done to a message.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// It goes to the queue `parked`.
    Retry { parked: StorageQueue },
    /// It goes for good.
    Delete,
}

/// Which messages.
#[derive(Debug)]
pub(super) enum Wanted {
    Ids(Vec<String>),
    All { device: Option<String> },
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Fate {
    Changed,
    Skipped(String),
    Failed(String),
}

#[derive(Debug, Default)]
struct Tally {
    changed: usize,
    skipped: usize,
    failed: usize,
    found: Vec<String>,
}

impl Job {
    /// Does it, with a line for each message and one with the total.
    pub(super) async fn run(&self, out: &mut dyn Write) -> Result<Outcome, Failure> {
        let queue = self.queue.clone();
        let mut walk = if self.is_real { Walk::taking(queue) } else { Walk::looking(queue) };
        let walked = self.walk(&mut walk, out).await;
        let given_back = walk.give_back().await;
        let tally = walked?;
        let missing: Vec<_> = self.wanted.missing(&tally.found).collect();
        for id in &missing {
            let failure = Failure::NoSuchMessage { id: (*id).clone(), queue: self.queue.name.to_string() };
            writeln!(out, "{failure}")?;
        }
        writeln!(out, "{}", self.total(&tally))?;
        given_back.map_err(Failure::Start)?;
        let is_named = matches!(self.wanted, Wanted::Ids(_));
        Ok(if tally.failed > 0 || (is_named && tally.skipped > 0) {
            Outcome::SomeFailed
        } else if missing.is_empty() {
            Outcome::Done
        } else {
            Outcome::SomeNotFound
        })
    }

    async fn walk(&self, walk: &mut Walk, out: &mut dyn Write) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        loop {
            let page = match walk.next_page().await {
                Ok(Some(page)) => page,
                Ok(None) | Err(QueueError::NoQueue) => return Ok(tally),
                Err(error) => return Err(Failure::queue(&self.queue.name, error)),
            };
            let wanted: Vec<_> = page.into_iter().filter(|message| self.wanted.includes(message)).collect();
            for (message, fate) in self.fates(wanted).await {
                if self.is_real && matches!(fate, Fate::Changed) {
                    walk.is_gone(&message.id);
                }
                let line = self.line(&message, &fate);
                tally.count(message.id, &fate);
                writeln!(out, "{line}")?;
            }
            if matches!(self.wanted, Wanted::Ids(_)) && self.wanted.missing(&tally.found).next().is_none() {
                return Ok(tally);
            }
        }
    }

    /// A page's messages change at the same time, and are told of in order.
    async fn fates(&self, page: Vec<QueueMessage>) -> Vec<(QueueMessage, Fate)> {
        if !self.is_real {
            let foretold = |message| {
                let fate = self.change.foretold(&message);
                (message, fate)
            };
            return page.into_iter().map(foretold).collect();
        }
        let tasks: Vec<_> = page
            .into_iter()
            .map(|message| {
                let (change, queue, of_task) = (self.change.clone(), self.queue.clone(), message.clone());
                (message, tokio::spawn(async move { change.applied(&queue, &of_task).await }))
            })
            .collect();
        let mut fates = Vec::with_capacity(tasks.len());
        for (message, task) in tasks {
            fates.push((message, task.await.unwrap_or_else(|reason| Fate::Failed(reason.to_string()))));
        }
        fates
    }

    fn line(&self, message: &QueueMessage, fate: &Fate) -> String {
        let id = &message.id;
        match (fate, &self.change, self.is_real) {
            (Fate::Skipped(reason), ..) => format!("skipped {id}: {reason}"),
            (Fate::Failed(reason), ..) => format!("failed {id}: {reason}"),
            (Fate::Changed, Change::Retry { .. }, true) => format!("retried {id}: {}", described(message)),
            (Fate::Changed, Change::Retry { .. }, false) => format!("would retry {id}: {}", described(message)),
            (Fate::Changed, Change::Delete, true) => format!("deleted {id}: {}", described(message)),
            (Fate::Changed, Change::Delete, false) => format!("would delete {id}: {}", described(message)),
        }
    }

    fn total(&self, tally: &Tally) -> String {
        let Tally { changed, skipped, failed, .. } = tally;
        let from = &self.queue.name;
        let done = match &self.change {
            Change::Retry { parked } => format!("put from queue {from} into queue {}", parked.name),
            Change::Delete => format!("deleted from queue {from}"),
        };
        match (self.is_real, *changed) {
            (true, _) => format!("{changed} {done}, {skipped} skipped, {failed} failed."),
            (false, 0) => format!("Nothing would be {done}, {skipped} skipped."),
            (false, _) => {
                format!("{changed} would be {done}, {skipped} skipped. Nothing is changed yet: --yes does it.")
            }
        }
    }
}

impl Change {
    /// What would become of the message.
    fn foretold(&self, message: &QueueMessage) -> Fate {
        match self {
            Self::Retry { .. } => retry::afresh(message).map_or_else(Fate::Skipped, |_| Fate::Changed),
            Self::Delete => Fate::Changed,
        }
    }

    async fn applied(&self, queue: &StorageQueue, message: &QueueMessage) -> Fate {
        match self {
            Self::Retry { parked } => retry::moved(message, queue, parked).await,
            Self::Delete => match queue.delete(&message.id, message.pop_receipt.as_deref().unwrap_or_default()).await {
                Ok(()) => Fate::Changed,
                Err(error) => Fate::Failed(error.to_string()),
            },
        }
    }
}

impl Wanted {
    fn includes(&self, message: &QueueMessage) -> bool {
        match self {
            Self::Ids(ids) => ids.contains(&message.id),
            Self::All { device: None } => true,
            Self::All { device } => item(message).is_ok_and(|item| item.device_id == *device),
        }
    }

    fn missing(&self, found: &[String]) -> impl Iterator<Item = &String> {
        let ids = match self {
            Self::Ids(ids) => ids.as_slice(),
            Self::All { .. } => &[],
        };
        ids.iter().filter(move |id| !found.contains(id))
    }
}

impl Tally {
    fn count(&mut self, id: String, fate: &Fate) {
        *match fate {
            Fate::Changed => &mut self.changed,
            Fate::Skipped(_) => &mut self.skipped,
            Fate::Failed(_) => &mut self.failed,
        } += 1;
        self.found.push(id);
    }
}

fn described(message: &QueueMessage) -> String {
    match item(message) {
        Ok(item) => {
            let device = item.device_id.unwrap_or_else(|| "an unknown device".to_owned());
            cell(&format!("{} of {device}, {}", name_of(item.kind), item.error), 120)
        }
        Err(reason) => cell(&reason, 120),
    }
}
