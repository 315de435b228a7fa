//! The end of the account: what became of each event, and whether The Things Stack has what the hub says.

use std::collections::HashMap;

use serde_json::Value;

use super::super::books::{Fate, Subject};
use super::super::queues::Held;
use super::super::uplink::FIRST_FOREIGN;
use super::account::{Account, Device, Event};
use super::tags;
use crate::tts::RegisteredDevice;

/// What both sides have of a device at the end.
#[derive(Debug, Default)]
pub(in crate::ledger) struct BothSides {
    pub(in crate::ledger) twin: Option<Value>,
    pub(in crate::ledger) device: Option<RegisteredDevice>,
}

/// Something wrong at the end: its kind, the device, what.
pub(in crate::ledger) type Wrong = (&'static str, u32, String);

impl Account {
    /// What became of every event, and what is wrong.
    pub(in crate::ledger) fn reckon(&mut self, both: &HashMap<u32, BothSides>, held: &Held) -> (Vec<Fate>, Vec<Wrong>) {
        let fates: Vec<_> = (0..).zip(&self.log).map(|(number, event)| self.fate(number, event, held)).collect();
        let (mut fates, mut wrong) = (fates, Vec::new());
        for (number, event) in (0..).zip(&self.log).filter(|(number, _)| fates[*number as usize] == Fate::Lost) {
            wrong.push(("lost", event.asks.device, format!("hub event {number} is neither carried out nor kept")));
        }
        let is_superseded =
            |(event, fate): &(&Event, &Fate)| event.asks.downlink.is_some() && **fate == Fate::Overtaken;
        self.downlinks.superseded = self.log.iter().zip(&fates).filter(is_superseded).count() as u64;
        let mut half_registered = 0;
        let none = BothSides::default();
        for (number, device) in self.devices.iter().filter(|(number, _)| **number < FIRST_FOREIGN) {
            let sides = both.get(number).unwrap_or(&none);
            half_registered += u64::from(is_half(sides));
            let Some((event, what)) = self.mismatch(device, sides, held) else { continue };
            if let Some(event) = event {
                fates[event as usize] = Fate::Lost;
            }
            let of = event.map(|event| format!("hub event {event}: ")).unwrap_or_default();
            wrong.push(("lost", *number, format!("{of}{what}")));
        }
        self.downlinks.half_registered = half_registered;
        (fates, wrong)
    }

    /// What became of one event, as far as it can be told without looking at its device.
    fn fate(&self, number: u32, event: &Event, held: &Held) -> Fate {
        let asks = &event.asks;
        let queued = held.fate_of(Subject::HubEvent(number));
        if asks.device >= FIRST_FOREIGN {
            let is_refused = !asks.is_deletion && asks.concerns_tts();
            return queued.unwrap_or(if is_refused { Fate::Lost } else { Fate::Delivered });
        }
        if asks.downlink.is_none() || event.is_delivered {
            return queued.filter(|_| asks.concerns_tts() && asks.downlink.is_none()).unwrap_or(Fate::Delivered);
        }
        queued.unwrap_or_else(|| if self.is_superseded(number, event) { Fate::Overtaken } else { Fate::Lost })
    }

    /// Whether nobody wants a downlink any more: its device was deleted before it was handled, or it waited while its
    /// property changed again or its device was deleted; or it was taken for one of the device before.
    fn is_superseded(&self, number: u32, event: &Event) -> bool {
        let device = &self.devices[&event.asks.device];
        let is_gone = device.incarnation > event.incarnation || device.deleted_by.is_some();
        let changed_again = |later: &u32| self.log[*later as usize].asks.changes_downlink;
        let is_excused = event.has_waited || !event.was_handled;
        is_gone && is_excused
            || event.has_waited && device.events.iter().filter(|later| **later > number).any(changed_again)
            || self.has_met_a_former_queue(number, event, device)
    }

    /// Whether it was wanted of a device without tags while the deletion of the one before waited: a downlink of that one
    /// may have the same version, and the same correlation id, in a queue that goes with it.
    fn has_met_a_former_queue(&self, number: u32, event: &Event, device: &Device) -> bool {
        let mut before = device.events.iter().take_while(|before| **before <= number).map(|at| &self.log[*at as usize]);
        let has_waited = before.clone().any(|before| before.asks.is_deletion && before.has_waited);
        has_waited && !before.any(|before| before.asks.tags && before.incarnation == event.incarnation)
    }

    /// Where The Things Stack does not have what the hub says, and the event that should have seen to it.
    fn mismatch(&self, device: &Device, sides: &BothSides, held: &Held) -> Option<(Option<u32>, String)> {
        let at = tags::servers(sides.device.as_ref());
        let is_held = |event: u32| held.fate_of(Subject::HubEvent(event));
        let last = |is_it: fn(&Event) -> bool| {
            device.events.iter().rev().copied().find(|number| is_it(&self.log[*number as usize]))
        };
        let wanted = sides.twin.as_ref().map(|twin| &twin["tags"]["lorawan"]).filter(|tags| tags.is_object());
        let Some(tags) = wanted else {
            let is_wrong = !at.is_empty() && !self.deletion_is_held(device, held);
            let deletion = last(|event| event.asks.is_deletion);
            return is_wrong.then(|| (deletion, format!("the device is to be gone, and is at {at:?}")));
        };
        let event = last(|event| event.asks.tags)?;
        let state = sides.twin.as_ref().map(|twin| &twin["tags"]["lorawanStatus"]["state"]);
        let state = state.and_then(Value::as_str).unwrap_or("none");
        let difference = tags::difference(tags, sides.device.as_ref());
        let what = match (is_held(event), tags::are_valid(tags), state, difference) {
            (_, true, "registered", None) | (Some(Fate::DeadLettered), _, "refused", _) => return None,
            (Some(Fate::Parked), ..) => return None,
            // It follows the tags there are when its time comes.
            _ if self.keeps_another(Fate::Parked, event, device, held) => return None,
            (None, true, "refused", None) if self.keeps_another(Fate::DeadLettered, event, device, held) => {
                return None;
            }
            (_, true, "registered", Some(difference)) => format!("registered, and not as its tags are: {difference}"),
            (_, false, state, _) => format!("its tags are wrong, and it is {state}"),
            (_, true, state, difference) => format!("its tags are right, and it is {state}: {difference:?}"),
        };
        Some((Some(event), what))
    }

    /// Whether an event of tags before this one is kept so, or the deletion of the device before. It may have failed when its
    /// batch was repeated, or when it was redelivered, after this one was carried out.
    fn keeps_another(&self, fate: Fate, event: u32, device: &Device, held: &Held) -> bool {
        let incarnation = self.log[event as usize].incarnation;
        let is_before = |number: &&u32| {
            let before = &self.log[**number as usize];
            let is_of_tags = before.asks.tags && before.incarnation == incarnation;
            **number < event && (is_of_tags || before.asks.is_deletion)
        };
        device.events.iter().filter(is_before).any(|number| held.fate_of(Subject::HubEvent(*number)) == Some(fate))
    }

    /// Whether the event that sees to it that a device is gone waits in a queue. A device that was never registered
    /// leaves what has other EUIs than its own to the deletion before.
    fn deletion_is_held(&self, device: &Device, held: &Held) -> bool {
        let deletions = device.events.iter().rev().filter(|number| self.log[**number as usize].asks.is_deletion);
        for deletion in deletions {
            if held.fate_of(Subject::HubEvent(*deletion)).is_some() {
                return true;
            }
            if !self.log[*deletion as usize].asks.is_unrecorded {
                return false;
            }
        }
        false
    }
}

fn is_half(sides: &BothSides) -> bool {
    (1..4).contains(&tags::servers(sides.device.as_ref()).len())
}
