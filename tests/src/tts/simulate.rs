//! `POST …/up/simulate`: a message as if a device had sent it.

use serde_json::{Value, json};

use super::envelope::{application_up, new_correlation_ids};
use super::ids::EndDeviceIds;
use super::messages::{MESSAGE_TYPES, message_type};
use super::registry::{Key, Registry, not_found};
use super::rejection::Rejection;
use super::route::Server;
use super::ulid::{now, timestamp};

/// The message of a request, about a device the application server knows.
pub(super) fn message(registry: &Registry, key: &Key, request: &Value) -> Result<Value, Rejection> {
    let required = |field: &str| Rejection::validation(field, "value is required");
    if request["simulated"] == true {
        return Err(Rejection::validation("up.simulated", "value must equal false"));
    }
    let message_type = message_type(request).filter(|name| MESSAGE_TYPES.contains(name));
    let message_type = message_type.ok_or_else(|| required("up.up"))?;
    let mut content = request[message_type].clone();
    if message_type == "uplink_message" {
        let settings = &content["settings"];
        if !settings["data_rate"].is_object() {
            return Err(required("up.uplink_message.settings.data_rate"));
        }
        let frequency = settings["frequency"].as_str().and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        if frequency < 100_000 {
            let reason = "value must be greater than or equal to 100000";
            return Err(Rejection::validation("up.uplink_message.settings.frequency", reason));
        }
        content["received_at"] = timestamp(now()).into();
    }
    let device = registry.at(Server::Application, key).ok_or_else(|| not_found(Server::Application, key))?;
    let eui = |name: &str| device["ids"][name].as_str().map(str::to_owned);
    let ids = EndDeviceIds { dev_eui: eui("dev_eui"), join_eui: eui("join_eui"), ..EndDeviceIds::new(&key.0, &key.1) };
    let mut message = application_up(&ids, new_correlation_ids(&["as:up"], now()), now(), message_type, content);
    message["simulated"] = json!(true);
    Ok(message)
}
