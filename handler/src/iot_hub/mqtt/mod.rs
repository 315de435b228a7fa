//! The hub's MQTT device side, the only way to a twin's reported properties. Connections are made on demand and kept for
//! a short idle time; the hub allows one for each device.

mod connection;
mod pool;
mod rate;
mod tickets;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Policy;
use super::credential::Credential;

pub(super) use self::pool::{Checked, NotWritten, Pool};
pub use self::rate::Rates;
use self::tickets::Tickets;

/// Longest set-up of a TLS connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an address that worked is used without asking for the name again. Asking costs as much as the connection.
const ADDRESS_AGE: Duration = Duration::from_secs(30);

/// Where connections go, and what opens them.
struct Endpoint {
    host_name: String,
    port: u16,
    /// The last one that worked, and when it was found.
    address: Mutex<Option<(SocketAddr, Instant)>>,
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
    /// Sessions are resumed with tickets of its own: there are as many handshakes at once as devices.
    fn new(policy: &Policy, port: u16, tls: &ClientConfig) -> Self {
        let mut tls = tls.clone();
        tls.resumption = Resumption::store(Arc::new(Tickets::default()));
        Self {
            host_name: policy.host_name.clone(),
            port,
            address: Mutex::default(),
            tls: TlsConnector::from(Arc::new(tls)),
            credential: Credential::new(policy),
        }
    }

    /// Connects; `first` goes with the last packet of the handshake.
    async fn connect(&self, first: &[u8]) -> io::Result<TlsStream<TcpStream>> {
        let connect = async {
            let stream = self.connect_tcp().await?;
            // A request is one small packet that should go at once.
            stream.set_nodelay(true)?;
            let name = ServerName::try_from(self.host_name.clone()).map_err(io::Error::other)?;
            let mut said = Ok(());
            let stream =
                self.tls.connect_with(name, stream, |session| said = session.writer().write_all(first)).await?;
            said.map(|()| stream)
        };
        let connected = timeout(CONNECT_TIMEOUT, connect).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if connected.is_err() {
            *self.address() = None;
        }
        connected
    }

    async fn connect_tcp(&self) -> io::Result<TcpStream> {
        let known = *self.address();
        if let Some((address, _)) = known.filter(|(_, found)| found.elapsed() < ADDRESS_AGE)
            && let Ok(stream) = TcpStream::connect(address).await
        {
            return Ok(stream);
        }
        let stream = TcpStream::connect((self.host_name.as_str(), self.port)).await?;
        *self.address() = Some((stream.peer_addr()?, Instant::now()));
        Ok(stream)
    }

    fn address(&self) -> MutexGuard<'_, Option<(SocketAddr, Instant)>> {
        self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
