//! The hub's MQTT device side, the only way to a twin's reported properties. Connections are made on demand and kept for
//! a short idle time; the hub allows one for each device.

mod connection;
mod pool;
mod rate;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::ConnectionString;
use super::credential::Credential;

pub(super) use self::pool::{Checked, NotWritten, Pool};
pub use self::rate::Rates;

/// Longest set-up of a TLS connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Where connections go, and what opens them.
struct Endpoint {
    host_name: String,
    port: u16,
    tls: TlsConnector,
    /// The policy's token serves every device.
    credential: Credential,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Endpoint({}:{})", self.host_name, self.port)
    }
}

impl Endpoint {
    fn new(connection_string: &ConnectionString, port: u16, tls: Arc<ClientConfig>) -> Self {
        Self {
            host_name: connection_string.host_name.clone(),
            port,
            tls: TlsConnector::from(tls),
            credential: Credential::new(connection_string),
        }
    }

    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let connect = async {
            let stream = TcpStream::connect((self.host_name.as_str(), self.port)).await?;
            // A request is one small packet that should go at once.
            stream.set_nodelay(true)?;
            let name = ServerName::try_from(self.host_name.clone()).map_err(io::Error::other)?;
            self.tls.connect(name, stream).await
        };
        timeout(CONNECT_TIMEOUT, connect).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}
