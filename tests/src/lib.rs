//! Everything the handler talks to, on one machine: stand-ins for Azure IoT Hub, The Things Stack and the
//! Azure Functions host, joined by an Event Hub in memory.
//!
//! Written from the peers' documented behaviour and on purpose without a line of package `handler`: a mistake on
//! one side fails a test instead of cancelling out.

pub mod azurite;
pub mod causes;
pub mod entra;
pub mod event_hub;
pub mod functions_host;
pub mod iot_hub;
pub mod ledger;
mod newest;
pub mod package;
pub mod stage;
pub mod storage_queue;
pub mod system;
pub mod tls;
pub mod tts;
pub mod zig;
