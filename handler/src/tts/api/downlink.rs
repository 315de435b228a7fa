//! Downlinks: what the Application Server is to send to a device.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{Answer, Api, Call, Server, unavailable};
use crate::error::{Error, Peer, Retry};
use crate::tts::id::EndDeviceIds;

/// One downlink message.
#[derive(Debug, Clone, PartialEq)]
pub struct Downlink {
    /// What it carries.
    pub payload: Payload,
    /// Whether the device is to acknowledge it.
    pub confirmed: bool,
    /// The API's enum, e.g. `NORMAL`.
    pub priority: &'static str,
    /// Gateways and time, for devices that listen outside their receive windows.
    pub class_b_c: Option<ClassBC>,
    /// Comes back with every message about the downlink's fate; at most 100 characters.
    pub correlation_id: String,
    /// What becomes of the queue.
    pub operation: Operation,
}

/// What a downlink carries.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// Bytes for a port from 1 to 223, or 225 to 255.
    Frame {
        /// The port.
        f_port: u8,
        /// At most 255 bytes; the data rate may allow less.
        frame: Vec<u8>,
    },
    /// Values that the device's down formatter encodes; it chooses the port too.
    Decoded(Map<String, Value>),
}

/// Where and when a class B or C downlink is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassBC {
    /// The gateways that may send it; any, if there is none.
    pub gateways: Vec<Gateway>,
    /// RFC 3339 with `Z`; as soon as possible, if there is none.
    pub absolute_time: Option<String>,
}

/// One antenna of a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its id.
    pub gateway_id: String,
    /// Which of its antennas.
    pub antenna_index: u32,
}

/// What becomes of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The downlink goes to its end.
    Push,
    /// The downlink is all that is left of it. May be repeated.
    Replace,
}

/// What became of a downlink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in the queue.
    Done,
    /// There is no such device; the Application Server's words.
    NoDevice(String),
}

/// Refusals that end by themselves: once the device has joined or sent something, its queue has got shorter, or its
/// payload formatter gets the time it needs.
const NOT_YET: [&str; 9] = [
    "no_device_session",
    "unknown_session",
    "unknown_mac_state",
    "no_downlink_path",
    "downlink_queue_capacity",
    "rebuild",
    "no_app_s_key",
    "script_timeout",
    "script_interrupt",
];

impl Downlink {
    fn to_json(&self) -> Value {
        let mut downlink = match &self.payload {
            Payload::Frame { f_port, frame } => json!({"f_port": f_port, "frm_payload": STANDARD.encode(frame)}),
            Payload::Decoded(values) => json!({"decoded_payload": values}),
        };
        downlink["confirmed"] = self.confirmed.into();
        downlink["priority"] = self.priority.into();
        if let Some(ClassBC { gateways, absolute_time }) = &self.class_b_c {
            let gateway = |Gateway { gateway_id, antenna_index }: &Gateway| json!({"gateway_ids": {"gateway_id": gateway_id}, "antenna_index": antenna_index});
            let mut class_b_c = Map::new();
            if !gateways.is_empty() {
                class_b_c.insert("gateways".to_owned(), gateways.iter().map(gateway).collect());
            }
            class_b_c.extend(absolute_time.iter().map(|time| ("absolute_time".to_owned(), json!(time))));
            downlink["class_b_c"] = class_b_c.into();
        }
        downlink["correlation_ids"] = json!([self.correlation_id]);
        downlink
    }
}

impl Api {
    /// Puts a downlink into a device's queue.
    ///
    /// # Errors
    /// [`Error::NotYet`] while the device has not joined, [`Error::Refused`] if the downlink is not taken.
    pub async fn enqueue(&self, ids: &EndDeviceIds, downlink: &Downlink, deadline: Instant) -> Result<Enqueued, Error> {
        let operation = match downlink.operation {
            Operation::Push => "push",
            Operation::Replace => "replace",
        };
        let body = json!({"downlinks": [downlink.to_json()]});
        let path = format!("{}/{operation}", path(ids));
        let call = Call { server: Server::Application, method: Method::POST, path, body: Some(&body) };
        let error = match self.call(call, deadline).await? {
            Answer::Done(_) => return Ok(Enqueued::Done),
            Answer::Refused(error) => error,
        };
        let what = format!("{}: {error}", Server::Application.name());
        if NOT_YET.iter().any(|name| error.is(name)) {
            return Err(Error::NotYet { peer: Peer::Tts, what });
        }
        if error.is("device_not_found") {
            return Ok(Enqueued::NoDevice(what));
        }
        let advice = if error.is("no_f_port") { "; the device's down formatter has to return an fPort" } else { "" };
        Err(Error::Refused { peer: Peer::Tts, what: format!("{what}{advice}") })
    }

    /// The correlation ids of all downlinks in a device's queue. Those that have been sent are not there, nor is there a
    /// queue of a device that does not exist.
    ///
    /// # Errors
    /// As [`enqueue`](Self::enqueue).
    pub async fn queue(&self, ids: &EndDeviceIds, deadline: Instant) -> Result<Vec<String>, Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Queue {
            downlinks: Vec<Queued>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Queued {
            correlation_ids: Vec<String>,
        }
        let call = Call { server: Server::Application, method: Method::GET, path: path(ids), body: None };
        match self.call(call, deadline).await? {
            Answer::Done(queue) => {
                let Queue { downlinks } = serde_json::from_value(queue).map_err(|reason| {
                    let name = Server::Application.name();
                    unavailable(format!("{name}: found no downlink queue in its answer: {reason}"), Retry::Soon)
                })?;
                Ok(downlinks.into_iter().flat_map(|downlink| downlink.correlation_ids).collect())
            }
            // What is wrong will show when the downlink is pushed.
            Answer::Refused(_) => Ok(Vec::new()),
        }
    }
}

fn path(ids: &EndDeviceIds) -> String {
    format!("/applications/{}/devices/{}/down", ids.application_id(), ids.device_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn downlinks_are_written_as_the_api_has_them() {
        let plain = Downlink {
            payload: Payload::Frame { f_port: 15, frame: vec![1, 2] },
            confirmed: false,
            priority: "NORMAL",
            class_b_c: None,
            correlation_id: "azure:desired:7".to_owned(),
            operation: Operation::Push,
        };
        let gateway = Gateway { gateway_id: "gw-1".to_owned(), antenna_index: 1 };
        let class_b_c = ClassBC { gateways: vec![gateway], absolute_time: Some("2026-11-21T11:00:00Z".to_owned()) };
        let timed = Downlink {
            payload: Payload::Decoded(Map::from_iter([("led".to_owned(), json!(true))])),
            confirmed: true,
            priority: "HIGHEST",
            class_b_c: Some(class_b_c),
            ..plain.clone()
        };
        let expected = json!([
            {"f_port": 15, "frm_payload": "AQI=", "confirmed": false, "priority": "NORMAL", "correlation_ids": ["azure:desired:7"]},
            {
                "decoded_payload": {"led": true}, "confirmed": true, "priority": "HIGHEST",
                "class_b_c": {
                    "gateways": [{"gateway_ids": {"gateway_id": "gw-1"}, "antenna_index": 1}],
                    "absolute_time": "2026-11-21T11:00:00Z",
                },
                "correlation_ids": ["azure:desired:7"],
            },
        ]);
        assert_eq!(json!([plain.to_json(), timed.to_json()]), expected);
    }
}
