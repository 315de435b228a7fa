//! One MQTT connection of one device, for as long as somebody uses it.

use std::io::{self, Write as _};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, Packet, Publish, SubAck, Subscribe, SubscribeReasonCode,
};
use rumqttc::mqttbytes::{self, QoS};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::Endpoint;
use crate::error::{Error, OPERATOR, Peer, Retry, shortened};
use crate::iot_hub::{API_VERSION, DeviceId};

/// Largest packet: a twin with both its sections full.
const MAX_PACKET: usize = 256 * 1024;

/// The hub closes a connection that is silent for one and a half times this long. None of ours is silent that long.
const KEEP_ALIVE: u16 = 60;

/// The hub's advice when throttled.
const THROTTLED: Duration = Duration::from_secs(10);

/// Longest message kept of an error, in bytes.
const MAX_MESSAGE: usize = 500;

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    incoming: BytesMut,
    last_id: u16,
    pub(super) opened_at: Instant,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum NotOpen {
    /// The hub does not know the device, or has it disabled, or does not take our credential; it does not say which.
    NotAuthorized,
    Failed(Error),
}

impl Connection {
    /// Connects as a device.
    pub(super) async fn open(endpoint: &Endpoint, device_id: &DeviceId) -> Result<Self, NotOpen> {
        let host_name = &endpoint.host_name;
        let mut connect = Connect::new(device_id.as_str());
        connect.keep_alive = KEEP_ALIVE;
        connect.clean_session = true;
        connect.set_login(format!("{host_name}/{device_id}/?api-version={API_VERSION}"), endpoint.credential.token());
        let connect = encoded(&[Packet::Connect(connect)]).map_err(NotOpen::Failed)?;
        let stream = endpoint.connect(&connect).await.map_err(|reason| NotOpen::Failed(broken(&reason)))?;
        let (incoming, opened_at) = (BytesMut::with_capacity(1024), Instant::now());
        let mut connection = Self { stream, incoming, last_id: 0, opened_at };
        let Packet::ConnAck(ConnAck { code, .. }) = connection.read().await.map_err(NotOpen::Failed)? else {
            return Err(NotOpen::Failed(unavailable("found no CONNACK behind CONNECT".to_owned(), Retry::Soon)));
        };
        match code {
            ConnectReturnCode::Success => {
                connection.subscribe().await.map_err(NotOpen::Failed)?;
                Ok(connection)
            }
            ConnectReturnCode::NotAuthorized | ConnectReturnCode::BadUserNamePassword => Err(NotOpen::NotAuthorized),
            ConnectReturnCode::RefusedProtocolVersion
            | ConnectReturnCode::BadClientId
            | ConnectReturnCode::ServiceUnavailable => {
                Err(NotOpen::Failed(unavailable(format!("CONNACK {code:?}"), Retry::Soon)))
            }
        }
    }

    /// Subscribes to answers. A request before that is known to count might get none.
    async fn subscribe(&mut self) -> Result<(), Error> {
        let mut subscribe = Subscribe::new("$iothub/twin/res/#", QoS::AtMostOnce);
        subscribe.pkid = self.next_id();
        self.write(&[Packet::Subscribe(subscribe)]).await?;
        loop {
            let Packet::SubAck(SubAck { return_codes, .. }) = self.read().await? else { continue };
            return match return_codes.as_slice() {
                [SubscribeReasonCode::Success(_)] => Ok(()),
                codes => Err(unavailable(format!("SUBACK {codes:?}"), Retry::Soon)),
            };
        }
    }

    /// The twin as the device sees it: `desired` and `reported`, without tags and metadata.
    pub(super) async fn twin(&mut self) -> Result<Value, Error> {
        let answer = self.ask("$iothub/twin/GET/", &[]).await?;
        serde_json::from_slice(&answer.payload)
            .map_err(|reason| unavailable(format!("found a twin that is not JSON: {reason}"), Retry::Soon))
    }

    /// Merges a patch into the reported properties.
    pub(super) async fn patch(&mut self, patch: &Value) -> Result<(), Error> {
        self.ask("$iothub/twin/PATCH/properties/reported/", patch.to_string().as_bytes()).await.map(drop)
    }

