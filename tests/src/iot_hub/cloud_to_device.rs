//! Cloud-to-device messages: one queue per device, locks while a device looks at a message, and how each one ended.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::error::{ErrorCode, HubError};

/// The most messages that wait for one device.
const DEEPEST: usize = 50;
const MOST_BYTES: usize = 65_536;
/// How often a device may give a message back.
const MOST_DELIVERIES: u32 = 10;
const TIME_TO_LIVE: Duration = Duration::HOUR;
const LONGEST_TIME_TO_LIVE: Duration = Duration::days(2);

/// What a service sends to a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudToDeviceMessage {
    /// Any bytes.
    pub body: Vec<u8>,
    /// Application properties.
    pub properties: BTreeMap<String, String>,
    /// What the service may set: message-id, correlation-id, user-id, ack, content-type, content-encoding.
    pub system_properties: BTreeMap<String, String>,
    /// How long it may wait, at most two days; an hour unless said.
    pub time_to_live: Option<std::time::Duration>,
}

/// How a message left its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The device took it.
    Completed,
    /// The device refused it.
    Rejected,
    /// Nobody took it in time.
    Expired,
    /// The device gave it back too often.
    DeliveryCountExceeded,
    /// The service took all of them back.
    Purged,
}

/// A message that left its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// If it had one.
    pub message_id: Option<String>,
    /// Which way.
    pub outcome: Outcome,
}

/// What a device does with a message it holds the lock of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    Complete,
    Reject,
    Abandon,
}

/// A message in a device's hands, for as long as the lock lasts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) message: CloudToDeviceMessage,
    pub(crate) lock_token: String,
    pub(crate) sequence_number: u64,
    pub(crate) enqueued_time: OffsetDateTime,
    pub(crate) expiry: OffsetDateTime,
    pub(crate) delivery_count: u32,
}

/// What waits for one device, in order, and what no longer does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    waiting: Vec<Waiting>,
    settled: Vec<Settled>,
    last_sequence_number: u64,
}

#[derive(Debug, Clone)]
struct Waiting {
    delivery: Delivery,
    locked_until: Option<OffsetDateTime>,
}

impl Queue {
    pub(crate) fn send(&mut self, message: CloudToDeviceMessage, now: OffsetDateTime) -> Result<(), HubError> {
        self.expire(now);
        if message.body.len() > MOST_BYTES {
            return Err(HubError::new(ErrorCode::MessageTooLarge, format!("larger than {MOST_BYTES} bytes")));
        }
        if self.waiting.len() >= DEEPEST {
            let message = format!("The device queue already has {DEEPEST} messages.");
            return Err(HubError::new(ErrorCode::DeviceMaximumQueueDepthExceeded, message));
        }
        self.last_sequence_number += 1;
        let delivery = Delivery {
            expiry: now + time_to_live(&message)?,
            message,
            lock_token: String::new(),
            sequence_number: self.last_sequence_number,
            enqueued_time: now,
            delivery_count: 0,
        };
        self.waiting.push(Waiting { delivery, locked_until: None });
        Ok(())
    }

    /// The oldest message nobody holds; it is locked for the time given.
    pub(crate) fn receive(&mut self, lock: Duration, now: OffsetDateTime) -> Option<Delivery> {
        self.expire(now);
        let next = self.waiting.iter_mut().find(|waiting| waiting.locked_until.is_none_or(|until| until <= now))?;
        next.delivery.lock_token = Uuid::new_v4().to_string();
        next.locked_until = Some(now + lock);
        Some(next.delivery.clone())
    }

    /// Only an explicit abandon counts as a delivery; a lock that runs out does not.
    pub(crate) fn settle(
        &mut self,
        lock_token: &str,
        settlement: Settlement,
        now: OffsetDateTime,
    ) -> Result<(), HubError> {
        self.expire(now);
        let is_held = |waiting: &Waiting| {
            waiting.delivery.lock_token == lock_token && waiting.locked_until.is_some_and(|until| now < until)
        };
        let index = self.waiting.iter().position(is_held).ok_or_else(lock_lost)?;
        let outcome = match settlement {
            Settlement::Complete => Outcome::Completed,
            Settlement::Reject => Outcome::Rejected,
            Settlement::Abandon => {
                let waiting = &mut self.waiting[index];
                waiting.locked_until = None;
                waiting.delivery.delivery_count += 1;
                if waiting.delivery.delivery_count < MOST_DELIVERIES {
                    return Ok(());
                }
                Outcome::DeliveryCountExceeded
            }
        };
        let waiting = self.waiting.remove(index);
        self.settled.push(settled(&waiting, outcome));
        Ok(())
    }

    /// Takes everything out that is not in a device's hands; answers how much that was.
    pub(crate) fn purge(&mut self, now: OffsetDateTime) -> usize {
        self.expire(now);
        let purged: Vec<_> =
            self.waiting.extract_if(.., |waiting| waiting.locked_until.is_none_or(|until| until <= now)).collect();
        self.settled.extend(purged.iter().map(|waiting| settled(waiting, Outcome::Purged)));
        purged.len()
    }

