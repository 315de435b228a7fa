//! What devices do by themselves: they join, and take downlinks from their queues.

use std::sync::Arc;

use super::super::books::{Books, Subject};
use super::super::uplink::device_id;
use super::note::Note;
use crate::system::System;

/// All devices of a run.
#[derive(Debug)]
pub(in crate::ledger) struct Life {
    books: Arc<Books>,
    system: Arc<System>,
    devices: u32,
}

impl Life {
    pub(in crate::ledger) fn new(books: Arc<Books>, system: Arc<System>, devices: u32) -> Self {
        Self { books, system, devices }
    }

    /// A device joins, unless it has or cannot.
    pub(in crate::ledger) fn join(&self, device: u32) {
        let (tts, id) = (&self.system.tts, device_id(device));
        let has_session = tts.device(tts.application_id(), &id).is_some_and(|device| device.has_session);
        if !has_session && tts.start_session(tts.application_id(), &id) {
            self.books.note_device(device, Note::Joined);
        }
    }

    /// A device takes its next downlink.
    pub(in crate::ledger) fn take(&self, device: u32) {
        let tts = &self.system.tts;
        if let Some(downlink) = tts.take_downlink(tts.application_id(), &device_id(device)) {
            self.books.taken(device, &downlink);
        }
    }

    /// Whether an event waits for a person: its device's tags are refused.
    pub(in crate::ledger) fn is_stuck(&self, subject: Subject) -> bool {
        let device = self.books.device_of(subject);
        let twin = device.and_then(|device| self.system.iot_hub.twin(&device_id(device)));
        twin.is_some_and(|twin| twin["tags"]["lorawanStatus"]["state"] == "refused")
    }

    /// Every device does both.
    pub(in crate::ledger) fn go_on(&self) {
        for device in 0..self.devices {
            self.join(device);
            self.take(device);
        }
    }
}
