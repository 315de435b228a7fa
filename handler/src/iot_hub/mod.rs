//! Azure IoT Hub, seen from here: the device-to-cloud messages it takes and the events it emits.

mod api;
mod client;
mod connection_string;
mod credential;
mod device_id;
pub mod event;
mod gate;
mod introduction;
pub mod legal;
pub mod message;
mod mqtt;
mod refusal;
mod reported;
pub(crate) mod sas;
mod standing;

pub use api::TagsWritten;
pub use client::IotHub;
pub use connection_string::ConnectionString;
pub use device_id::DeviceId;
pub use message::DeviceToCloudMessage;
pub use mqtt::{Rates, Update};
pub use reported::{Report, TwinAccess};

/// Version of the device and service APIs, the newest documented one.
const API_VERSION: &str = "2021-04-12";
