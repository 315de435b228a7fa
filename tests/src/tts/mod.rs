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
mod registry;
mod rejection;
mod route;
mod server;
mod ulid;
mod url_template;
mod webhook;

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
pub use registry::RegisteredDevice;
pub use route::Server;
pub use server::Request;
pub use webhook::{Delivery, Format, Webhook};

/// One cluster, on loopback. Clones share it; dropping the last one ends its server.
#[derive(Debug, Clone)]
pub struct TheThingsStack {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Arc<server::State>,
    address: SocketAddr,
    client: reqwest::Client,
    server: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(server) = self.server.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            server.abort();
        }
    }
}

impl TheThingsStack {
    /// Binds 127.0.0.1 and answers plain HTTP.
    ///
    /// # Errors
    /// When the options are not what the real one would accept, or the port is taken.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        options.check()?;
        let listen = |source| StartError::Listen { port: options.port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let client = delivery::client()?;
        let state = Arc::new(server::State::new(options));
        let server = Mutex::new(Some(tokio::spawn(server::serve(listener, Arc::clone(&state)))));
        Ok(Self { inner: Arc::new(Inner { state, address, client, server }) })
    }

    /// Ends the server and its connections. What was recorded stays readable; webhooks can still be sent.
    pub async fn stop(&self) {
        let server = self.inner.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server {
            server.abort();
            // Cancelled, as just asked; once it is, the port is free.
            let _ = server.await;
        }
    }

    /// `http://127.0.0.1:PORT/api/v3`, also called the public address.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/api/v3", self.inner.address)
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
        let masked = webhook.field_mask.as_ref().map(|paths| field_mask::apply(message, paths));
        let message_sent = masked.as_ref().unwrap_or(message);
        let body = match webhook.format {
            Format::Json => message_sent.to_string().into_bytes(),
            Format::Protobuf => protobuf::application_up(message_sent),
        };
        self.send_text(webhook, message_type, &EndDeviceIds::of(message), body).await
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
        delivery::deliver(&self.inner.client, &public_address, webhook, path, ids, body).await
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
        server::locked(&self.inner.state.requests).from(0).cloned().collect()
    }

    /// Makes requests fail from now on; faults add up.
    pub fn inject(&self, fault: Fault) {
        server::locked(&self.inner.state.faults).inject(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        server::locked(&self.inner.state.faults).clear();
    }
}

#[cfg(test)]
mod api_tests;
#[cfg(test)]
mod downlink_tests;
#[cfg(test)]
mod registry_tests;
#[cfg(test)]
mod webhook_tests;
