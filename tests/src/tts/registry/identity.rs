//! The identity server: applications, and the first and last word on which devices there are.

use serde_json::{Value, json};

use super::super::options::{Options, ServerAddresses};
use super::super::rejection::{Code, Rejection};
use super::super::route::Server;
use super::{Key, Registry, body, euis_taken, mask, not_found};

/// Some of the ids nobody may register, those a device is most likely to be given.
const BLOCKLIST: [&str; 40] = [
    "about",
    "account",
    "admin",
    "all",
    "alpha",
    "api",
    "app",
    "application",
    "asset",
    "batch",
    "beta",
    "data",
    "demo",
    "dev",
    "device",
    "devices",
    "end-device",
    "example",
    "gateway",
    "generic-node",
    "group",
    "host",
    "join",
    "lora",
    "lorawan",
    "mobile",
    "network",
    "null",
    "root",
    "sample",
    "server",
    "session",
    "status",
    "system",
    "test",
    "test1",
    "things",
    "ttn",
    "user",
    "weather",
];

/// Creates a device; a field mask is not needed and means nothing.
pub(in crate::tts) fn create(
    options: &Options,
    registry: &mut Registry,
    application_id: &str,
    request: &Value,
) -> Result<(Key, Value), Rejection> {
    let device = body::end_device(request, application_id, None)?;
    let device_id = device["ids"]["device_id"].as_str().unwrap_or_default().to_owned();
    if BLOCKLIST.contains(&device_id.as_str()) {
        let message = format!("the ID `{device_id}` is not to be had");
        let namespace = "pkg/identityserver/blocklist";
        return Err(Rejection::new(Code::InvalidArgument, namespace, "forbidden_id", message).with("id", &device_id));
    }
    require_addresses(&options.server_addresses, &device)?;
    let key = (application_id.to_owned(), device_id);
    if registry.at(Server::Identity, &key).is_some() {
        return Err(id_taken());
    }
    if let Some(owner) = registry.other_owner(Server::Identity, &key, &device) {
        return Err(euis_taken("pkg/identityserver", &device, owner));
    }
    let device = registry.put(Server::Identity, &key, mask::of_server(Server::Identity, &device));
    Ok((key, device))
}

/// Changes what the mask names; a device that is not there stays so.
pub(in crate::tts) fn update(
    options: &Options,
    registry: &mut Registry,
    key: &Key,
    request: &Value,
) -> Result<Value, Rejection> {
    let paths = mask::in_body(request)?;
    mask::require_writable(Server::Identity, &paths)?;
    let device = body::end_device(request, &key.0, Some(&key.1))?;
    require_addresses(&options.server_addresses, &device)?;
    let mut stored = registry.at(Server::Identity, key).cloned().ok_or_else(|| not_found(Server::Identity, key))?;
    mask::write(&mut stored, &device, &paths);
    let stored = registry.put(Server::Identity, key, stored);
    Ok(mask::read(&stored, &paths))
}

/// An application with what the mask names.
pub(in crate::tts) fn application(options: &Options, application_id: &str, paths: &[String]) -> Value {
    let mut application = json!({"ids": {"application_id": application_id}, "created_at": "2025-05-01T10:00:00Z",
        "updated_at": "2025-05-01T10:00:00Z"});
    for (name, address) in options.server_addresses.fields() {
        application[name] = address.into();
    }
    mask::read(&application, paths)
}

fn id_taken() -> Rejection {
    let message = "ID already taken";
    Rejection::new(Code::AlreadyExists, "pkg/util/store", "id_taken", message).because(
        Rejection::new(Code::AlreadyExists, "pkg/util/store", "already_exists", "already exists")
            .with("driver_constraint", "end_device_id_index"),
    )
}

/// Addresses must be the application's own, where it has one; ports do not count.
fn require_addresses(expected: &ServerAddresses, device: &Value) -> Result<(), Rejection> {
    for (field, expected) in expected.fields() {
        let address = device[field].as_str().unwrap_or_default();
        if !address.is_empty() && host(address) != host(expected) {
            let (name, server) = match field {
                "network_server_address" => ("network_server_address_mismatch", "network"),
                "application_server_address" => ("application_server_address_mismatch", "application"),
                _ => ("join_server_address_mismatch", "join"),
            };
            let message = format!("{server} server address `{address}` does not match `{expected}`");
            return Err(Rejection::new(Code::InvalidArgument, "pkg/identityserver", name, message)
                .with("address", address)
                .with("expected", expected));
        }
    }
    Ok(())
}

fn host(address: &str) -> &str {
    address.split_once(':').map_or(address, |(host, _)| host)
}
