//! Queues of downlinks: what may be pushed, and what becomes of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::envelope::without_zeros;
use super::options::Options;
use super::registry::value::{self, unmarshal};
use super::registry::{Key, RegisteredDevice, Registry, body, enums, not_found};
use super::rejection::{Code, Rejection};
use super::route::Server;
use super::ulid::{now, ulid};

const SESSION_KEY_ID: &str = "AZaB3Zq0bL6v0p2n8A==";
/// What the largest data rate of most bands can carry.
const LONGEST: usize = 242;

/// The downlinks of a request, if all of them are well-formed and valid.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Value>, Rejection> {
    let request = body::parse(body)?;
    let downlinks = match request.get("downlinks") {
        None => return Ok(Vec::new()),
        Some(Value::Array(downlinks)) => downlinks,
        Some(_) => return Err(unmarshal("downlinks")),
    };
    downlinks.iter().enumerate().map(|(index, downlink)| valid(&format!("downlinks[{index}]"), downlink)).collect()
}

/// Puts downlinks into a device's queue, all or none.
pub(super) fn schedule(
    options: &Options,
    registry: &mut Registry,
    key: &Key,
    downlinks: &[Value],
    is_replace: bool,
) -> Result<(), Rejection> {
    let device = registry.get_mut(key).filter(|device| device.application.is_some());
    let device = device.ok_or_else(|| not_found(Server::Application, key))?;
    let now = now();
    let encoded: Result<Vec<Value>, _> =
        downlinks.iter().map(|downlink| encoded(options, device, downlink, now)).collect();
    let encoded = encoded?;
    if encoded.iter().any(|downlink| downlink["f_port"].as_u64().unwrap_or_default() == 0) {
        return Err(refused("no_f_port", "no FPort"));
    }
    if !device.has_session {
        let message = "the device has no session";
        return Err(Rejection::new(Code::FailedPrecondition, "pkg/applicationserver", "no_device_session", message));
    }
    if device.network.is_none() {
        return Err(not_found(Server::Network, key));
    }
    require_sendable(&encoded, now)?;
    let kept = if is_replace { 0 } else { device.downlinks.len() };
    if kept + encoded.len() > options.downlink_queue_capacity {
        let (name, message) = ("downlink_queue_capacity", "the queue has no room for the downlinks");
        return Err(Rejection::new(Code::ResourceExhausted, "pkg/networkserver", name, message));
    }
    let first = device.downlinks.last().and_then(|last| last["f_cnt"].as_u64()).unwrap_or_default() + 1;
    device.downlinks.truncate(kept);
    for (f_cnt, mut downlink) in (first..).zip(encoded) {
        downlink["session_key_id"] = SESSION_KEY_ID.into();
        downlink["f_cnt"] = f_cnt.into();
        device.downlinks.push(without_zeros(downlink));
    }
    Ok(())
}

/// The answer with a device's queue.
pub(super) fn list(registry: &Registry, key: &Key) -> Result<Value, Rejection> {
    let device = registry.get(key).filter(|device| device.application.is_some());
    let device = device.ok_or_else(|| not_found(Server::Application, key))?;
    if device.network.is_none() {
        return Err(not_found(Server::Network, key));
    }
    Ok(if device.downlinks.is_empty() { json!({}) } else { json!({"downlinks": device.downlinks}) })
}

/// One downlink of a request; only what is known is kept.
fn valid(at: &str, downlink: &Value) -> Result<Value, Rejection> {
    if !downlink.is_object() {
        return Err(unmarshal(at));
    }
    let field = |name: &str| format!("{at}.{name}");
    let mut valid = json!({});
    for (name, value) in downlink.as_object().into_iter().flatten() {
        let value = match name.as_str() {
            "f_port" => f_port(&field(name), value)?,
            "frm_payload" => frm_payload(&field(name), value)?,
            "decoded_payload" if value.is_object() => value.clone(),
            "confirmed" if value.is_boolean() => value.clone(),
            "priority" => enums::PRIORITY.canonical(value).ok_or_else(|| unmarshal(&field(name)))?.into(),
            "correlation_ids" => correlation_ids(&field(name), value)?,
            "class_b_c" if value.is_object() => class_b_c(&field(name), value)?,
            "confirmed_retry" if value.is_object() => confirmed_retry(&field(name), value)?,
            "decoded_payload" | "confirmed" | "class_b_c" | "confirmed_retry" => return Err(unmarshal(&field(name))),
            _ => continue,
        };
        valid[name] = value;
    }
    Ok(valid)
}

fn f_port(field: &str, value: &Value) -> Result<Value, Rejection> {
    let port = value.as_u64().filter(|port| *port <= u64::from(u32::MAX)).ok_or_else(|| unmarshal(field))?;
    match port {
        224 => Err(Rejection::validation(field, "value must not be in list [224]")),
        0..=255 => Ok(port.into()),
        _ => Err(Rejection::validation(field, "value must be less than or equal to 255")),
    }
}

fn frm_payload(field: &str, value: &Value) -> Result<Value, Rejection> {
    let text = value.as_str().ok_or_else(|| unmarshal(field))?;
    let bytes = STANDARD.decode(text).map_err(|_| unmarshal(field))?;
    if bytes.len() > 255 {
        return Err(Rejection::validation(field, "value length must be at most 255 bytes"));
    }
    Ok(text.into())
}

