//! The end of the account of hub events: what became of each, and whether The Things Stack's last word is the hub's.

use std::collections::HashMap;

use serde_json::Value;

use super::super::change::{KEYS, name, values};
use super::super::queues::Held;
use super::event::{Event, Operation, Values};
use super::events::Events;
use super::fate::Fate;
use super::history::Subject;

impl Events {
    /// What became of every event.
    pub(in crate::ledger) fn fates(&self, held: &Held) -> Vec<(u32, Fate)> {
        let newest_held = self.newest_held(held);
        let fate = |(number, event): (u32, &Event)| {
            let fate = match event.arrivals {
                0 => held.fate_of(Subject::HubEvent(number)).unwrap_or_else(|| self.unseen(event, &newest_held)),
                _ => Fate::Delivered,
            };
            (number, fate)
        };
        (0..).zip(&self.log).map(fate).collect()
    }

    /// An event neither applied nor kept: overtaken if its device, or each of its values, has had a successor.
    fn unseen(&self, event: &Event, newest_held: &HashMap<u32, Values>) -> Fate {
        let device = &self.devices[&event.device];
        let is_recreated = device.incarnation > event.incarnation;
        let is_overtaken = match event.operation {
            Operation::Delete => is_recreated,
            Operation::Create | Operation::Update if is_recreated || device.deleted_by.is_some() => true,
            Operation::Create => false,
            Operation::Update => (0..KEYS).all(|key| {
                let newest = device.mirror.newest(key).max(newest_held.get(&event.device).and_then(|held| held[key]));
                event.values[key].is_none_or(|value| newest > Some(value))
            }),
        };
        if is_overtaken { Fate::Overtaken } else { Fate::Lost }
    }

    fn newest_held(&self, held: &Held) -> HashMap<u32, Values> {
        let mut newest: HashMap<u32, Values> = HashMap::new();
        for (subject, _) in held.iter() {
            let Subject::HubEvent(number) = subject else { continue };
            let Some(event) = self.log.get(number as usize) else { continue };
            let of_device = newest.entry(event.device).or_default();
            for (newest, value) in of_device.iter_mut().zip(event.values) {
                *newest = value.max(*newest);
            }
        }
        newest
    }

    /// Where The Things Stack's last word on a device is not the hub's: the keys, and the event that is missing.
    pub(in crate::ledger) fn stale(&self, twins: &HashMap<u32, Value>, held: &Held) -> Vec<(u32, &'static str, u32)> {
        let mut stale = Vec::new();
        let is_held = |number: u32| held.fate_of(Subject::HubEvent(number)).is_some();
        for (number, device) in &self.devices {
            match (twins.get(number), device.deleted_by) {
                (Some(twin), _) => {
                    for (key, value) in (0..).zip(values(twin)) {
                        let Some(value) = value.filter(|value| device.mirror.last(key) != Some(*value)) else {
                            continue;
                        };
                        let event = self.by_value.get(&value).copied().unwrap_or_default();
                        stale.extend((!is_held(event)).then_some((*number, name(key), event)));
                    }
                }
                (None, Some(event)) if device.mirror.exists() && !is_held(event) => {
                    stale.push((*number, "deletion", event));
                }
                (None, _) => {}
            }
        }
        stale.sort_unstable();
        stale
    }
}
