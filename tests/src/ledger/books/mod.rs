//! The books: what every side has seen, and whether it comes out even.

mod balance;
mod event;
mod events;
mod fate;
mod history;
mod look;
mod mirror;
mod observe;
mod reckoning;
mod uplinks;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value};

pub use balance::{Balance, Breach};
pub(super) use event::identity;
pub(super) use fate::Fate;
pub use history::Subject;
pub(super) use history::What;

use self::events::{Events, Finding};
use self::history::History;
use self::uplinks::Uplinks;
use super::api::{Account, Note};
use super::fault::Name;
use super::secrets::Secrets;
use super::{Delivery as Way, Options};
use crate::tts::Delivery;

/// Breaches of one kind kept with their history; further ones are only counted.
const MOST_BREACHES: u64 = 5;

/// So many milliseconds after the handler's death its last requests may still be on their way.
const AFTERMATH: u64 = 500;

/// All accounts of a run. Everybody who sees anything writes into it.
#[derive(Debug)]
pub(super) struct Books {
    pages: Mutex<Pages>,
    began: Instant,
    secrets: OnceLock<Secrets>,
    /// Beginnings and ends of the handler's deaths, and when the last one was.
    deaths: AtomicU32,
    last_death: AtomicU64,
    way: Way,
    /// The uplink the hub loses although it says that it has it.
    lose: Option<u32>,
    /// The device whose downlinks The Things Stack loses although it says that it has them.
    lose_downlinks_of: Option<u32>,
}

#[derive(Debug)]
struct Pages {
    uplinks: Uplinks,
    /// Of the package.
    events: Events,
    /// Of the ordinary API.
    api: Account,
    history: History,
    answers: BTreeMap<String, u64>,
    met: BTreeMap<Name, u64>,
    breaches: Breaches,
}

/// What must not be: the first of them, and how many of each kind.
#[derive(Debug, Default)]
struct Breaches {
    counts: BTreeMap<&'static str, u64>,
    first: Vec<(&'static str, Option<Subject>, String)>,
}

impl Breaches {
    fn add(&mut self, kind: &'static str, subject: Option<Subject>, detail: String) {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count <= MOST_BREACHES {
            self.first.push((kind, subject, detail));
        }
    }
}

impl Books {
    /// Empty books for a run.
    pub(super) fn new(options: &Options) -> Self {
        let pages = Pages {
            uplinks: Uplinks::new(options.uplinks),
            events: Events::default(),
            api: Account::default(),
            history: History::default(),
            answers: BTreeMap::new(),
            met: BTreeMap::new(),
            breaches: Breaches::default(),
        };
        Self {
            pages: Mutex::new(pages),
            began: Instant::now(),
            secrets: OnceLock::new(),
            deaths: AtomicU32::new(0),
            last_death: AtomicU64::new(0),
            way: options.delivery,
            lose: options.lose,
            lose_downlinks_of: options.lose_downlinks_of,
        }
    }

    /// What must not be found anywhere; known once the system is there.
    pub(super) fn guard(&self, secrets: Secrets) {
        // The first ones count: a run has only one set.
        let _ = self.secrets.set(secrets);
    }

    /// A webhook's request goes out.
    pub(super) fn sent(&self, number: u32) {
        self.note(Subject::Uplink(number), What::Sent);
    }

    /// What a webhook's sender was told.
    pub(super) fn delivered(&self, number: u32, delivery: &Delivery) {
        let (what, answer) = match delivery {
            Delivery::Answered { status, .. } => (What::Answered(*status), status.to_string()),
            Delivery::TimedOut { .. } => (What::TimedOut, "timed out".to_owned()),
            Delivery::Failed { .. } | Delivery::Disabled => (What::Broken, "broken".to_owned()),
        };
        self.note(Subject::Uplink(number), what);
        let mut pages = self.pages();
        *pages.answers.entry(answer).or_default() += 1;
        if let What::Answered(status) = what {
            pages.uplinks.answered(number, status);
        }
    }

    /// The handler begins to die, or has died.
    pub(super) fn death(&self) {
        self.last_death.store(self.milliseconds(), Ordering::SeqCst);
        self.deaths.fetch_add(1, Ordering::SeqCst);
        self.pages().api.last_death = Some(Instant::now());
    }

    /// Whether an answer may go to a process that is dead already.
    fn is_just_after_death(&self) -> bool {
        let last = self.last_death.load(Ordering::SeqCst);
        last > 0 && self.milliseconds() < last + AFTERMATH
    }

    /// Milliseconds since the start, never 0.
    fn milliseconds(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Looks for secrets in something that was read somewhere.
    pub(super) fn inspect(&self, place: &str, text: &str) {
        if let Some(secret) = self.secrets.get().and_then(|secrets| secrets.found_in(text)) {
            let detail = format!("{secret} in {place}: {}", text.chars().take(400).collect::<String>());
            self.pages().breaches.add("leaked", None, detail);
        }
    }

    /// Whether a text holds a secret.
    pub(super) fn has_secret(&self, text: &str) -> bool {
        self.secrets.get().is_some_and(|secrets| secrets.found_in(text).is_some())
    }

    /// Something that must not be, seen by whoever drives the run.
    pub(super) fn breach(&self, kind: &'static str, detail: String) {
        self.pages().breaches.add(kind, None, detail);
    }

    /// What an observer would like to show while the run goes on: uplinks in the hub, events sent and applied.
    pub(super) fn so_far(&self) -> (u64, usize, u64) {
        let pages = self.pages();
        match self.way {
            Way::Package => (pages.uplinks.in_hub, pages.events.count(), pages.events.applied),
            Way::Api => (pages.uplinks.in_hub, pages.api.count(), pages.api.downlinks.accepted),
        }
    }

    /// The number of a hub event, by what it looks like anywhere.
    fn number(&self, properties: &Map<String, Value>) -> Option<u32> {
        let pages = self.pages();
        match self.way {
            Way::Package => pages.events.number(properties),
            Way::Api => pages.api.number(properties),
        }
    }

    /// How far the trigger has read each partition.
    pub(super) fn note_read(&self, read_up_to: Vec<i64>) {
        self.pages().api.read_up_to = read_up_to;
    }

    /// Something happens to a device.
    pub(super) fn note_device(&self, device: u32, note: Note) {
        self.note(Subject::Device(device), What::Device(note));
    }

    /// A device took a downlink from its queue.
    pub(super) fn taken(&self, device: u32, downlink: &Value) {
        if self.lose_downlinks_of == Some(device) {
            return;
        }
        let event = self.pages().api.taken(downlink);
        event.into_iter().for_each(|event| self.note_device(device, Note::Taken(event)));
    }

    /// Something happens to the whole system.
    pub(super) fn note_system(&self, what: What) {
        self.note(Subject::System, what);
    }

    fn note(&self, subject: Subject, what: What) {
        let milliseconds = u32::try_from(self.milliseconds()).unwrap_or(u32::MAX);
        self.pages().history.note(subject, milliseconds, what);
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
