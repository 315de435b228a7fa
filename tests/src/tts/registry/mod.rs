//! The end device registries of the four servers: what they hold, and the one index they share a form of.

pub(super) mod body;
pub(super) mod enums;
pub(super) mod identity;
mod look;
pub(super) mod mask;
mod radio_rules;
pub(super) mod schema;
pub(super) mod upsert;
pub(super) mod value;

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use time::OffsetDateTime;

use super::rejection::{Code, Rejection};
use super::route::Server;
use super::ulid::{now, timestamp};

/// What the four servers hold of one device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegisteredDevice {
    /// Name, description, attributes, addresses.
    pub identity: Option<Value>,
    /// Root keys.
    pub join: Option<Value>,
    /// Frequency plan and LoRaWAN versions.
    pub network: Option<Value>,
    /// Formatters.
    pub application: Option<Value>,
    /// Whether it has joined since its registration.
    pub has_session: bool,
    /// Its queue of downlinks, the next one first.
    pub downlinks: Vec<Value>,
}

impl RegisteredDevice {
    /// What one server holds.
    #[must_use]
    pub fn at(&self, server: Server) -> Option<&Value> {
        match server {
            Server::Identity => self.identity.as_ref(),
            Server::Join => self.join.as_ref(),
            Server::Network => self.network.as_ref(),
            Server::Application => self.application.as_ref(),
        }
    }

    fn slot(&mut self, server: Server) -> &mut Option<Value> {
        match server {
            Server::Identity => &mut self.identity,
            Server::Join => &mut self.join,
            Server::Network => &mut self.network,
            Server::Application => &mut self.application,
        }
    }

    fn is_empty(&self) -> bool {
        Server::ALL.iter().all(|server| self.at(*server).is_none())
    }
}

/// Application id and device id.
pub(super) type Key = (String, String);

/// All devices. Each server sees only its own part, so a device may be known to some and unknown to others.
#[derive(Debug, Default)]
pub(super) struct Registry {
    devices: BTreeMap<Key, RegisteredDevice>,
    /// JoinEUI and DevEUI → whose they are, apart for each server.
    owners: HashMap<(Server, String, String), Key>,
}

impl Registry {
    pub(super) fn get(&self, key: &Key) -> Option<&RegisteredDevice> {
        self.devices.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut RegisteredDevice> {
        self.devices.get_mut(key)
    }

    /// Ids of an application's devices, in their order.
    pub(super) fn ids(&self, application_id: &str) -> Vec<String> {
        let from = (application_id.to_owned(), String::new());
        let of_application = |((application, _), _): &(&Key, _)| application == application_id;
        self.devices.range(from..).take_while(of_application).map(|((_, id), _)| id.clone()).collect()
    }

    /// What a server holds of a device.
    pub(super) fn at(&self, server: Server, key: &Key) -> Option<&Value> {
        self.devices.get(key)?.at(server)
    }

    /// Who has a device's EUIs at a server, unless it is the device itself.
    pub(super) fn other_owner(&self, server: Server, key: &Key, device: &Value) -> Option<&Key> {
        let (join_eui, dev_eui) = euis(device)?;
        self.owners.get(&(server, join_eui, dev_eui)).filter(|owner| *owner != key)
    }

    /// Creates or replaces what a server holds; returns it with its times.
    pub(super) fn put(&mut self, server: Server, key: &Key, mut device: Value) -> Value {
        let now = timestamp(microseconds(now()));
        let before = self.at(server, key).and_then(|before| before.get("created_at")).cloned();
        device["created_at"] = before.unwrap_or_else(|| now.clone().into());
        device["updated_at"] = now.into();
        if let Some((join_eui, dev_eui)) = self.at(server, key).and_then(euis) {
            self.owners.remove(&(server, join_eui, dev_eui));
        }
        if let Some((join_eui, dev_eui)) = euis(&device) {
            self.owners.insert((server, join_eui, dev_eui), key.clone());
        }
        *self.devices.entry(key.clone()).or_default().slot(server) = Some(device.clone());
        device
    }

    /// Takes a device from a server; with it go its session and its queue, if they were there.
    pub(super) fn delete(&mut self, server: Server, key: &Key) -> Result<(), Rejection> {
        let found = self.devices.get_mut(key).and_then(|device| Some((device.slot(server).take()?, device)));
        let (held, device) = found.ok_or_else(|| not_found(server, key))?;
        if matches!(server, Server::Network | Server::Application) {
            device.has_session = false;
            device.downlinks.clear();
        }
        if device.is_empty() {
            self.devices.remove(key);
        }
        if let Some((join_eui, dev_eui)) = euis(&held) {
            self.owners.remove(&(server, join_eui, dev_eui));
        }
        Ok(())
    }
}

/// Both EUIs, if the device has both.
fn euis(device: &Value) -> Option<(String, String)> {
    let eui = |name: &str| device["ids"][name].as_str().map(str::to_owned);
    Some((eui("join_eui")?, eui("dev_eui")?))
}

fn microseconds(time: OffsetDateTime) -> OffsetDateTime {
    time.replace_microsecond(time.microsecond()).unwrap_or(time)
}

/// A server does not know the device; each has an error of its own for that.
pub(super) fn not_found(server: Server, (application_id, device_id): &Key) -> Rejection {
    if server == Server::Identity {
        let message = format!("end device with id `{device_id}` not found in application with id `{application_id}`");
        return Rejection::new(Code::NotFound, "pkg/identityserver/store", "end_device_not_found", message)
            .with("application_id", application_id)
            .with("device_id", device_id);
    }
    let uid = format!("{application_id}.{device_id}");
    let message = format!("device `{uid}` not found");
    Rejection::new(Code::NotFound, server.namespace(), "device_not_found", message).with("device_uid", &uid)
}

/// Another device has the EUIs.
fn euis_taken(namespace: &'static str, device: &Value, (application_id, device_id): &Key) -> Rejection {
    let (join_eui, dev_eui) = euis(device).unwrap_or_default();
    let message = format!("JoinEUI `{join_eui}` and DevEUI `{dev_eui}` belong to `{application_id}.{device_id}`");
    Rejection::new(Code::AlreadyExists, namespace, "end_device_euis_taken", message)
        .with("join_eui", &join_eui)
        .with("dev_eui", &dev_eui)
        .with("device_id", device_id)
        .with("application_id", application_id)
}
