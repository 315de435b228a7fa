//! Azure IoT Hub, seen from here: the device-to-cloud messages it takes and the events it emits.

mod access;
mod api;
mod client;
mod credential;
mod device_id;
pub mod event;
mod gate;
mod introduction;
pub mod legal;
mod managed_identity;
pub mod message;
mod mqtt;
mod outcome;
mod policy;
mod refusal;
mod reported;
pub(crate) mod sas;
mod standing;

use std::time::Duration;

pub use access::Access;
pub use client::IotHub;
pub use device_id::DeviceId;
pub use message::DeviceToCloudMessage;
pub use mqtt::{Rates, Update};
pub use outcome::TagsWritten;
pub use policy::{Policy, host_name_of, key_of};
pub use reported::{Report, TwinAccess};

/// Version of the device and service APIs, the newest documented one.
const API_VERSION: &str = "2021-04-12";

/// A pause before another try, half of it random, so that not all come at once.
fn with_jitter(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}
