//! What the network server asks of a device: a plan it knows, versions, and EUIs for joining.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::rejection::{Code, Rejection};
use super::super::route::Server;
use super::mask;
use super::upsert::field_value;

/// Checks what a device would be after the request.
pub(super) fn check(
    plans: &BTreeMap<String, String>,
    stored: Option<&Value>,
    device: &Value,
    paths: &[String],
) -> Result<(), Rejection> {
    let after = |field: &str| {
        let source = if mask::touches(paths, field) { Some(device) } else { stored };
        source.and_then(|source| mask::get(source, field)).filter(|value| *value != "")
    };
    for field in ["frequency_plan_id", "lorawan_phy_version", "lorawan_version"] {
        if after(field).is_none() {
            return Err(field_value(Server::Network, field));
        }
    }
    let text = |field: &str| after(field).and_then(Value::as_str).unwrap_or_default();
    let plan = text("frequency_plan_id");
    let band = plans.get(plan).ok_or_else(|| {
        let message = format!("frequency plan `{plan}` not found");
        Rejection::new(Code::NotFound, "pkg/frequencyplans", "not_found", message).with("id", plan)
    })?;
    let device_band = text("version_ids.band_id");
    if !device_band.is_empty() && device_band != band {
        return Err(field_value(Server::Network, "version_ids.band_id").because(band_mismatch(device_band, band)));
    }
    let joins = |device: &Value| device["supports_join"].as_bool().unwrap_or_default();
    let is_to_join = after("supports_join").is_some();
    if stored.is_some_and(|stored| joins(stored) != is_to_join) {
        return Err(field_value(Server::Network, "supports_join"));
    }
    for field in ["ids.join_eui", "ids.dev_eui"] {
        if stored.is_none() && is_to_join && mask::get(device, field).is_none() {
            return Err(field_value(Server::Network, field).because(is_zero(field)));
        }
    }
    Ok(())
}

fn band_mismatch(device_band: &str, plan_band: &str) -> Rejection {
    let name = "device_and_frequency_plan_band_mismatch";
    let message = format!("device band `{device_band}` does not match the frequency plan's band `{plan_band}`");
    Rejection::new(Code::InvalidArgument, "pkg/networkserver", name, message)
        .with("dev_band_id", device_band)
        .with("fp_band_id", plan_band)
}

fn is_zero(field: &str) -> Rejection {
    let message = format!("field `{field}` is zero");
    Rejection::new(Code::InvalidArgument, "pkg/networkserver", "field_is_zero", message).with("name", field)
}
