//! Looks at a run from outside while it goes on: queues, health, and how far it has come.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::books::Books;
use super::queues::{Held, Look, Queue};
use crate::system::System;

/// Time between two looks into the queues.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Looks between two lines of progress.
const LOOKS_PER_LINE: u32 = 5;

/// The function whose trigger reads the Event Hub.
pub(super) const HUB_EVENTS: &str = "hub_events";

/// Longest reason shown, in characters.
const MOST_REASON: usize = 160;

/// Events that the trigger has not read to its end.
pub(super) fn backlog(system: &System) -> i64 {
    let read = (0..).zip(checkpoints(system));
    read.map(|(partition, read)| system.event_hub.next_sequence_number(partition) - read).sum()
}

/// How far the trigger has read each partition.
pub(super) fn checkpoints(system: &System) -> Vec<i64> {
    (0..system.event_hub.partition_count()).map(|partition| system.host.checkpoint(HUB_EVENTS, partition)).collect()
}

/// Whoever looks.
#[derive(Debug)]
pub(super) struct Watcher {
    books: Arc<Books>,
    system: Arc<System>,
    client: reqwest::Client,
    progress: Option<fn(&str)>,
    began: Instant,
    pub(super) last: Look,
    last_try: u32,
    failed_last_tries: BTreeMap<Uuid, String>,
}

impl Watcher {
    pub(super) fn new(books: &Arc<Books>, system: &Arc<System>, progress: Option<fn(&str)>, last_try: u32) -> Self {
        Self {
            books: books.clone(),
            system: system.clone(),
            client: reqwest::Client::new(),
            progress,
            began: Instant::now(),
            last: Look::default(),
            last_try,
            failed_last_tries: BTreeMap::new(),
        }
    }

    /// Looks into the queues and at failed batches, and asks for health.
    pub(super) async fn look_at_everything(&mut self) {
        self.look();
        self.note_failed_last_tries();
        self.ask_health().await;
    }

    /// Goes on until dropped.
    pub(super) async fn watch(&mut self) -> Infallible {
        let mut looks = tokio::time::interval(BETWEEN_LOOKS);
        for number in 0_u32.. {
            looks.tick().await;
            if number.is_multiple_of(LOOKS_PER_LINE) {
                self.look_at_everything().await;
                self.tell();
            } else {
                self.look();
            }
        }
        std::future::pending().await
    }

    /// Looks into the queues, and lets go of events that the trigger has read.
    pub(super) fn look(&mut self) {
        for partition in 0..self.system.event_hub.partition_count() {
            let read = self.system.host.checkpoint(HUB_EVENTS, partition);
            self.system.event_hub.forget_before(partition, read);
        }
        let texts_in = |queue: Queue| self.system.host.output_messages(queue.name()).into_iter();
        let texts = Queue::ALL.into_iter().flat_map(|queue| texts_in(queue).map(move |text| (queue, text)));
        self.last = self.books.look_into(texts, &self.last);
    }

    /// What the queues held at the last look.
    pub(super) fn held(&self) -> &Held {
        &self.last.held
    }

    /// Events that the trigger has not read to its end.
    pub(super) fn backlog(&self) -> i64 {
        backlog(&self.system)
    }

    /// Asks for health, and looks for secrets in the answer. There is none while the handler is dead.
    async fn ask_health(&self) {
        for (host, _) in self.system.hosts() {
            let request = self.client.get(format!("{}/api/health", host.url()));
            let request = request.header("x-functions-key", host.function_key());
            let Ok(answer) = request.timeout(BETWEEN_LOOKS).send().await else { continue };
            if let Ok(text) = answer.text().await {
                self.books.inspect("a health answer", &text);
            }
        }
    }

    /// Notes the invocations of `hub_events` that failed although the host would not try again.
    fn note_failed_last_tries(&mut self) {
        for invocation in self.system.host.invocations() {
            let is_last = invocation.function == HUB_EVENTS && invocation.retry_count >= self.last_try;
            if let Some(reason) = invocation.failure.filter(|_| is_last) {
                let reason = reason.chars().take(MOST_REASON).collect();
                self.failed_last_tries.insert(invocation.invocation_id, reason);
            }
        }
    }

    /// How often the host gave up a batch, by reason.
    pub(super) fn batches_given_up(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for reason in self.failed_last_tries.values() {
            *counts.entry(reason.clone()).or_default() += 1;
        }
        counts
    }

    /// How often handlers were started again.
    pub(super) fn restarts(&self) -> usize {
        self.system.hosts().map(|(host, _)| host.handler_starts().saturating_sub(1)).sum()
    }

    /// One line of progress.
    pub(super) fn tell(&self) {
        let Some(progress) = self.progress else { return };
        let (messages, events, applied) = self.books.so_far();
        let parked = self.last.held.iter().filter(|(_, queue)| *queue == Queue::Parked).count();
        let restarts = self.restarts();
        progress(&format!(
            "{:6.1} s: {messages} messages in the hub, {applied} of {events} events applied, {} not read, {parked} parked, \
             {restarts} restarts",
            self.began.elapsed().as_secs_f64(),
            self.backlog()
        ));
    }
}
