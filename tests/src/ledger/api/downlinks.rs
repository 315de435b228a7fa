//! Downlinks that The Things Stack accepts: each once, and in order.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::account::Account;
use crate::tts::AcceptedDownlinks;

/// What became of one downlink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) struct Judged {
    /// The event it comes from; `None` if nobody wanted it.
    pub(in crate::ledger) event: Option<u32>,
    /// What must not be: its kind, and why.
    pub(in crate::ledger) wrong: Option<(&'static str, String)>,
}

impl Account {
    /// The Things Stack accepted a downlink.
    pub(in crate::ledger) fn accepted(
        &mut self,
        device: u32,
        downlink: &Value,
        accepted: &AcceptedDownlinks<'_>,
    ) -> Judged {
        let event = number_of(downlink).and_then(|number| self.by_downlink.get(&number).copied());
        let Some(event) = event.filter(|event| self.log[*event as usize].asks.device == device) else {
            return Judged { event: None, wrong: Some(("unknown", format!("downlink {downlink}"))) };
        };
        let is_queued = accepted.queue_before.iter().any(|queued| number_of(queued) == number_of(downlink));
        if accepted.is_replace {
            self.wiped(device, event, accepted.queue_before);
        }
        let wrong = self
            .misversioned(event, downlink)
            .or_else(|| self.again(event, is_queued, accepted.is_replace))
            .or_else(|| self.reordered(event, accepted));
        let entry = &mut self.log[event as usize];
        entry.accepted += 1;
        (entry.is_delivered, entry.is_taken) = (true, false);
        if entry.accepted == 1 {
            self.downlinks.accepted += 1;
        }
        Judged { event: Some(event), wrong }
    }

    /// Its correlation id must name the version that wanted it.
    fn misversioned(&self, event: u32, downlink: &Value) -> Option<(&'static str, String)> {
        let wanted = self.log[event as usize].asks.downlink?;
        let expected = format!("azure:desired:{}", wanted.version);
        let ids = downlink["correlation_ids"].as_array();
        let is_right = ids.is_some_and(|ids| ids.iter().any(|id| *id == expected));
        (!is_right).then(|| ("misversioned", format!("hub event {event} wants {expected}, found {ids:?}")))
    }

    /// Whether it came before. The handler looks into the queue before it repeats a push, so only what the device has
    /// taken from there can come twice.
    fn again(&mut self, event: u32, is_queued: bool, is_replace: bool) -> Option<(&'static str, String)> {
        let entry = &self.log[event as usize];
        match (entry.accepted, is_queued, is_replace) {
            (0, ..) => None,
            (_, true, false) => {
                Some(("doubled", format!("hub event {event} pushed again although it was in the queue")))
            }
            (_, true, true) => {
                self.downlinks.replaced_again += 1;
                None
            }
            (_, false, _) => {
                self.downlinks.doubled_in_window += u64::from(entry.is_delivered);
                None
            }
        }
    }

    /// Whether a newer one of the same device came before it, for the first time. A refusal is forgotten when the handler
    /// dies; if the device has taken all newer ones since, nothing tells that they were there.
    fn reordered(&mut self, event: u32, accepted: &AcceptedDownlinks<'_>) -> Option<(&'static str, String)> {
        let entry = &self.log[event as usize];
        if entry.accepted > 0 {
            return None;
        }
        let (device, incarnation) = (entry.asks.device, entry.incarnation);
        let newer = self.devices[&device].events.iter().copied().filter(|newer| *newer > event);
        let newer: Vec<_> = newer
            .filter(|newer| {
                let newer = &self.log[*newer as usize];
                newer.incarnation == incarnation && newer.accepted > 0
            })
            .collect();
        let first = *newer.first()?;
        let is_queued = |newer: &u32| {
            let queued = accepted.queue_before.iter().filter_map(number_of);
            queued.filter_map(|number| self.by_downlink.get(&number)).any(|event| event == newer)
        };
        let is_forgotten = self.last_death > Some(self.log[event as usize].sent) && !newer.iter().any(is_queued);
        if is_forgotten || newer.iter().all(|newer| self.may_not_know(device, *newer, accepted.arrived)) {
            self.downlinks.raced += 1;
            return None;
        }
        Some(("reordered", format!("the downlink of hub event {event} behind that of hub event {first}")))
    }

    /// A device took a downlink from its queue.
    pub(in crate::ledger) fn taken(&mut self, downlink: &Value) -> Option<u32> {
        let event = number_of(downlink).and_then(|number| self.by_downlink.get(&number).copied())?;
        let entry = &mut self.log[event as usize];
        (entry.is_delivered, entry.is_taken) = (true, true);
        Some(event)
    }

    /// A device's queue is gone with its registration. What is of a device that the hub has deleted since is no loss, nor
    /// what was wanted before it had tags: it was not to be registered then, and had the queue of one before it.
    pub(in crate::ledger) fn queue_gone(&mut self, device: u32) {
        let Some(device) = self.devices.get(&device).filter(|device| device.deleted_by.is_none()) else { return };
        let is_of_now = |event: &u32| self.log[*event as usize].incarnation == device.incarnation;
        let events: Vec<_> = device.events.iter().copied().filter(is_of_now).collect();
        let tagged = events.into_iter().skip_while(|event| !self.log[*event as usize].asks.tags).collect::<Vec<_>>();
        tagged.into_iter().for_each(|event| self.lose(event));
    }

    /// A replacement took these out of a queue. What is older had to give way, for good; what is newer must come again.
    fn wiped(&mut self, device: u32, by: u32, queue: &[Value]) {
        for downlink in queue {
            let event = number_of(downlink).and_then(|number| self.by_downlink.get(&number).copied());
            match event.filter(|event| self.log[*event as usize].asks.device == device) {
                Some(event) if event > by => self.lose(event),
                Some(event) => self.log[event as usize].is_taken = true,
                None => {}
            }
        }
    }

    fn lose(&mut self, event: u32) {
        let entry = &mut self.log[event as usize];
        if entry.is_delivered && !entry.is_taken {
            entry.is_delivered = false;
            self.downlinks.wiped += 1;
        }
    }
}

/// The number of the change that wanted a downlink.
pub(super) fn number_of(downlink: &Value) -> Option<u32> {
    let frame = STANDARD.decode(downlink["frm_payload"].as_str()?).ok()?;
    Some(u32::from_be_bytes(frame.try_into().ok()?))
}
