//! The Things Stack, seen from here: the messages its webhooks bring and the API events are submitted to.

pub mod error_body;
pub mod id;
pub mod message;
pub mod package;
mod trim;
pub mod webhook;

pub use message::Message;
pub use trim::with_fewer_gateways;
