//! The MQTT port: opened, blocked and opened again.

use std::sync::Arc;

use rustls::{HandshakeKind, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connection::{self, End, FIRST_PACKET};
use super::stream::PacketStream;
use crate::iot_hub::StartError;
use crate::iot_hub::faults::Operation;
use crate::iot_hub::hub::Hub;
use crate::iot_hub::server::{self, Running};

/// Where devices connect. The port stays the same for as long as the hub lives.
pub(crate) struct Endpoint {
    pub(crate) port: u16,
    tls: TlsAcceptor,
    server: Running,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Endpoint").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Listens with the certificate of the HTTPS port.
    pub(crate) async fn start(port: u16, https: &ServerConfig, hub: &Arc<Hub>) -> Result<Self, StartError> {
        let listener = bind(port).await?;
        let port = listener.local_addr().map_err(|source| StartError::Port { port, source })?.port();
        // HTTP is not what is spoken here, and MQTT clients offer nothing.
        let mut tls = https.clone();
        tls.alpn_protocols.clear();
        let endpoint = Self { port, tls: TlsAcceptor::from(Arc::new(tls)), server: Running::default() };
        endpoint.serve(listener, hub);
        Ok(endpoint)
    }

    /// Listens again after [`Self::stop`].
    pub(crate) async fn start_again(&self, hub: &Arc<Hub>) -> Result<(), StartError> {
        if self.server.is_stopped() {
            let listener = bind(self.port).await?;
            self.serve(listener, hub);
        }
        Ok(())
    }

    /// Closes the port and every connection.
    pub(crate) async fn stop(&self) {
        self.server.stop().await;
    }

    fn serve(&self, listener: TcpListener, hub: &Arc<Hub>) {
        let (tls, hub) = (self.tls.clone(), hub.clone());
        self.server.start(async move {
            server::accept(listener, |stream| serve_connection(stream, tls.clone(), hub.clone())).await;
        });
    }
}

async fn bind(port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|source| StartError::Port { port, source })
}

/// Errors end the connection and nothing else: they are the client's to notice.
async fn serve_connection(stream: TcpStream, tls: TlsAcceptor, hub: Arc<Hub>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    if hub.faults.take_mqtt_handshake() {
        return server::end_handshake(stream, &hub, Operation::MqttConnect).await;
    }
    let Ok(Ok(stream)) = timeout(FIRST_PACKET, tls.accept(stream)).await else { return };
    let is_resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    hub.mqtt.sessions.shook_hands(is_resumed);
    let mut stream = PacketStream::new(stream);
    match connection::run(&hub, &mut stream).await {
        End::Disconnected | End::Closed => stream.close().await,
        End::Reset => {
            let (tcp, _) = stream.into_inner().into_inner();
            // Without lingering, closing the socket sends RST instead of FIN; nothing is left to do if that fails.
            let _ = tcp.set_zero_linger();
        }
    }
}
