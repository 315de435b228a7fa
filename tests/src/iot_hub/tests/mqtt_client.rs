//! A small MQTT client: packets in, packets out, nothing done of its own accord.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Bench, token};
use crate::iot_hub::IotHub;
use crate::iot_hub::mqtt::packet::{Connect, ConnectCode, Packet, Publish, Qos};
use crate::iot_hub::mqtt::stream::{PacketStream, ReadError};

pub(super) const TWIN_RESPONSES: &str = "$iothub/twin/res/#";
pub(super) const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
const LIMIT: Duration = Duration::from_secs(10);

pub(super) struct MqttClient(PacketStream<TlsStream<TcpStream>>);

/// A TLS configuration that trusts a hub; what is resumed is remembered in it.
pub(super) fn tls(ca_pem: &str, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// A CONNECT with a token of the policy `device` for this device, as an SDK would send it.
pub(super) fn hello(hub: &IotHub, device_id: &str) -> Connect {
    let connection_string = hub.connection_string("device");
    let key = connection_string.split("SharedAccessKey=").nth(1).unwrap();
    let password = format!("{}&skn=device", token(&format!("localhost/devices/{device_id}"), key));
    Connect {
        client_id: device_id.to_owned(),
        clean_session: true,
        user_name: Some(format!("localhost/{device_id}/?api-version=2021-04-12")),
        password: Some(password.into_bytes()),
        ..Connect::default()
    }
}

pub(super) fn publish(topic: &str, payload: &str) -> Publish {
    let (topic, payload) = (topic.to_owned(), payload.as_bytes().to_vec());
    Publish { topic, payload, qos: Qos::AtMostOnce, packet_id: 0, retain: false, duplicate: false }
}

pub(super) fn acknowledged(packet_id: u16, publish: Publish) -> Publish {
    Publish { qos: Qos::AtLeastOnce, packet_id, ..publish }
}

impl MqttClient {
    /// TLS only.
    pub(super) async fn dial(hub: &IotHub) -> std::io::Result<Self> {
        Self::dial_with(hub, tls(hub.ca_pem(), rustls::ALL_VERSIONS)).await
    }

    pub(super) async fn dial_with(hub: &IotHub, tls: Arc<ClientConfig>) -> std::io::Result<Self> {
        let tcp = TcpStream::connect(("127.0.0.1", hub.mqtt_port())).await?;
        let name = ServerName::try_from("localhost").unwrap();
        Ok(Self(PacketStream::new(TlsConnector::from(tls).connect(name, tcp).await?)))
    }

    /// The answer to a CONNECT on a new connection.
    pub(super) async fn connect(hub: &IotHub, hello: Connect) -> (Self, Result<bool, ConnectCode>) {
        let mut client = Self::dial(hub).await.unwrap();
        client.send(Packet::Connect(hello)).await;
        match client.receive().await {
            Some(Packet::ConnAck { session_present, code: ConnectCode::Accepted }) => (client, Ok(session_present)),
            Some(Packet::ConnAck { session_present: false, code }) => (client, Err(code)),
            other => panic!("{other:?}"),
        }
    }

    /// A device that is let in, with a clean session and no subscriptions.
    pub(super) async fn device(bench: &Bench, device_id: &str) -> Self {
        let (client, answer) = Self::connect(&bench.hub, hello(&bench.hub, device_id)).await;
        assert_eq!(answer, Ok(false));
        client
    }

    pub(super) async fn send(&mut self, packet: Packet) {
        self.0.write(&[packet]).await.unwrap();
    }

    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) {
        use tokio::io::AsyncWriteExt;
        self.0.stream_mut().write_all(bytes).await.unwrap();
    }

    /// The next packet, or `None` at the connection's end.
    pub(super) async fn receive(&mut self) -> Option<Packet> {
        match timeout(LIMIT, self.0.read()).await.expect("a packet or the end") {
            Ok(packet) => Some(packet),
            Err(ReadError::Gone) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next packet is a message: its topic and payload.
    pub(super) async fn message(&mut self) -> (String, String) {
        match self.receive().await {
            Some(Packet::Publish(publish)) => (publish.topic, String::from_utf8(publish.payload).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    /// A subscription and its quality as granted.
    pub(super) async fn subscribe(&mut self, filter: &str, qos: u8) -> Option<u8> {
        self.send(Packet::Subscribe { packet_id: 9, filters: vec![(filter.to_owned(), qos)] }).await;
        let answer = self.receive().await?;
        let Packet::SubAck { packet_id: 9, codes } = answer else { panic!("{answer:?}") };
        Some(codes[0])
    }

    /// A twin read: its status and body.
    pub(super) async fn get(&mut self) -> (String, String) {
        self.send(Packet::Publish(publish("$iothub/twin/GET/?$rid=g", " "))).await;
        self.message().await
    }

    /// A twin write: the topic and body of its answer.
    pub(super) async fn patch(&mut self, reported: &str) -> (String, String) {
        self.send(Packet::Publish(publish("$iothub/twin/PATCH/properties/reported/?$rid=p", reported))).await;
        self.message().await
    }

    /// Nothing comes before the answer to a ping.
    pub(super) async fn is_quiet(&mut self) -> bool {
        self.send(Packet::PingReq).await;
        self.receive().await == Some(Packet::PingResp)
    }

    /// Whether the connection has ended, however abruptly.
    pub(super) async fn is_gone(&mut self) -> bool {
        timeout(LIMIT, self.0.read()).await.is_ok_and(|packet| packet.is_err())
    }

    pub(super) fn handshake(&self) -> Option<HandshakeKind> {
        self.0.stream().get_ref().1.handshake_kind()
    }
}