    pub(crate) fn settled(&mut self, now: OffsetDateTime) -> Vec<Settled> {
        self.expire(now);
        self.settled.clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn expire(&mut self, now: OffsetDateTime) {
        let expired = self.waiting.extract_if(.., |waiting| waiting.delivery.expiry <= now);
        self.settled.extend(expired.map(|waiting| settled(&waiting, Outcome::Expired)));
    }
}

fn time_to_live(message: &CloudToDeviceMessage) -> Result<Duration, HubError> {
    let Some(wanted) = message.time_to_live else { return Ok(TIME_TO_LIVE) };
    let wanted = Duration::try_from(wanted).unwrap_or(Duration::MAX);
    if wanted > LONGEST_TIME_TO_LIVE {
        return Err(HubError::argument("a message may live for two days at most"));
    }
    Ok(wanted)
}

fn settled(waiting: &Waiting, outcome: Outcome) -> Settled {
    let message_id = waiting.delivery.message.system_properties.get("message-id").cloned();
    Settled { message_id, outcome }
}

fn lock_lost() -> HubError {
    HubError::new(ErrorCode::DeviceMessageLockLost, "The lock on the message is lost.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: Duration = Duration::MINUTE;
    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn queue(ids: &[&str]) -> Queue {
        let mut queue = Queue::default();
        for id in ids {
            queue.send(message(id), START).unwrap();
        }
        queue
    }

    fn message(id: &str) -> CloudToDeviceMessage {
        let system_properties = [("message-id".to_owned(), id.to_owned())].into();
        CloudToDeviceMessage { system_properties, ..CloudToDeviceMessage::default() }
    }

    fn received(queue: &mut Queue, now: OffsetDateTime) -> Option<(String, u64, u32)> {
        let delivery = queue.receive(LOCK, now)?;
        Some((delivery.lock_token, delivery.sequence_number, delivery.delivery_count))
    }

    fn outcomes(queue: &mut Queue, now: OffsetDateTime) -> Vec<(String, Outcome)> {
        queue.settled(now).into_iter().map(|settled| (settled.message_id.unwrap(), settled.outcome)).collect()
    }

    #[test]
    fn messages_come_in_order_and_leave_when_they_are_settled() {
        let mut queue = queue(&["a", "b", "c"]);
        let (first, 1, 0) = received(&mut queue, START).unwrap() else { panic!() };
        let (second, 2, 0) = received(&mut queue, START).unwrap() else { panic!() };
        queue.settle(&second, Settlement::Reject, START).unwrap();
        queue.settle(&first, Settlement::Complete, START).unwrap();
        let settled = [("b".to_owned(), Outcome::Rejected), ("a".to_owned(), Outcome::Completed)];
        assert_eq!(outcomes(&mut queue, START), settled);
        let error = queue.settle(&first, Settlement::Complete, START).unwrap_err();
        assert_eq!(error.code, ErrorCode::DeviceMessageLockLost);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn an_abandoned_message_comes_again_ten_times_at_most() {
        let mut queue = queue(&["a"]);
        for count in 0..10 {
            let (token, 1, delivery_count) = received(&mut queue, START).unwrap() else { panic!() };
            assert_eq!(delivery_count, count);
            queue.settle(&token, Settlement::Abandon, START).unwrap();
        }
        assert_eq!(outcomes(&mut queue, START), [("a".to_owned(), Outcome::DeliveryCountExceeded)]);
    }

    #[test]
    fn a_lock_that_runs_out_is_lost_and_does_not_count() {
        let mut queue = queue(&["a"]);
        let (token, ..) = received(&mut queue, START).unwrap();
        assert_eq!(received(&mut queue, START + LOCK - Duration::SECOND), None);
        let error = queue.settle(&token, Settlement::Complete, START + LOCK).unwrap_err();
        assert_eq!(error.code, ErrorCode::DeviceMessageLockLost);
        assert!(matches!(received(&mut queue, START + LOCK), Some((_, 1, 0))));
    }

    #[test]
    fn a_message_nobody_takes_expires() {
        let mut queue = queue(&["a"]);
        let time_to_live = Some(std::time::Duration::from_secs(5));
        queue.send(CloudToDeviceMessage { time_to_live, ..message("b") }, START).unwrap();
        let expired = [("b".to_owned(), Outcome::Expired), ("a".to_owned(), Outcome::Expired)];
        assert_eq!(outcomes(&mut queue, START + Duration::seconds(5)), expired[..1]);
        assert_eq!(outcomes(&mut queue, START + Duration::HOUR), expired);
        let time_to_live = Some(std::time::Duration::from_secs(172_801));
        let error = queue.send(CloudToDeviceMessage { time_to_live, ..message("c") }, START).unwrap_err();
        assert_eq!(error.code, ErrorCode::ArgumentInvalid);
    }

    #[test]
    fn fifty_messages_of_64_kilobytes_fit() {
        let mut queue = queue(&["x"; 50]);
        let error = queue.send(message("51"), START).unwrap_err();
        assert_eq!((error.code.number(), error.code.status()), (403_004, 403));
        assert_eq!(queue.purge(START), 50);
        let body = vec![0; MOST_BYTES];
        queue.send(CloudToDeviceMessage { body: body.clone(), ..message("a") }, START).unwrap();
        let body = [body, vec![0]].concat();
        let error = queue.send(CloudToDeviceMessage { body, ..message("b") }, START).unwrap_err();
        assert_eq!(error.code, ErrorCode::MessageTooLarge);
    }

    #[test]
    fn a_purge_leaves_what_a_device_holds() {
        let mut queue = queue(&["a", "b"]);
        let (token, ..) = received(&mut queue, START).unwrap();
        assert_eq!(queue.purge(START), 1);
        queue.settle(&token, Settlement::Complete, START).unwrap();
        assert_eq!(queue.len(), 0);
    }
}
