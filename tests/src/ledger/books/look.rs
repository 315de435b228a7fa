//! What goes into the queues, and what lies there.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::api::Note;
use super::super::queue_item::{Content, QueueItem};
use super::super::queues::{Look, Queue, Seen};
use super::{Books, Subject, What};

impl Books {
    /// Reads what lies in the queues, and looks for secrets in what was not there before.
    pub(in crate::ledger) fn look_into(&self, queues: impl Iterator<Item = (Queue, String)>, before: &Look) -> Look {
        let mut look = Look::default();
        for (queue, text) in queues {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            let key = (queue, hasher.finish());
            let seen = before.items.get(&key).copied().unwrap_or_else(|| self.read(queue, &text));
            if let Some(seen) = seen {
                look.held.add(seen.subject, queue);
            }
            look.items.insert(key, seen);
        }
        look
    }

    pub(super) fn read(&self, queue: Queue, text: &str) -> Option<Seen> {
        self.inspect(queue.name(), text);
        let item = QueueItem::read(text).and_then(|item| {
            self.inspect(queue.name(), &item.original);
            let subject = match &item.content {
                Content::Uplink(number) => Some(Subject::Uplink(*number)),
                Content::HubEvent(properties) => self.number(properties).map(Subject::HubEvent),
            };
            let subject = subject.ok_or("an event that the hub never sent")?;
            Ok(Seen { subject, not_before: item.not_before })
        });
        match item {
            Ok(seen) => Some(seen),
            Err(reason) => {
                self.pages().breaches.add("unreadable", None, format!("{reason} in {}: {text:.400}", queue.name()));
                None
            }
        }
    }

    /// The device of a hub event that goes to the ordinary API.
    pub(in crate::ledger) fn device_of(&self, subject: Subject) -> Option<u32> {
        let Subject::HubEvent(number) = subject else { return None };
        self.pages().api.device_of(number)
    }

    /// An item goes into a queue.
    pub(super) fn queued(&self, subject: Subject, queue: Queue) {
        let Subject::HubEvent(number) = subject else { return self.note(subject, What::Queued(queue)) };
        let device = self.pages().api.kept(number);
        match device {
            Some(device) => self.note_device(device, Note::Queued(number, queue)),
            None => self.note(subject, What::Queued(queue)),
        }
    }
}
