//! Cloud-to-device messages over HTTPS, for a device that asks: `/devices/{id}/messages/devicebound`.

use hyper::Method;
use serde_json::json;
use time::Duration;

use super::cloud_to_device::{CloudToDeviceMessage, Delivery, Settled, Settlement};
use super::error::HubError;
use super::http::{Call, Reply};
use super::hub::Hub;
use super::role::Action;
use super::{IotHub, clock, device_api};

/// Longest and usual time a device may hold a message.
const LOCK_SECONDS: i64 = 60;
/// System property and the header it travels in.
const HEADERS: [(&str, &str); 6] = [
    ("message-id", "iothub-messageid"),
    ("correlation-id", "iothub-correlationid"),
    ("user-id", "iothub-userid"),
    ("ack", "iothub-ack"),
    ("content-type", "iothub-contenttype"),
    ("content-encoding", "iothub-contentencoding"),
];

/// `GET …/devicebound`: the next message, or 204.
pub(crate) fn receive(hub: &Hub, call: &Call, device_id: &str) -> Result<Reply, HubError> {
    device_api::authorize(hub, call, device_id)?;
    let lock = match call.parameter("iothub-messagelocktimeout").map(|text| text.parse()) {
        None => LOCK_SECONDS,
        Some(Ok(seconds)) if (1..=LOCK_SECONDS).contains(&seconds) => seconds,
        Some(_) => return Err(HubError::argument("iothub-messagelocktimeout: not a number of seconds up to 60")),
    };
    let delivery = hub.receive_c2d(device_id, Duration::seconds(lock))?;
    Ok(delivery.map_or(Reply::empty(204), |delivery| reply(device_id, delivery)))
}

/// `DELETE …/devicebound/{lockToken}` completes, with `reject` it rejects; `POST …/{lockToken}/abandon` gives back.
pub(crate) fn settle(
    hub: &Hub,
    call: &Call,
    (device_id, lock_token): (&str, &str),
    abandons: bool,
) -> Result<Reply, HubError> {
    device_api::authorize(hub, call, device_id)?;
    let settlement = match (&call.method, abandons) {
        (&Method::POST, true) => Settlement::Abandon,
        (&Method::DELETE, false) if call.parameter("reject").is_some_and(|value| value != "false") => {
            Settlement::Reject
        }
        (&Method::DELETE, false) => Settlement::Complete,
        _ => return Ok(Reply::empty(405)),
    };
    hub.settle_c2d(device_id, lock_token, settlement)?;
    Ok(Reply::empty(204))
}

/// `DELETE /devices/{id}/commands`, the service's side: takes everything back.
pub(crate) fn purge(hub: &Hub, call: &Call, device_id: &str) -> Result<Reply, HubError> {
    hub.access.check_service(call.claim(), Action::PurgeCommands)?;
    if call.method != Method::DELETE {
        return Ok(Reply::empty(405));
    }
    let purged = hub.registry().find_mut(device_id)?.queue.purge(clock::now());
    Ok(Reply::json(json!({ "totalMessagesPurged": purged, "deviceId": device_id, "moduleId": null })))
}

fn reply(device_id: &str, delivery: Delivery) -> Reply {
    let Delivery { message, lock_token, sequence_number, enqueued_time, expiry, delivery_count } = delivery;
    let mut headers = vec![
        ("etag".to_owned(), format!("\"{lock_token}\"")),
        ("iothub-to".to_owned(), format!("/devices/{device_id}/messages/deviceBound")),
        ("iothub-sequencenumber".to_owned(), sequence_number.to_string()),
        ("iothub-enqueuedtime".to_owned(), clock::timestamp(enqueued_time)),
        ("iothub-deliverycount".to_owned(), delivery_count.to_string()),
    ];
    if message.time_to_live.is_some() {
        headers.push(("iothub-expiry".to_owned(), clock::timestamp(expiry)));
    }
    for (property, header) in HEADERS {
        headers.extend(message.system_properties.get(property).map(|value| (header.to_owned(), value.clone())));
    }
    headers.extend(message.properties.into_iter().map(|(name, value)| (format!("iothub-app-{name}"), value)));
    Reply::message(message.body, headers)
}

impl Hub {
    pub(crate) fn send_c2d(&self, device_id: &str, message: CloudToDeviceMessage) -> Result<(), HubError> {
        self.registry().find_mut(device_id)?.queue.send(message, clock::now())?;
        self.push_c2d(device_id);
        Ok(())
    }

    pub(crate) fn receive_c2d(&self, device_id: &str, lock: Duration) -> Result<Option<Delivery>, HubError> {
        Ok(self.registry().find_mut(device_id)?.queue.receive(lock, clock::now()))
    }

    pub(crate) fn settle_c2d(&self, device_id: &str, token: &str, settlement: Settlement) -> Result<(), HubError> {
        self.registry().find_mut(device_id)?.queue.settle(token, settlement, clock::now())
    }
}

impl IotHub {
    /// Sends a message to a device as a service does over AMQP, which this hub does not speak.
    ///
    /// # Errors
    /// When there is no such device, 50 messages wait already, or it is too large or to live too long.
    pub fn send_c2d(&self, device_id: &str, message: CloudToDeviceMessage) -> Result<(), HubError> {
        self.0.hub.send_c2d(device_id, message)
    }

    /// What became of the messages that left a device's queue, oldest first.
    #[must_use]
    pub fn settled_c2d(&self, device_id: &str) -> Vec<Settled> {
        self.0
            .hub
            .registry()
            .find_mut(device_id)
            .map_or_else(|_| Vec::new(), |device| device.queue.settled(clock::now()))
    }
}