fn correlation_ids(field: &str, value: &Value) -> Result<Value, Rejection> {
    for (index, id) in value.as_array().ok_or_else(|| unmarshal(field))?.iter().enumerate() {
        let id = id.as_str().ok_or_else(|| unmarshal(field))?;
        if id.chars().count() > 100 {
            let reason = "value length must be at most 100 runes";
            return Err(Rejection::validation(&format!("{field}[{index}]"), reason));
        }
    }
    Ok(value.clone())
}

fn class_b_c(field: &str, value: &Value) -> Result<Value, Rejection> {
    let unreadable = |name: &str| unmarshal(&format!("{field}.{name}"));
    if let Some(time) = value.get("absolute_time") {
        time.as_str().and_then(value::time).ok_or_else(|| unreadable("absolute_time"))?;
    }
    let gateways = match value.get("gateways") {
        None => return Ok(value.clone()),
        Some(gateways) => gateways.as_array().ok_or_else(|| unreadable("gateways"))?,
    };
    for (index, gateway) in gateways.iter().enumerate() {
        let ids = gateway.get("gateway_ids").unwrap_or(gateway);
        let id = ids["gateway_id"].as_str().unwrap_or_default();
        body::require_id(&format!("{field}.gateways[{index}].gateway_ids.gateway_id"), id)?;
    }
    Ok(value.clone())
}

fn confirmed_retry(field: &str, value: &Value) -> Result<Value, Rejection> {
    match value.get("max_attempts").map(|attempts| attempts.as_u64().unwrap_or_default()) {
        None | Some(1..=32) => Ok(value.clone()),
        Some(33..=100) => {
            Err(refused("downlink_max_retries_invalid", "more attempts than the 32 allowed").with("max", "32"))
        }
        Some(_) => {
            let field = format!("{field}.max_attempts");
            Err(Rejection::validation(&field, "value must be inside range (0, 100]"))
        }
    }
}

/// A downlink with its payload in bytes and its correlation id. Without a formatter what is decoded is lost.
fn encoded(
    options: &Options,
    device: &RegisteredDevice,
    downlink: &Value,
    now: OffsetDateTime,
) -> Result<Value, Rejection> {
    let mut downlink = downlink.clone();
    let decoded = downlink.as_object_mut().and_then(|object| object.shift_remove("decoded_payload"));
    // An empty payload does not survive the way to the application server.
    let has_payload = downlink["frm_payload"].as_str().is_some_and(|payload| !payload.is_empty());
    match (has_payload, decoded) {
        (true, _) => {}
        (false, None) => return Err(refused("no_payload", "no payload")),
        (false, Some(decoded)) => encode(options, device, &mut downlink, &decoded)?,
    }
    let mut ids = downlink["correlation_ids"].as_array().cloned().unwrap_or_default();
    ids.push(format!("as:downlink:{}", ulid(now)).into());
    downlink["correlation_ids"] = ids.into();
    Ok(downlink)
}

/// A down formatter: the payload's JSON, compact, as bytes. One whose parameter names `errors` finds them in any payload.
fn encode(
    options: &Options,
    device: &RegisteredDevice,
    downlink: &mut Value,
    decoded: &Value,
) -> Result<(), Rejection> {
    let formatters = &device.application.as_ref().unwrap_or(&Value::Null)["formatters"];
    if formatters["down_formatter"].is_null() {
        return Ok(());
    }
    let script = formatters["down_formatter_parameter"].as_str().unwrap_or_default();
    if let Some((_, errors)) = script.split_once("errors:") {
        let errors = errors.trim();
        let rejection = Rejection::new(Code::Aborted, "pkg/messageprocessors/javascript", "output_errors", errors);
        return Err(rejection.with("errors", errors));
    }
    downlink["frm_payload"] = STANDARD.encode(decoded.to_string()).into();
    let f_port: u32 = script.parse().unwrap_or(options.encoder_f_port);
    if f_port != 0 {
        downlink["f_port"] = f_port.into();
    }
    Ok(())
}

fn require_sendable(downlinks: &[Value], now: OffsetDateTime) -> Result<(), Rejection> {
    for downlink in downlinks {
        let payload = STANDARD.decode(downlink["frm_payload"].as_str().unwrap_or_default()).unwrap_or_default();
        if payload.len() > LONGEST {
            let (length, name) = (payload.len(), "application_downlink_too_long");
            let message = format!("a downlink of `{length}` bytes is longer than `{LONGEST}`");
            return Err(Rejection::new(Code::InvalidArgument, "pkg/networkserver", name, message)
                .with_value("length", length.into())
                .with_value("max", LONGEST.into()));
        }
        if downlink["class_b_c"]["absolute_time"].as_str().and_then(value::time).is_some_and(|time| time < now) {
            let (name, message) = ("downlink_expired", "the downlink is for a time that has passed");
            return Err(Rejection::new(Code::FailedPrecondition, "pkg/networkserver", name, message));
        }
    }
    Ok(())
}

fn refused(name: &'static str, message: &str) -> Rejection {
    Rejection::new(Code::InvalidArgument, "pkg/applicationserver", name, message)
}
