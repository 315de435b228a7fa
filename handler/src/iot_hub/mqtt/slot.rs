//! The devices' places in the pool.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::Mutex as TurnMutex;
use tokio::time::Instant;

use super::connection::Connection;
use super::update::Unconfirmed;
use crate::iot_hub::DeviceId;

/// Devices that may be connected at once. Those used longest ago make way, unless somebody uses them.
const MAX_DEVICES: usize = 500;

/// Tokens are valid for at least a quarter of an hour when a connection is opened; the hub closes it when they expire.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// How long a device counts as one that another instance connects as, too.
const SHARED: Duration = Duration::from_secs(5 * 60);

/// All places.
#[derive(Debug)]
pub(super) struct Slots(Mutex<LruCache<DeviceId, Arc<Slot>>>);

impl Default for Slots {
    fn default() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }
}

impl Slots {
    /// The device's place, and those that have to make way for it. There is one more than there may be for each that was in
    /// use then; they make way later.
    pub(super) fn of(&self, device_id: &DeviceId) -> (Arc<Slot>, Vec<(DeviceId, Arc<Slot>)>) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut evicted = Vec::new();
        if let Some(slot) = slots.get(device_id) {
            return (Arc::clone(slot), evicted);
        }
        let too_many = (slots.len() + 1).saturating_sub(MAX_DEVICES);
        if too_many > 0 {
            let is_unused = |(_, slot): &(&DeviceId, &Arc<Slot>)| slot.turn.try_lock().is_ok();
            let used_longest_ago = slots.iter().rev().filter(is_unused).take(too_many);
            let device_ids: Vec<_> = used_longest_ago.map(|(device_id, _)| device_id.clone()).collect();
            evicted.extend(device_ids.iter().filter_map(|device_id| slots.pop_entry(device_id)));
        }
        let slot = Arc::<Slot>::default();
        slots.put(device_id.clone(), Arc::clone(&slot));
        (slot, evicted)
    }
}

/// Who holds the turn uses the connection; turns are given in the order they were asked for.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) turn: TurnMutex<Open>,
}

#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) connection: Option<Connection>,
    /// Somebody waits to close the connection as long as there is a time.
    pub(super) used_at: Option<Instant>,
    /// When a connection was last found closed.
    closed_at: Option<Instant>,
    /// As long as the connection stands, nobody has written over these.
    pub(super) unconfirmed: Unconfirmed,
}

impl Open {
    /// Lets go of a connection that is of no use any more.
    pub(super) fn look(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        if connection.is_closed() {
            self.was_closed();
        } else if connection.opened_at.elapsed() > MAX_AGE {
            self.connection = None;
        }
    }

    /// The connection was closed on us: another instance may have connected as the device.
    pub(super) fn was_closed(&mut self) {
        self.closed_at = Some(Instant::now());
        self.connection = None;
    }

    /// Whether, without a connection, another instance may have written to the device, or may be about to.
    pub(super) fn is_shared(&self) -> bool {
        !self.unconfirmed.is_empty() || self.closed_at.is_some_and(|at| at.elapsed() < SHARED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: usize) -> DeviceId {
        DeviceId::new(&format!("sensor-{number}")).unwrap()
    }

    #[test]
    fn places_in_use_stay_and_all_that_are_too_many_make_way_afterwards() {
        let slots = Slots::default();
        let held: Vec<_> = (0..MAX_DEVICES).map(|number| slots.of(&device(number)).0).collect();
        let in_use: Vec<_> = held.iter().map(|slot| slot.turn.try_lock().unwrap()).collect();
        let (one_more, evicted) = slots.of(&device(500));
        assert!(evicted.is_empty());
        let one_more = one_more.turn.try_lock().unwrap();
        assert!(slots.of(&device(501)).1.is_empty());
        drop((in_use, one_more));
        let (slot, evicted) = slots.of(&device(502));
        let evicted: Vec<_> = evicted.into_iter().map(|(device_id, _)| device_id).collect();
        assert_eq!(evicted, [0, 1, 2].map(device));
        let (same, evicted) = slots.of(&device(502));
        assert!(Arc::ptr_eq(&slot, &same) && evicted.is_empty());
    }
}
