//! How to start a stand-in for The Things Stack, and why it may not start.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::observer::Observer;
use super::rate_limit::RateLimit;
use super::{auth, ids};

/// How to start it.
#[derive(Debug, Clone)]
pub struct Options {
    /// 0 takes any free port.
    pub port: u16,
    /// The application its clients work with.
    pub application_id: String,
    /// Applications beside it, for the same API key.
    pub further_applications: Vec<String>,
    /// The only API key there is.
    pub api_key: String,
    /// What the key may do in each application, e.g. `RIGHT_APPLICATION_DEVICES_READ`; all by default.
    pub rights: Vec<String>,
    /// Whether the `azureiothub` package exists. Open source has none: its route is missing.
    pub package_enabled: bool,
    /// Serves the identity server apart, as if it were another cluster's: at this port, 0 for any free one.
    pub identity_server_port: Option<u16>,
    /// Addresses the applications have, which devices' must then match; none by default.
    pub server_addresses: ServerAddresses,
    /// Id of each known frequency plan → id of its band.
    pub frequency_plans: BTreeMap<String, String>,
    /// `FPort` that down formatters give to what they encode, unless the device's
    /// `formatters.down_formatter_parameter` is another number; 0 leaves it to the request.
    pub encoder_f_port: u32,
    /// The most downlinks in one device's queue.
    pub downlink_queue_capacity: usize,
    /// Refuses who asks too often; off by default.
    pub rate_limit: Option<RateLimit>,
    /// Gets what is accepted; submitted events are then not kept.
    pub observer: Option<Arc<dyn Observer>>,
    /// The most requests kept for looking at; the oldest go first.
    pub history: usize,
}

/// `host[:port]` of an application's servers; what is not set matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerAddresses {
    /// `network_server_address`.
    pub network: Option<String>,
    /// `application_server_address`.
    pub application: Option<String>,
    /// `join_server_address`.
    pub join: Option<String>,
}

impl ServerAddresses {
    /// Field name and address of all that are set.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = [
            ("network_server_address", &self.network),
            ("application_server_address", &self.application),
            ("join_server_address", &self.join),
        ];
        fields.into_iter().filter_map(|(name, address)| Some((name, address.as_deref()?)))
    }
}

impl Default for Options {
    fn default() -> Self {
        let plans = [
            ("EU_863_870", "EU_863_870"),
            ("EU_863_870_TTN", "EU_863_870"),
            ("US_902_928_FSB_1", "US_902_928"),
            ("US_902_928_FSB_2", "US_902_928"),
            ("AU_915_928_FSB_2", "AU_915_928"),
            ("AS_923", "AS_923"),
            ("IN_865_867", "IN_865_867"),
        ];
        Self {
            port: 0,
            application_id: "plant-a".to_owned(),
            further_applications: Vec::new(),
            api_key: auth::generate_api_key(),
            rights: vec![auth::ALL.to_owned()],
            package_enabled: true,
            identity_server_port: None,
            server_addresses: ServerAddresses::default(),
            frequency_plans: plans.map(|(plan, band)| (plan.to_owned(), band.to_owned())).into(),
            encoder_f_port: 15,
            downlink_queue_capacity: 10_000,
            rate_limit: None,
            observer: None,
            history: usize::MAX,
        }
    }
}

impl Options {
    /// Whether there is such an application.
    pub(super) fn has_application(&self, application_id: &str) -> bool {
        self.application_id == application_id || self.further_applications.iter().any(|id| id == application_id)
    }

    /// Refuses what the real one would not have.
    pub(super) fn check(&self) -> Result<(), StartError> {
        let mut applications = self.further_applications.iter().chain([&self.application_id]);
        if let Some(id) = applications.find(|id| !ids::is_id(id)) {
            return Err(StartError::ApplicationId(id.clone()));
        }
        if auth::is_api_key(&self.api_key) { Ok(()) } else { Err(StartError::ApiKey) }
    }
}

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The real one would not have such an application.
    #[error("`{0}` is not an application id")]
    ApplicationId(String),
    /// The real one would not issue such a key. The key is not shown.
    #[error("the API key does not have the form NNSXS.<39 base32 characters>.<52 base32 characters>")]
    ApiKey,
    /// The port is taken.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The wanted port.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// The client for webhooks cannot be made.
    #[error("cannot make an HTTP client")]
    Client(#[from] reqwest::Error),
}
