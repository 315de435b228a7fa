//! The stand-ins' observers: they write down what they see.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::super::api::{Judged, Note};
use super::super::queues::Queue;
use super::super::uplink::{device_number, number_in};
use super::super::{Delivery, fault};
use super::event::Circumstances;
use super::{Books, Finding, Subject, What};
use crate::event_hub::{self, Event};
use crate::iot_hub::{self, DeviceToCloudMessage, Operation};
use crate::storage_queue;
use crate::tts::{self, AcceptedDownlinks, DeviceChange, Server, SubmittedEvent};

/// Longest way of an event from the hub's answer about its device, over the handler, to The Things Stack.
const RACE: Duration = Duration::from_millis(250);

impl event_hub::Observer for Books {
    fn accepted(&self, partition: usize, event: &Event) {
        let body = serde_json::from_slice(&event.data.body).unwrap_or_default();
        let properties = &event.data.properties;
        match self.way {
            Delivery::Package => {
                let number = self.pages().events.sent(properties, &body, Instant::now());
                number.into_iter().for_each(|number| self.note(Subject::HubEvent(number), What::InHub));
            }
            Delivery::Api => {
                let sent = self.pages().api.sent(properties, &body, (partition, event.sequence_number));
                sent.into_iter().for_each(|(number, asks)| self.note_device(asks.device, Note::Sent(number, asks)));
            }
        }
    }
}

impl storage_queue::Observer for Books {
    fn put(&self, queue: &str, text: &str) {
        let text = STANDARD.decode(text).ok().and_then(|text| String::from_utf8(text).ok());
        let seen = Queue::named(queue).and_then(|queue| Some((queue, self.read(queue, &text?)?)));
        seen.into_iter().for_each(|(queue, seen)| self.queued(seen.subject, queue));
    }
}

impl iot_hub::Observer for Books {
    fn accepted(&self, message: DeviceToCloudMessage) {
        let message_id = message.system_properties.get("message-id").map(String::as_str).unwrap_or_default();
        let Some(number) = number_in(message_id) else {
            return self.breach("unknown", format!("message {message_id} of {}", message.device_id));
        };
        if self.lose == Some(number) {
            return;
        }
        let body = String::from_utf8_lossy(&message.body);
        if self.secrets.get().is_some_and(|secrets| secrets.key_is_in(&body)) {
            self.inspect("a device-to-cloud message", &body);
        }
        self.note(Subject::Uplink(number), What::InHub);
        self.pages().uplinks.accepted(number);
    }

    fn spoiled(&self, operation: Operation, message_id: Option<&str>, effect: &iot_hub::Effect) {
        let name = fault::hub_name(operation, effect);
        *self.pages().met.entry(name).or_default() += 1;
        if let Some(number) = message_id.and_then(number_in) {
            self.note(Subject::Uplink(number), What::Met(name));
        }
    }

    fn twin_read(&self, device_id: &str) {
        if let (Delivery::Api, Some(device)) = (self.way, device_number(device_id)) {
            self.pages().api.twin_read(device, Instant::now());
            self.note_device(device, Note::Read);
        }
    }
}

impl tts::Observer for Books {
    fn submitted(&self, events: Vec<SubmittedEvent>, is_answered: bool, arrived: Instant) {
        let deaths = self.deaths.load(Ordering::SeqCst);
        let is_told = is_answered && !self.is_just_after_death();
        // Redelivery submits one event at a time, and races with the stream: it is not the stream that is out of order.
        let races_since = arrived.checked_sub(RACE).filter(|_| events.len() == 1);
        let circumstances = Circumstances { is_told, deaths, races_since };
        for SubmittedEvent { properties, body, .. } in events {
            let (number, findings) = self.pages().events.applied(&properties, &body, circumstances);
            if let Some(number) = number {
                self.note(Subject::HubEvent(number), What::Applied { is_answered });
            }
            findings.into_iter().for_each(|finding| self.found(finding));
        }
    }

    fn spoiled(&self, body: &[u8], effects: &[tts::Effect]) {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        for effect in effects {
            let name = fault::tts_name(effect);
            *self.pages().met.entry(name).or_default() += 1;
            for event in request["events"].as_array().into_iter().flatten() {
                let empty = Map::new();
                let properties = event["properties"].as_object().unwrap_or(&empty);
                let number = self.pages().events.number(properties);
                number.into_iter().for_each(|number| self.note(Subject::HubEvent(number), What::Met(name)));
            }
            let device = request["end_device"]["ids"]["device_id"].as_str().and_then(device_number);
            device.into_iter().for_each(|device| self.note_device(device, Note::Met(name)));
        }
    }

    fn device_set(&self, server: Server, change: &DeviceChange<'_>) {
        let DeviceChange { device_id, is_new, is_answered, .. } = *change;
        let device = device_number(device_id);
        device.into_iter().for_each(|device| self.note_device(device, Note::Set { server, is_new, is_answered }));
    }

    fn device_deleted(&self, server: Server, _application_id: &str, device_id: &str, is_answered: bool) {
        let Some(device) = device_number(device_id) else { return };
        self.note_device(device, Note::Gone { server, is_answered });
        if matches!(server, Server::Network | Server::Application) {
            self.pages().api.queue_gone(device);
        }
    }

    fn downlinks(&self, accepted: &AcceptedDownlinks<'_>) {
        let device = device_number(accepted.device_id);
        let Some(device) = device.filter(|device| self.lose_downlinks_of != Some(*device)) else { return };
        let AcceptedDownlinks { is_replace, is_answered, .. } = *accepted;
        for downlink in accepted.downlinks {
            let Judged { event, wrong } = self.pages().api.accepted(device, downlink, accepted);
            self.note_device(device, Note::Downlink { event, is_replace, is_answered });
            if let Some((kind, detail)) = wrong {
                self.pages().breaches.add(kind, Some(Subject::Device(device)), detail);
            }
        }
    }
}

impl Books {
    fn found(&self, finding: Finding) {
        let mut pages = self.pages();
        let breaches = &mut pages.breaches;
        match finding {
            Finding::Doubled(number) => {
                let detail = "applied again although answered 200 to a handler that lives".to_owned();
                breaches.add("doubled", Some(Subject::HubEvent(number)), detail);
            }
            Finding::Reordered(number, what) => breaches.add("reordered", Some(Subject::HubEvent(number)), what),
            Finding::Misversioned(number, what) => {
                breaches.add("misversioned", Some(Subject::HubEvent(number)), what);
            }
            Finding::Stranger(properties) => breaches.add("unknown", None, format!("an event {properties}")),
        }
    }
}
