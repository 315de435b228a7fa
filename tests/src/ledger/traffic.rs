//! Carrying a plan out: messages side by side, everything else in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::books::{Books, What};
use super::fault::{self, Fault, Name};
use super::plan::Step;
use super::uplink::{Sender, device_id};
use crate::system::System;

/// Webhooks on their way at once.
const AT_ONCE: u32 = 64;

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
    /// How often each fault was injected.
    pub(super) injected: BTreeMap<Name, u64>,
}

impl Traffic {
    pub(super) fn new(books: Arc<Books>, system: Arc<System>, sender: Sender) -> Self {
        let permits = Arc::new(Semaphore::new(AT_ONCE as usize));
        Self { books, system, sender: Arc::new(sender), permits, kills: 0, sends: 0, injected: BTreeMap::new() }
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
            Step::Change(change) => {
                if let Err(error) = change.apply(&system.iot_hub, &self.sender.secrets) {
                    self.books.breach("refused", format!("IoT Hub took {change:?} in no way: {error:?}"));
                }
            }
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
