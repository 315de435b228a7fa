//! Keeping a message that IoT Hub did not take.

use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::reported::Reported;

use crate::error::Error;
use crate::invocation::QueueOutputs;
use crate::iot_hub::{DeviceId, DeviceToCloudMessage};
use crate::parking::{Item, Kind, MAX_BYTES, TooLarge, UplinkOriginal};
use crate::tts::with_fewer_gateways;

/// How much of the room there is to aim for when a message did not fit, in hundredths: compression is no exact science.
const AIM: usize = 90;

/// The queue output that keeps a message: parked if it may be delivered later, else dead-lettered. A message too large
/// even when compressed loses its weakest gateways, and says so.
pub(super) fn kept(
    message: DeviceToCloudMessage,
    message_type: &str,
    error: &Error,
    trace: Option<String>,
    now: OffsetDateTime,
) -> Result<QueueOutputs, TooLarge> {
    let item = |body: String, trimmed: bool| {
        let application_id = message.property("application-id").map(str::to_owned);
        let message_json = RawValue::from_string(body).expect("a message's body is JSON");
        let original = UplinkOriginal { application_id, trimmed, message: message_json };
        Item::new(Kind::Uplink, error, now, &original).about(Some(message.device_id.to_string()), trace.clone())
    };
    let mut body = message.body.clone();
    let mut trimmed = message.property("trimmed").is_some();
    let text = loop {
        let too_large = match item(body.clone(), trimmed).encode() {
            Ok(text) => break text,
            Err(too_large) => too_large,
        };
        let most_bytes = body.len() * MAX_BYTES / too_large.bytes() * AIM / 100;
        body = with_fewer_gateways(&body, message_type, most_bytes).ok_or(too_large)?;
        trimmed = true;
    };
    Ok(queue(text, error))
}

/// The queue output that keeps an update of a twin. What a twin holds fits a queue.
pub(super) fn kept_reported(
    device_id: &DeviceId,
    reported: &Reported,
    error: &Error,
    trace: Option<String>,
    now: OffsetDateTime,
) -> Result<QueueOutputs, TooLarge> {
    let item = Item::new(Kind::Reported, error, now, reported).about(Some(device_id.to_string()), trace);
    Ok(queue(item.encode()?, error))
}

fn queue(text: String, error: &Error) -> QueueOutputs {
    let mut queues = QueueOutputs::default();
    let queue = if error.is_transient() { &mut queues.parked } else { &mut queues.dead_letter };
    queue.push(text);
    queues
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Peer, Retry};

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-21 10:00 UTC);

    fn message(body: String) -> DeviceToCloudMessage {
        DeviceToCloudMessage {
            device_id: DeviceId::new("sensor-1").unwrap(),
            message_id: "01J0:uplink_message".to_owned(),
            correlation_id: None,
            creation_time: None,
            properties: vec![("application-id", "plant-a".to_owned())],
            body,
        }
    }

    fn unavailable(retry: Retry) -> Error {
        Error::Unavailable { peer: Peer::IotHub, what: "status 503".to_owned(), retry }
    }

    #[test]
    fn a_transient_failure_parks_and_a_final_one_dead_letters() {
        let body = r#"{"uplink_message":{"f_cnt":1.0}}"#.to_owned();
        let parked =
            kept(message(body.clone()), "uplink_message", &unavailable(Retry::Soon), Some("00-x".to_owned()), NOW)
                .unwrap();
        assert_eq!(
            parked.parked,
            [
                r#"{"kind":"uplink","reason":"IoT Hub is unavailable: status 503","error":"unavailable","first_seen":"2026-11-21T10:00:00Z","attempts":1,"trace":"00-x","device_id":"sensor-1","original":{"application_id":"plant-a","message":{"uplink_message":{"f_cnt":1.0}}}}"#
            ]
        );
        let refused = Error::Refused { peer: Peer::IotHub, what: "device sensor-1 is disabled".to_owned() };
        let dead = kept(message(body), "uplink_message", &refused, None, NOW).unwrap();
        assert_eq!((dead.parked.len(), dead.dead_letter.len()), (0, 1));
    }

    #[test]
    fn what_does_not_fit_a_queue_even_compressed_loses_gateways_and_says_so() {
        let noise = |_| (0..400).map(|_| fastrand::alphanumeric()).collect::<String>();
        let gateways: Vec<_> = (0..500).map(|rssi| format!(r#"{{"rssi":-{rssi},"noise":"{}"}}"#, noise(()))).collect();
        let body = format!(r#"{{"uplink_message":{{"rx_metadata":[{}]}}}}"#, gateways.join(","));
        let queues = kept(message(body), "uplink_message", &unavailable(Retry::Soon), None, NOW).unwrap();
        let item = Item::decode(&queues.parked[0]).unwrap();
        let original: UplinkOriginal = serde_json::from_str(&item.original().unwrap()).unwrap();
        assert!(original.trimmed);
        assert!(
            original.message.get().contains(r#""rssi":-0,"#) && !original.message.get().contains(r#""rssi":-499,"#)
        );
    }

    #[test]
    fn what_cannot_be_kept_is_not_cut_silently() {
        let noise: String = (0..100_000).map(|_| fastrand::alphanumeric()).collect();
        let body = format!(r#"{{"service_data":{{"data":"{noise}"}}}}"#);
        assert!(kept(message(body), "service_data", &unavailable(Retry::Soon), None, NOW).is_err());
    }
}
