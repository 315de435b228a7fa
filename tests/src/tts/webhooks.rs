//! The webhook registry of the Application Server, as `PUT /as/webhooks/…` fills it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::TheThingsStack;
use super::delivery;
use super::ids::EndDeviceIds;
use super::messages::{MESSAGE_TYPES, message_type};
use super::registry::mask;
use super::rejection::{Code, Rejection};
use super::state::locked;
use super::ulid::{now, timestamp};
use super::url_template;
use super::webhook::{Format, Webhook};

/// Application id and webhook id.
pub(super) type Key = (String, String);

/// All webhooks, as JSON.
#[derive(Debug, Clone, Default)]
pub(super) struct Webhooks(Arc<Mutex<BTreeMap<Key, Value>>>);

/// Fields that may be written beside the message types.
const WRITABLE: [&str; 6] = ["base_url", "headers", "format", "downlink_api_key", "field_mask", "paused"];

impl Webhooks {
    /// The fields of a webhook that the mask names.
    pub(super) fn get(&self, key: &Key, paths: &[String]) -> Result<Value, Rejection> {
        locked(&self.0).get(key).map(|webhook| mask::read(webhook, paths)).ok_or_else(not_found)
    }

    /// Creates or changes a webhook by the request's mask.
    pub(super) fn set(&self, key: &Key, request: &Value) -> Result<Value, Rejection> {
        let paths = mask::in_body(request)?;
        let is_writable = |path: &String| {
            let field = path.split('.').next().unwrap_or_default();
            WRITABLE.contains(&field) || MESSAGE_TYPES.contains(&field)
        };
        mask::refuse(paths.iter().filter(|path| !is_writable(path)))?;
        let given = request.get("webhook").ok_or_else(|| Rejection::validation("webhook", "value is required"))?;
        let mut webhooks = locked(&self.0);
        let mut webhook = webhooks.get(key).cloned().unwrap_or_else(|| {
            json!({"ids": {"application_ids": {"application_id": key.0}, "webhook_id": key.1},
                "created_at": timestamp(now()), "health_status": {"healthy": {}}})
        });
        mask::write(&mut webhook, given, &paths);
        valid(&webhook)?;
        webhook["updated_at"] = timestamp(now()).into();
        let answer = mask::read(&webhook, &paths);
        webhooks.insert(key.clone(), webhook);
        Ok(answer)
    }

    /// Deletes a webhook.
    pub(super) fn delete(&self, key: &Key) -> Result<Value, Rejection> {
        locked(&self.0).remove(key).map(|_| json!({})).ok_or_else(not_found)
    }

    /// Sends a message to all webhooks of its application, one after the other, and notes how they are.
    pub(super) async fn send(self, client: reqwest::Client, public_address: String, message: Value) {
        let ids = EndDeviceIds::of(&message);
        let of_application = |(key, webhook): (&Key, &Value)| {
            let wanted = key.0 == ids.application_id && webhook["paused"] != true;
            wanted.then(|| (key.clone(), parsed(key, webhook)))
        };
        let webhooks: Vec<(Key, Webhook)> = locked(&self.0).iter().filter_map(of_application).collect();
        for (key, webhook) in webhooks {
            let Some(path) = webhook.paths.get(message_type(&message).unwrap_or_default()) else { continue };
            let body = delivery::body(&webhook, &message);
            let delivery = delivery::deliver(&client, &public_address, &webhook, path, &ids, body).await;
            let health = match delivery.delivered() {
                true => json!({"healthy": {}}),
                false => json!({"unhealthy": {"failed_attempts": "1", "last_failed_attempt_at": timestamp(now())}}),
            };
            if let Some(webhook) = locked(&self.0).get_mut(&key) {
                webhook["health_status"] = health;
            }
        }
    }
}

impl TheThingsStack {
    /// A webhook of the registry as JSON, with its headers.
    #[must_use]
    pub fn webhook(&self, application_id: &str, webhook_id: &str) -> Option<Value> {
        let key = (application_id.to_owned(), webhook_id.to_owned());
        locked(&self.inner.state.webhooks.0).get(&key).cloned()
    }
}

/// A webhook as it is sent to.
fn parsed((_, webhook_id): &Key, webhook: &Value) -> Webhook {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let headers = webhook["headers"].as_object().into_iter().flatten();
    let paths = MESSAGE_TYPES.iter().filter(|name| webhook[**name].is_object());
    Webhook {
        webhook_id: webhook_id.clone(),
        base_url: text(&webhook["base_url"]),
        headers: headers.map(|(name, value)| (name.clone(), text(value))).collect(),
        paths: paths.map(|name| ((*name).to_owned(), text(&webhook[*name]["path"]))).collect(),
        format: if webhook["format"] == "protobuf" { Format::Protobuf } else { Format::Json },
        downlink_api_key: webhook["downlink_api_key"].as_str().map(str::to_owned),
        timeout: Duration::from_secs(5),
        field_mask: webhook["field_mask"]["paths"].as_array().map(|paths| paths.iter().map(text).collect()),
    }
}

/// The limits of a webhook's fields.
fn valid(webhook: &Value) -> Result<(), Rejection> {
    let invalid = |field: &str, reason: &str| Err(Rejection::validation(&format!("webhook.{field}"), reason));
    let base_url = webhook["base_url"].as_str().unwrap_or_default();
    if url_template::target(base_url, "", &EndDeviceIds::default()).is_err() {
        return invalid("base_url", "value must be a valid URI");
    }
    if !matches!(webhook["format"].as_str(), Some("json" | "protobuf")) {
        return invalid("format", "value must be in list [json protobuf]");
    }
    let headers = webhook["headers"].as_object().cloned().unwrap_or_default();
    let is_header =
        |(name, value): (&String, &Value)| name.len() <= 64 && value.as_str().is_some_and(|value| value.len() <= 4096);
    if headers.len() > 50 || !headers.iter().all(is_header) {
        return invalid("headers", "at most 50 of 64 and 4096 runes");
    }
    let is_too_long = |name: &&&str| webhook[**name]["path"].as_str().is_some_and(|path| path.len() > 64);
    match MESSAGE_TYPES.iter().find(is_too_long) {
        Some(name) => invalid(&format!("{name}.path"), "value length must be at most 64 runes"),
        None => Ok(()),
    }
}

fn not_found() -> Rejection {
    Rejection::new(Code::NotFound, "pkg/applicationserver/io/web", "webhook_not_found", "webhook not found")
}