    /// Whether the hub has closed it. That happens when another instance connects as the device.
    pub(super) fn is_closed(&mut self) -> bool {
        let read = pin!(self.stream.read_buf(&mut self.incoming));
        match read.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(read) => !matches!(read, Ok(1..)),
            Poll::Pending => false,
        }
    }

    /// Says goodbye, all in one packet. Whether it is heard does not matter.
    pub(super) async fn close(mut self) {
        if let Ok(goodbye) = encoded(&[Packet::Disconnect]) {
            let (_, session) = self.stream.get_mut();
            let _ = session.writer().write_all(&goodbye);
        }
        let _ = self.stream.shutdown().await;
    }

    /// Publishes a request and waits for its answer. That says more than an acknowledgement would, which would cost two
    /// packets more; so do the official SDKs.
    async fn ask(&mut self, topic: &str, payload: &[u8]) -> Result<Publish, Error> {
        let id = self.next_id();
        let request = Publish::new(format!("{topic}?$rid={id}"), QoS::AtMostOnce, payload);
        self.write(&[Packet::Publish(request)]).await?;
        loop {
            let Packet::Publish(answer) = self.read().await? else { continue };
            match status(&answer.topic, id) {
                Some(200..=299) => return Ok(answer),
                Some(status) => return Err(refused(status, &answer.payload)),
                None => {}
            }
        }
    }

    fn next_id(&mut self) -> u16 {
        self.last_id = self.last_id % u16::MAX + 1;
        self.last_id
    }

    async fn write(&mut self, packets: &[Packet]) -> Result<(), Error> {
        let bytes = encoded(packets)?;
        let written = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        written.await.map_err(|reason| broken(&reason))
    }

    async fn read(&mut self) -> Result<Packet, Error> {
        loop {
            match Packet::read(&mut self.incoming, MAX_PACKET) {
                Ok(packet) => return Ok(packet),
                Err(mqttbytes::Error::InsufficientBytes(_)) => {}
                Err(reason) => return Err(unavailable(format!("found no MQTT: {reason}"), Retry::Soon)),
            }
            match self.stream.read_buf(&mut self.incoming).await {
                Ok(0) => return Err(unavailable("the connection was closed".to_owned(), Retry::Soon)),
                Ok(_) => {}
                Err(reason) => return Err(broken(&reason)),
            }
        }
    }
}

fn encoded(packets: &[Packet]) -> Result<BytesMut, Error> {
    let mut bytes = BytesMut::with_capacity(1024);
    for packet in packets {
        let written = packet.write(&mut bytes, MAX_PACKET);
        written.map_err(|reason| Error::TooLarge(format!("an MQTT packet cannot be written: {reason}")))?;
    }
    Ok(bytes)
}

/// The status of an answer to the request `id`, from a topic such as `$iothub/twin/res/204/?$rid=7&$version=3`.
fn status(topic: &str, id: u16) -> Option<u16> {
    let (status, query) = topic.strip_prefix("$iothub/twin/res/")?.split_once("/?")?;
    let rid = query.split('&').find_map(|pair| pair.strip_prefix("$rid="))?;
    (rid.parse() == Ok(id)).then(|| status.parse().ok())?
}

/// What a status other than success means.
fn refused(status: u16, body: &[u8]) -> Error {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Body {
        message: String,
    }
    let Body { message } = serde_json::from_slice(body).unwrap_or_default();
    let what = format!("twin request: status {status} {}", shortened(&message, MAX_MESSAGE)).trim_end().to_owned();
    match status {
        429 => unavailable(what, Retry::After(THROTTLED)),
        401 | 403 => unavailable(what, Retry::After(OPERATOR)),
        400..=499 => Error::Refused { peer: Peer::IotHub, what },
        _ => unavailable(what, Retry::Soon),
    }
}

fn broken(reason: &io::Error) -> Error {
    unavailable(format!("MQTT: {reason}"), Retry::Soon)
}

pub(super) fn unavailable(what: String, retry: Retry) -> Error {
    Error::Unavailable { peer: Peer::IotHub, what, retry }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_told_by_its_request_id() {
        for (topic, expected) in [
            ("$iothub/twin/res/204/?$rid=7&$version=3", Some(204)),
            ("$iothub/twin/res/400/?$rid=7", Some(400)),
            ("$iothub/twin/res/204/?$version=3&$rid=7", Some(204)),
            ("$iothub/twin/res/204/?$rid=8", None),
            ("$iothub/twin/res/no/?$rid=7", None),
            ("$iothub/twin/PATCH/properties/desired/?$version=7", None),
        ] {
            assert_eq!(status(topic, 7), expected, "{topic}");
        }
    }

    #[test]
    fn statuses_mean_what_they_mean_elsewhere() {
        let body = br#"{"errorCode":400004,"message":"too deep"}"#;
        let refusal = refused(400, body);
        assert!(!refusal.is_transient() && refusal.to_string().contains("too deep"), "{refusal}");
        for (status, retry) in
            [(429, Retry::After(THROTTLED)), (403, Retry::After(OPERATOR)), (500, Retry::Soon), (503, Retry::Soon)]
        {
            assert_eq!(refused(status, b"<html>").retry(), Some(retry), "{status}");
        }
    }

    proptest! {
        #[test]
        fn no_topic_makes_it_panic(topic in ".{0,60}|\\$iothub/twin/res/.{0,20}") {
            let _ = status(&topic, 7);
        }
    }
}
