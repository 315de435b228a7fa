//! The end of the books: where everything is, and what must not be.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::super::Delivery;
use super::super::api::{BothSides, Downlinks};
use super::super::queues::Held;
use super::{Books, Fate, Pages, Subject};

/// How the books come out. Its text is the one line everybody wants to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balance {
    /// Webhooks answered 2xx, each message counted once, and events the hub sent.
    pub acknowledged: u64,
    /// Messages the hub has; events The Things Stack applied, or that a newer change overtook.
    pub delivered: u64,
    /// In `parked` or `parked-poison`.
    pub parked: u64,
    /// In `dead-letter`.
    pub dead_lettered: u64,
    /// Nowhere.
    pub lost: u64,
    /// Events applied again although the living handler had been told that they were.
    pub doubled: u64,
    /// Of those delivered: events that a newer change, or the device's deletion, made pointless.
    pub overtaken: u64,
    /// Further copies of messages in the hub. They carry the same message id.
    pub duplicate_messages: u64,
    /// Further arrivals of events at The Things Stack, those within the explained window included.
    pub repeated_events: u64,
    /// Values and deletions out of order because their redelivery was under way while the device changed again.
    pub raced_events: u64,
    /// Events of the handler's own, which put such races right.
    pub corrections: u64,
    /// Of the ordinary API.
    pub downlinks: Downlinks,
    /// Webhook requests by what became of them.
    pub answers: BTreeMap<String, u64>,
    /// Requests spoiled by each fault.
    pub met: BTreeMap<&'static str, u64>,
    /// All that must not be, by kind.
    pub breaches: BTreeMap<&'static str, u64>,
    /// The first of them.
    pub first_breaches: Vec<Breach>,
}

/// Something that must not be, and all that is known about the item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// `lost`, `doubled`, `reordered`, `misversioned`, `stale`, `leaked`, `unreadable`, `unknown`, `ended`, `unread` or `refused`.
    pub kind: &'static str,
    /// The item, if it is about one.
    pub subject: Option<Subject>,
    /// What is wrong.
    pub detail: String,
    /// What happened to the item, line by line.
    pub history: Vec<String>,
}

impl fmt::Display for Balance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, delivered, parked, dead_lettered, lost, doubled, .. } = self;
        write!(
            formatter,
            "acknowledged {acknowledged} · delivered {delivered} · parked {parked} · dead-lettered {dead_lettered} · \
             lost {lost} · doubled {doubled}"
        )
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = self.subject.map(|subject| format!(" {subject}")).unwrap_or_default();
        write!(formatter, "{}{subject}: {}", self.kind, self.detail)?;
        self.history.iter().try_for_each(|line| write!(formatter, "\n    {line}"))
    }
}

impl Balance {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_even(&self) -> bool {
        self.breaches.is_empty()
    }

    fn count(&mut self, fate: Fate) {
        self.acknowledged += 1;
        match fate {
            Fate::Delivered => self.delivered += 1,
            Fate::Overtaken => (self.delivered, self.overtaken) = (self.delivered + 1, self.overtaken + 1),
            Fate::Parked => self.parked += 1,
            Fate::DeadLettered => self.dead_lettered += 1,
            Fate::Lost => self.lost += 1,
        }
    }
}

impl Books {
    /// Makes up the books. `both` is what the hub and The Things Stack have of a device, `held` what the queues hold now.
    pub(in crate::ledger) fn balance(&self, both: impl Fn(u32) -> BothSides, held: &Held) -> Balance {
        // Asked before the books are closed: the peers write into them while they are busy themselves.
        let devices = match self.way {
            Delivery::Package => self.pages().events.devices().collect(),
            Delivery::Api => self.pages().api.devices(),
        };
        let both: HashMap<u32, BothSides> = devices.into_iter().map(|device| (device, both(device))).collect();
        let mut balance = Balance::default();
        let mut pages = self.pages();
        let uplinks: Vec<_> = pages.uplinks.fates(held).collect();
        for (number, fate) in uplinks {
            balance.count(fate);
            if fate == Fate::Lost {
                pages.lost(Subject::Uplink(number));
            }
        }
        let fates = match self.way {
            Delivery::Package => pages.reckon_package(&both, held),
            Delivery::Api => pages.reckon_api(&both, held),
        };
        fates.into_iter().for_each(|fate| balance.count(fate));
        balance.read(&pages);
        balance
    }
}

impl Pages {
    fn lost(&mut self, subject: Subject) {
        self.breaches.add("lost", Some(subject), "acknowledged, and now neither delivered nor kept".to_owned());
    }

    fn reckon_package(&mut self, both: &HashMap<u32, BothSides>, held: &Held) -> Vec<Fate> {
        let fates = self.events.fates(held);
        for (number, _) in fates.iter().filter(|(_, fate)| *fate == Fate::Lost) {
            self.lost(Subject::HubEvent(*number));
        }
        let twins = both.iter().filter_map(|(device, sides)| Some((*device, sides.twin.clone()?))).collect();
        for (device, key, event) in self.events.stale(&twins, held) {
            let detail = format!("The Things Stack's last word on {key} of device {device} is not the hub's");
            self.breaches.add("stale", Some(Subject::HubEvent(event)), detail);
        }
        fates.into_iter().map(|(_, fate)| fate).collect()
    }

    fn reckon_api(&mut self, both: &HashMap<u32, BothSides>, held: &Held) -> Vec<Fate> {
        let (fates, wrong) = self.api.reckon(both, held);
        for (kind, device, detail) in wrong {
            self.breaches.add(kind, Some(Subject::Device(device)), detail);
        }
        fates
    }
}

impl Balance {
    /// Takes over what the pages have counted, and the first breaches with their history.
    fn read(&mut self, pages: &Pages) {
        self.doubled = pages.breaches.counts.get("doubled").copied().unwrap_or_default();
        self.duplicate_messages = pages.uplinks.duplicates;
        self.repeated_events = pages.events.repeated;
        self.raced_events = pages.events.raced;
        self.corrections = pages.events.corrections;
        self.downlinks = pages.api.downlinks;
        self.answers = pages.answers.clone();
        self.met = pages.met.iter().map(|(name, count)| (name.text(), *count)).collect();
        self.breaches = pages.breaches.counts.clone();
        let first = pages.breaches.first.iter().map(|(kind, subject, detail)| Breach {
            kind,
            subject: *subject,
            detail: detail.clone(),
            history: subject.map(|subject| pages.history.of(subject)).unwrap_or_default(),
        });
        self.first_breaches = first.collect();
    }
}
