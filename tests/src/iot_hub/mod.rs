//! Azure IoT Hub: HTTPS and MQTT device side, service REST API, twins and routing, judged by the official SDKs.

mod access;
mod bulk;
mod clock;
mod cloud_to_device;
mod device_api;
mod devicebound;
mod dispatch;
mod error;
mod events;
mod faults;
mod http;
mod hub;
mod identity;
mod limits;
mod message;
mod mqtt;
mod observer;
mod options;
mod policy;
mod provisioning;
mod provisioning_api;
pub mod query;
mod registry;
mod request_log;
mod role;
mod router;
pub mod sas;
mod section;
mod server;
mod service_api;
#[cfg(test)]
mod tests;
mod twin;
mod twin_query;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub use cloud_to_device::{CloudToDeviceMessage, Outcome, Settled};
pub use error::{ErrorCode, HubError};
pub use faults::{Effect, Fault, Operation};
pub use message::DeviceToCloudMessage;
pub use mqtt::{MqttConnections, MqttRequest, MqttThrottle};
pub use observer::Observer;
pub use options::{Options, StartError};
pub use policy::{Policy, Right};
pub use provisioning::EnrollmentGroup;
pub use request_log::Request;
pub use role::Role;
pub use router::{Route, Source};

use access::Access;
use hub::{Hub, Watch};
use provisioning::Provisioning;
use registry::Precondition;
use router::Router;
use server::Running;

/// A running hub. Clones are handles to the same one; with the last of them the servers end.
#[derive(Debug, Clone)]
pub struct IotHub(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hub: Arc<Hub>,
    host_name: String,
    https_port: u16,
    ca_pem: String,
    server: Running,
    mqtt: mqtt::Endpoint,
}

impl IotHub {
    /// Starts listening; when this returns, clients can connect.
    ///
    /// # Errors
    /// When the port is taken, the certificate cannot be made or a route's condition cannot be read.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options {
            host_name, mut host_aliases, https_port, policies, directory, routes, event_hub, authority, ..
        } = options;
        let router =
            Router::new(&routes, event_hub).map_err(|(route, source)| StartError::Condition { route, source })?;
        let tls = authority.server_config()?;
        let taken = |source| StartError::Port { port: https_port, source };
        let listener = TcpListener::bind(("127.0.0.1", https_port)).await.map_err(taken)?;
        let https_port = listener.local_addr().map_err(taken)?.port();
        host_aliases.push(host_name.clone());
        let watch =
            Watch { observer: options.observer, history: options.history, mqtt_throttle: options.mqtt_throttle };
        let provisioning = Provisioning::new(options.id_scope, host_name.clone(), options.enrollment_groups);
        let access = Access::new(host_aliases, policies, directory);
        let hub = Arc::new(Hub::new(&host_name, access, provisioning, router, watch));
        let mqtt = mqtt::Endpoint::start(options.mqtt_port, &tls, &hub).await?;
        let server = Running::default();
        server.start(server::serve(listener, TlsAcceptor::from(tls), hub.clone()));
        let ca_pem = authority.pem().to_owned();
        Ok(Self(Arc::new(Inner { hub, host_name, https_port, ca_pem, server, mqtt })))
    }

    /// Ends both servers and their connections; when this returns, the ports are free. State stays readable.
    pub async fn stop(&self) {
        self.0.mqtt.stop().await;
        self.0.server.stop().await;
    }

    /// The port it listens on for HTTPS.
    #[must_use]
    pub fn https_port(&self) -> u16 {
        self.0.https_port
    }

    /// What token scopes must name.
    #[must_use]
    pub fn host_name(&self) -> &str {
        &self.0.host_name
    }

    /// The root to trust, for `IOT_HUB_CA_FILE`.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.0.ca_pem
    }

    /// What devices sent and the hub accepted, oldest first; none while somebody observes the hub.
    #[must_use]
    pub fn messages(&self) -> Vec<DeviceToCloudMessage> {
        self.0.hub.messages.borrow().clone()
    }

    /// Waits until at least `count` messages are accepted, and returns all of them.
    ///
    /// # Errors
    /// When there are fewer after `limit`; says how many.
    pub async fn wait_for_messages(&self, count: usize, limit: Duration) -> Result<Vec<DeviceToCloudMessage>, String> {
        let mut messages = self.0.hub.messages.subscribe();
        let enough = messages.wait_for(|messages| messages.len() >= count);
        if let Ok(Ok(messages)) = tokio::time::timeout(limit, enough).await {
            return Ok(messages.clone());
        }
        let arrived = self.0.hub.messages.borrow().len();
        Err(format!("{arrived} of {count} messages after {limit:?}"))
    }

    /// Every request still in the history, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.0.hub.requests.all()
    }

    /// How many requests went to the identity registry.
    #[must_use]
    pub fn registry_calls(&self) -> usize {
        self.0.hub.requests.count(Operation::Registry)
    }

    /// The ids of all devices, in order.
    #[must_use]
    pub fn devices(&self) -> Vec<String> {
        self.0.hub.registry().devices().map(|device| device.identity.device_id.clone()).collect()
    }

    /// A device's identity as the registry answers it, keys included.
    #[must_use]
    pub fn device(&self, device_id: &str) -> Option<Value> {
        self.0.hub.device(device_id).ok()
    }

    /// Creates a device as the portal does: enabled, with keys made by the hub, without tags.
    ///
    /// # Errors
    /// When it exists or its id is not allowed.
    pub fn create_device(&self, device_id: &str) -> Result<(), HubError> {
        let body = json!({ "deviceId": device_id });
        self.0.hub.put_device(device_id, &body, &Precondition::Absent).map(|_| ())
    }

    /// Creates a device together with `tags` and desired properties, as bulk import and DPS do: the lifecycle event
    /// has the tags, and there is no twin change.
    ///
    /// # Errors
    /// When it exists, its id is not allowed or the twin may not hold this.
    pub fn create_device_with_twin(&self, device_id: &str, twin: Value) -> Result<(), HubError> {
        self.0.hub.create_device(device_id, &json!({ "deviceId": device_id }), &twin).map(|_| ())
    }

    /// Deletes a device and its twin.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn delete_device(&self, device_id: &str) -> Result<(), HubError> {
        self.0.hub.delete_device(device_id, &Precondition::Any)
    }

    /// Enables or disables a device; its keys stay. Hubs send no event about it.
    ///
    /// # Errors
    /// When there is no such device.
    pub fn set_device_enabled(&self, device_id: &str, enabled: bool) -> Result<(), HubError> {
        self.0.hub.set_enabled(device_id, enabled)
    }

    /// Merges tags and desired properties into a twin, and returns the twin.
    ///
    /// # Errors
    /// When there is no such device or the twin may not hold this.
    pub fn patch_twin(&self, device_id: &str, patch: Value) -> Result<Value, HubError> {
        self.0.hub.patch_twin(device_id, &patch, &Precondition::Absent)
    }

    /// A twin as the service API shows it.
    #[must_use]
    pub fn twin(&self, device_id: &str) -> Option<Value> {
        self.0.hub.twin(device_id).ok()
    }

    /// Merges reported properties as the device would, and returns the twin.
    ///
    /// # Errors
    /// When there is no such device or the twin may not hold this.
    pub fn patch_reported(&self, device_id: &str, patch: Value) -> Result<Value, HubError> {
        self.0.hub.patch_reported(device_id, &patch)
    }

    /// Spoils requests from now on; several faults take turns in the order they came.
    pub fn inject(&self, fault: Fault) {
        self.0.hub.faults.inject(fault);
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.0.hub.faults.clear();
    }
}
