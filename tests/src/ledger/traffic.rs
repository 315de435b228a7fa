//! Carrying a plan out: messages side by side, everything else in between.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::api::Life;
use super::books::{Books, What};
use super::fault::{self, Fault, Name};
use super::plan::Step;
use super::uplink::{Sender, device_id};
use super::watcher::{backlog, checkpoints};
use crate::iot_hub::HubError;
use crate::system::System;

/// Webhooks on their way at once.
const AT_ONCE: u32 = 64;

/// Hub events not read for which changes wait a moment, so that they meet faults when they are new.
const BACKLOG: i64 = 100;

/// How long a restart waits for its port at most.
const PORT_TAKEN: Duration = Duration::from_secs(20);

/// How long a change waits at most.
const MOMENT: Duration = Duration::from_millis(50);

/// Whoever carries a plan out.
#[derive(Debug)]
pub(super) struct Traffic {
    books: Arc<Books>,
    system: Arc<System>,
    sender: Arc<Sender>,
    permits: Arc<Semaphore>,
    /// How often a handler was killed; the hosts take turns.
    pub(super) kills: usize,
    sends: usize,
    pub(super) life: Life,
    /// How often each fault was injected.
    pub(super) injected: BTreeMap<Name, u64>,
}

impl Traffic {
    pub(super) fn new(books: Arc<Books>, system: Arc<System>, sender: Sender) -> Self {
        let life = Life::new(books.clone(), system.clone(), sender.devices);
        let permits = Arc::new(Semaphore::new(AT_ONCE as usize));
        Self { books, system, sender: Arc::new(sender), permits, kills: 0, sends: 0, life, injected: BTreeMap::new() }
    }

    /// Takes all steps; returns when every webhook has been answered or given up.
    pub(super) async fn drive(&mut self, plan: impl Iterator<Item = Step>) {
        for step in plan {
            self.take(step).await;
        }
        // The semaphore is never closed.
        drop(self.permits.acquire_many(AT_ONCE).await);
    }

    async fn take(&mut self, step: Step) {
        let system = &self.system;
        match step {
            Step::Uplink(number) => self.send(number).await,
            Step::ApiChange(change) => {
                self.let_hub_events_pass().await;
                self.books.note_read(checkpoints(system));
                self.change(&change, || change.apply(&system.iot_hub, &self.sender.secrets));
            }
            Step::Join(device) => self.life.join(device),
            Step::Take(device) => self.life.take(device),
            Step::RestartTts => self.restart_tts().await,
            Step::Change(change) => self.change(&change, || change.apply(&system.iot_hub, &self.sender.secrets)),
            Step::Fault(fault) => {
                if matches!(fault, Fault::Queue(_)) {
                    self.books.note_system(What::QueuesFail);
                }
                *self.injected.entry(fault.name()).or_default() += 1;
                fault.inject(system);
            }
            Step::Recover => fault::clear(system),
            Step::Kill => {
                self.books.note_system(What::Killed);
                self.books.death();
                if let Some((host, _)) = system.hosts().nth(self.kills % (1 + system.further.len())) {
                    host.kill_handler().await;
                }
                self.books.death();
                self.kills += 1;
            }
            // There may be no such device now.
            Step::Enable(device, enabled) => drop(system.iot_hub.set_device_enabled(&device_id(device), enabled)),
        }
    }

    /// A device that is found missing may be there before it is created: its next uplink creates it too.
    fn change(&self, change: &impl Debug, apply: impl Fn() -> Result<(), HubError>) {
        if let Err(error) = apply().or_else(|_| apply()) {
            self.books.breach("refused", format!("IoT Hub took {change:?} in no way: {error:?}"));
        }
    }

    async fn let_hub_events_pass(&self) {
        let until = Instant::now() + MOMENT;
        while backlog(&self.system) > BACKLOG && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends all connections of The Things Stack; nobody can tell which answers arrived.
    async fn restart_tts(&mut self) {
        self.books.note_system(What::Restarted);
        *self.injected.entry(Name::TTS_RESTART).or_default() += 1;
        let until = Instant::now() + PORT_TAKEN;
        // Somebody else on this machine may have a connection from its port.
        while let Err(error) = self.system.tts.restart().await {
            if Instant::now() > until {
                return self.books.breach("ended", format!("The Things Stack does not start again: {error}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Sends an uplink to the host whose turn it is.
    async fn send(&mut self, number: u32) {
        let Ok(permit) = self.permits.clone().acquire_owned().await else { return };
        let (books, system, sender) = (self.books.clone(), self.system.clone(), self.sender.clone());
        let host = self.sends % (1 + system.further.len());
        self.sends += 1;
        tokio::spawn(async move {
            let Some((_, webhook)) = system.hosts().nth(host) else { return };
            let uplink = sender.uplink(number);
            books.sent(number);
            let delivery = system.tts.send_text(webhook, uplink.message_type, &uplink.ids, uplink.body).await;
            books.delivered(number, &delivery);
            drop(permit);
        });
    }
}
