//! A stand-in for The Things Stack: sends webhook messages and answers its HTTP API.

mod api;
mod auth;
mod deeds;
mod delivery;
mod downlinks;
mod envelope;
mod fault;
mod field_mask;
mod ids;
pub mod messages;
mod normalized;
mod observer;
mod options;
mod packages;
mod protobuf;
mod radio;
mod rate_limit;
mod registry;
mod rejection;
mod route;
mod server;
mod simulate;
mod state;
mod ulid;
mod url_template;
mod webhook;
mod webhooks;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use fault::{Effect, Fault};
pub use ids::EndDeviceIds;
pub use observer::{AcceptedDownlinks, DeviceChange, Observer};
pub use options::{Options, ServerAddresses, StartError};
pub use packages::SubmittedEvent;
pub use rate_limit::RateLimit;
pub use registry::RegisteredDevice;
pub use route::Server;
use server::Port;
pub use state::Request;
pub use webhook::{Delivery, Format, Webhook};

/// One cluster, on loopback. Clones share it; dropping the last one ends its server.
#[derive(Debug, Clone)]
pub struct TheThingsStack {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Arc<state::State>,
    addresses: Addresses,
    servers: Mutex<Vec<JoinHandle<()>>>,
}

/// Where it listens.
#[derive(Debug, Clone, Copy)]
struct Addresses {
    cluster: SocketAddr,
    /// The identity server's, if it is apart.
    identity: Option<SocketAddr>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.servers.get_mut().unwrap_or_else(PoisonError::into_inner).iter().for_each(JoinHandle::abort);
    }
}

impl TheThingsStack {
    /// Binds 127.0.0.1 and answers plain HTTP.
    ///
    /// # Errors
    /// When the options are not what the real one would accept, or a port is taken.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        options.check()?;
        let ports = (options.port, options.identity_server_port);
        let state = Arc::new(state::State::new(options, delivery::client()?));
        let (addresses, servers) = listen(&state, ports).await?;
        let inner = Inner { state, addresses, servers: Mutex::new(servers) };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Ends the server and its connections. What was recorded stays readable; webhooks can still be sent.
    pub async fn stop(&self) {
        let servers = std::mem::take(&mut *state::locked(&self.inner.servers));
        for server in servers {
            server.abort();
            // Cancelled, as just asked; once it is, the port is free.
            let _ = server.await;
        }
    }

    /// Ends the server, if it runs, and starts it again where it was, with all it knew.
    ///
    /// # Errors
    /// When somebody else has taken a port.
    pub async fn restart(&self) -> Result<(), StartError> {
        self.stop().await;
        let Addresses { cluster, identity } = self.inner.addresses;
        let ports = (cluster.port(), identity.map(|identity| identity.port()));
        let (_, servers) = listen(&self.inner.state, ports).await?;
        *state::locked(&self.inner.servers) = servers;
        Ok(())
    }

    /// Where the identity server is: the cluster's own base URL unless it is apart.
    #[must_use]
    pub fn identity_server_url(&self) -> String {
        let Addresses { cluster, identity } = self.inner.addresses;
        format!("http://{}/api/v3", identity.unwrap_or(cluster))
    }

    /// `http://127.0.0.1:PORT/api/v3`, also called the public address.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/api/v3", self.inner.addresses.cluster)
    }

    /// The key that is let in.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.inner.state.options.api_key
    }

    /// The application its clients work with.
    #[must_use]
    pub fn application_id(&self) -> &str {
        &self.inner.state.options.application_id
    }

    /// Sends one `ApplicationUp` to a webhook, once. JSON is compact; numbers get serde's text, so use
    /// [`send_text`](Self::send_text) where a number's own text matters.
    pub async fn send(&self, webhook: &Webhook, message: &Value) -> Delivery {
        let message_type = messages::message_type(message).unwrap_or_default();
        self.send_text(webhook, message_type, &EndDeviceIds::of(message), delivery::body(webhook, message)).await
    }

    /// Sends exactly these bytes to a webhook, once, as a message of this type and device.
    pub async fn send_text(
        &self,
        webhook: &Webhook,
        message_type: &str,
        ids: &EndDeviceIds,
        body: Vec<u8>,
    ) -> Delivery {
        let Some(path) = webhook.paths.get(message_type) else { return Delivery::Disabled };
        let public_address = self.base_url();
        delivery::deliver(&self.inner.state.client, &public_address, webhook, path, ids, body).await
    }

    /// The events the package accepted, in order; none while somebody observes it.
    #[must_use]
    pub fn submitted(&self) -> Vec<SubmittedEvent> {
        self.inner.state.submitted.borrow().clone()
    }

    /// The events the package accepted, as soon as there are at least `count`.
    ///
    /// # Errors
    /// When there are fewer after `limit`; the message says how many, and how requests were answered.
    pub async fn wait_for_submitted(&self, count: usize, limit: Duration) -> Result<Vec<SubmittedEvent>, String> {
        let mut submitted = self.inner.state.submitted.subscribe();
        let enough = submitted.wait_for(|events| events.len() >= count);
        if let Ok(Ok(events)) = tokio::time::timeout(limit, enough).await {
            return Ok(events.clone());
        }
        let statuses: Vec<u16> = self.requests().iter().map(|request| request.status).collect();
        Err(format!("{} of {count} events after {limit:?}; answers {statuses:?}", self.submitted().len()))
    }

    /// The requests still in the history, in the order they arrived.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        state::locked(&self.inner.state.requests).from(0).cloned().collect()
    }

    /// How many requests the rate limit has refused.
    #[must_use]
    pub fn rate_limited(&self) -> u64 {
        state::locked(&self.inner.state.limiter).refused
    }

    /// Makes requests fail from now on; faults add up.
    pub fn inject(&self, fault: Fault) {
        state::locked(&self.inner.state.faults).inject(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        state::locked(&self.inner.state.faults).clear();
    }
}

/// Serves the cluster at one port and, if it is apart, the identity server at another.
async fn listen(
    state: &Arc<state::State>,
    (port, identity_port): (u16, Option<u16>),
) -> Result<(Addresses, Vec<JoinHandle<()>>), StartError> {
    let bind = async |port| {
        let listen = |source| StartError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok::<_, StartError>((listener, address))
    };
    let serve = |listener, port| tokio::spawn(server::serve(listener, Arc::clone(state), port));
    let (listener, cluster) = bind(port).await?;
    let Some(identity_port) = identity_port else {
        return Ok((Addresses { cluster, identity: None }, vec![serve(listener, Port::Whole)]));
    };
    let (identity_listener, identity) = bind(identity_port).await?;
    let servers = vec![serve(listener, Port::WithoutIdentity), serve(identity_listener, Port::Identity)];
    Ok((Addresses { cluster, identity: Some(identity) }, servers))
}

#[cfg(test)]
mod api_tests;
#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod downlink_tests;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod registry_tests;
#[cfg(test)]
mod webhook_tests;
#[cfg(test)]
mod webhooks_tests;
