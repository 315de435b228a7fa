//! How a hub is set up, and why it may not start.

use std::io;
use std::sync::Arc;

use super::mqtt::MqttThrottle;
use super::observer::Observer;
use super::policy::Policy;
use super::provisioning::EnrollmentGroup;
use super::query;
use super::router::Route;
use crate::entra::Directory;
use crate::event_hub::EventHub;
use crate::tls::{CertificateAuthority, TlsError};

/// How a hub is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// What connection strings and token scopes say; its first label is the hub's name.
    pub host_name: String,
    /// Other names the hub answers to in token scopes. A port behind any of them is ignored.
    pub host_aliases: Vec<String>,
    /// On 127.0.0.1; 0 is any free one.
    pub https_port: u16,
    /// MQTT, on 127.0.0.1; 0 is any free one.
    pub mqtt_port: u16,
    /// How much MQTT the hub bears; by default, all of it.
    pub mqtt_throttle: MqttThrottle,
    /// Shared access policies.
    pub policies: Vec<Policy>,
    /// Whose tokens open the service's side to principals with a role; without one, policies alone do.
    pub directory: Option<Arc<Directory>>,
    /// What the provisioning service beside the hub is called by.
    pub id_scope: String,
    /// Whose keys let devices register there.
    pub enrollment_groups: Vec<EnrollmentGroup>,
    /// What reaches the Event Hub.
    pub routes: Vec<Route>,
    /// Where the routes lead.
    pub event_hub: Arc<EventHub>,
    /// Who signs the server's certificate.
    pub authority: Arc<CertificateAuthority>,
    /// Gets every accepted message in the hub's place.
    pub observer: Option<Arc<dyn Observer>>,
    /// The most requests kept for looking at; the oldest go first. Counts go on.
    pub history: usize,
}

impl Options {
    /// `localhost` on any free port, the built-in policies, lifecycle events and twin changes routed.
    ///
    /// # Errors
    /// When no certificate authority can be made.
    pub fn new(event_hub: Arc<EventHub>) -> Result<Self, TlsError> {
        Ok(Self {
            host_name: "localhost".to_owned(),
            host_aliases: Vec::new(),
            https_port: 0,
            mqtt_port: 0,
            mqtt_throttle: MqttThrottle::default(),
            policies: Policy::built_in(),
            directory: None,
            id_scope: "0ne00000000".to_owned(),
            enrollment_groups: vec![EnrollmentGroup::new("devices")],
            routes: vec![Route::lifecycle(), Route::twin_changes()],
            event_hub,
            authority: Arc::new(CertificateAuthority::generate()?),
            observer: None,
            history: usize::MAX,
        })
    }
}

/// Why a hub could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken, or not ours to take.
    #[error("IoT Hub cannot listen on 127.0.0.1:{port}")]
    Port {
        /// Which one.
        port: u16,
        /// Why not.
        source: io::Error,
    },
    /// No certificate for the server.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A route's condition cannot be read.
    #[error("route {route}")]
    Condition {
        /// Its name.
        route: String,
        /// What is wrong.
        source: query::ParseError,
    },
}
