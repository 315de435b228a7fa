//! The Things Stack, seen from here: the messages its webhooks bring, and the two APIs hub events are delivered through.

pub mod api;
pub mod error_body;
pub mod id;
pub mod message;
pub mod package;
mod trim;
pub mod webhook;

use serde_json::Value;

use self::api::Api;
use self::package::Package;

pub use message::Message;
pub use trim::with_fewer_gateways;

/// How hub events reach The Things Stack.
#[derive(Debug)]
pub enum TheThingsStack {
    /// Devices and downlinks are managed through the ordinary API, which every edition has.
    Api(Box<Api>),
    /// Events are submitted to the vendor's package, which does the rest.
    Package(Box<Package>),
}

impl TheThingsStack {
    /// How it last answered, for `health`.
    #[must_use]
    pub fn report(&self) -> Value {
        match self {
            Self::Api(api) => api.record.report(&api.circuit_report()),
            Self::Package(package) => package.record.report(&package.circuit_report()),
        }
    }
}
