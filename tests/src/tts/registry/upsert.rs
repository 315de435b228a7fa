//! Join, network and application server: a device is set by a field mask, whether it is there or not.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::rejection::{Code, Rejection};
use super::super::route::Server;
use super::{Key, Registry, body, euis_taken, mask, radio_rules};

const ZERO_KEY: &str = "00000000000000000000000000000000";
const EUIS: [&str; 2] = ["ids.join_eui", "ids.dev_eui"];

/// A valid request to set a device.
#[derive(Debug)]
pub(in crate::tts) struct Set {
    server: Server,
    key: Key,
    device: Value,
    paths: Vec<String>,
}

/// What has become of a request.
#[derive(Debug)]
pub(in crate::tts) struct Done {
    pub(in crate::tts) key: Key,
    pub(in crate::tts) is_new: bool,
    pub(in crate::tts) answer: Value,
}

/// What a request asks for, checked as far as it can be without the registry.
pub(in crate::tts) fn parse(
    server: Server,
    application_id: &str,
    device_id: Option<&str>,
    request: &Value,
) -> Result<Set, Rejection> {
    let paths = mask::in_body(request)?;
    mask::require_writable(server, &paths)?;
    let device = body::end_device(request, application_id, device_id)?;
    let device_id = device["ids"]["device_id"].as_str().unwrap_or_default().to_owned();
    let set = Set { server, key: (application_id.to_owned(), device_id), device, paths };
    match server {
        Server::Join => set.require_join_fields()?,
        Server::Application => set.require_set(&["session.dev_addr", "session.keys.app_s_key.key"])?,
        Server::Identity | Server::Network => {}
    }
    Ok(set)
}

impl Set {
    /// The right needed beside writing devices.
    pub(in crate::tts) fn writes_keys(&self) -> bool {
        ["root_keys", "session.keys"].iter().any(|keys| mask::touches(&self.paths, keys))
    }

    /// Creates or changes the device.
    pub(in crate::tts) fn carry_out(
        &self,
        plans: &BTreeMap<String, String>,
        registry: &mut Registry,
    ) -> Result<Done, Rejection> {
        let Self { server, key, device, paths } = self;
        let stored = registry.at(*server, key);
        let is_new = stored.is_none();
        if *server == Server::Network {
            radio_rules::check(plans, stored, device, paths)?;
        }
        let mut next = match stored {
            Some(stored) => {
                self.require_same_euis(stored)?;
                stored.clone()
            }
            None => {
                if let Some(owner) = registry.other_owner(*server, key, device) {
                    return Err(euis_taken("pkg/internal/registry", device, owner));
                }
                json!({"ids": device["ids"]})
            }
        };
        mask::write(&mut next, device, paths);
        next["ids"]["application_ids"] = device["ids"]["application_ids"].clone();
        next["ids"]["device_id"] = device["ids"]["device_id"].clone();
        let stored = registry.put(*server, key, next);
        Ok(Done { key: key.clone(), is_new, answer: mask::read(&stored, paths) })
    }

    /// The join server knows devices by their EUIs; only the JoinEUI may be all zero.
    fn require_join_fields(&self) -> Result<(), Rejection> {
        let ids = &self.device["ids"];
        let missing = |name, message| Err(Rejection::new(Code::InvalidArgument, "pkg/joinserver", name, message));
        if ids.get("join_eui").is_none() {
            return missing("no_join_eui", "the device has no JoinEUI");
        }
        if ids.get("dev_eui").is_none_or(|eui| eui == "0000000000000000") {
            return missing("no_dev_eui", "the device has no DevEUI");
        }
        self.require_set(&["root_keys.app_key.key"])
    }

    /// What the mask names of these must not be zero.
    fn require_set(&self, fields: &[&str]) -> Result<(), Rejection> {
        let is_zero = |value: &Value| value.as_str().is_none_or(|text| ZERO_KEY.starts_with(text));
        for field in fields {
            let is_named = mask::touches(&self.paths, field);
            if is_named && mask::get(&self.device, field).is_none_or(is_zero) {
                return Err(field_value(self.server, field));
            }
        }
        Ok(())
    }

    /// EUIs stay what they were. The network server looks at those in the body, the others at those on the mask.
    fn require_same_euis(&self, stored: &Value) -> Result<(), Rejection> {
        for field in EUIS {
            let given = mask::get(&self.device, field);
            let counts = mask::touches(&self.paths, field) || self.server == Server::Network && given.is_some();
            if counts && given != mask::get(stored, field) {
                let namespace = match self.server {
                    Server::Identity => "pkg/identityserver",
                    Server::Join => "pkg/joinserver/redis",
                    Server::Network => "pkg/networkserver/redis",
                    Server::Application => "pkg/applicationserver/redis",
                };
                let message = format!("read-only field `{field}`");
                return Err(
                    Rejection::new(Code::InvalidArgument, namespace, "read_only_field", message).with("field", field)
                );
            }
        }
        Ok(())
    }
}

/// A value that is well-formed but makes no sense.
pub(super) fn field_value(server: Server, field: &str) -> Rejection {
    let message = format!("invalid value of field `{field}`");
    Rejection::new(Code::InvalidArgument, server.namespace(), "field_value", message).with("field", field)
}
