//! An Azure Functions custom handler between The Things Stack and Azure IoT Hub.
//!
//! Two journeys that mirror each other, each receive → pure mapping → send:
//!
//! 1. **Uplink.** The Things Stack's webhook → [`invocation`] unwraps the host's envelope → [`tts::webhook`] checks and
//!    [`tts::Message`] reads it → `uplink` maps it to an [`iot_hub::DeviceToCloudMessage`] → [`iot_hub::IotHub`] sends it,
//!    creating its device on first sight.
//! 2. **Hub event.** IoT Hub's Event Hub → [`invocation`] unwraps the batch → [`iot_hub::event`] recognises lifecycle and
//!    twin-change events → `hub_event` carries them out through [`tts::api::Api`], or submits them to
//!    [`tts::package::Package`].
//!
//! `tts` and `iot_hub` do not know each other; only the journeys know both.

pub mod app;
pub mod circuit;
pub mod dead_letters;
pub mod device_ids;
pub mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod health;
pub mod http;
mod hub_event;
pub mod invocation;
pub mod iot_hub;
pub mod json;
pub mod parking;
pub mod record;
mod redeliver;
pub mod secret;
pub mod settings;
pub mod storage_queue;
pub mod tts;
mod uplink;
