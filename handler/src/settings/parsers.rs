//! One small parser per setting: text → value, or a sentence with what was found and what is expected.

use std::time::Duration;

use tracing::level_filters::LevelFilter;
use url::Url;

use super::{Delivery, OnDeviceDeletion};
use crate::http::is_https_or_loopback;
use crate::secret::Secret;
use crate::tts::id::is_id;

/// No key or secret that the settings take is shorter, in bytes.
const SHORTEST_SECRET: usize = 16;

/// A wrong value as it may be shown. Keys and secrets are pasted into wrong settings too, so only what is shorter than
/// any of them is shown.
pub(crate) fn shown(text: &str) -> String {
    let is_key = text.contains("NNSXS.") || text.contains("SharedAccess") || text.contains("AccountKey");
    match text.len() {
        _ if is_key => "something that looks like a key".to_owned(),
        0..SHORTEST_SECRET => format!("{text:?}"),
        _ => format!("{} characters (not shown, they may be a key)", text.chars().count()),
    }
}

pub(super) fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("found {}, expected a port from 1 to 65535", shown(text))),
    }
}

pub(super) fn policy_name(text: &str) -> Result<String, String> {
    let is_name = text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    is_name.then(|| text.to_owned()).ok_or_else(|| {
        format!("found {}, expected the name of a shared access policy, such as device-connect", shown(text))
    })
}

/// The client id of a managed identity.
pub(super) fn client_id(text: &str) -> Result<String, String> {
    let groups: Vec<_> = text.split('-').collect();
    let is_hex = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if is_hex && groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) {
        return Ok(text.to_ascii_lowercase());
    }
    // A secret of the same application is pasted here easily.
    Err("found something that is not a client id, expected the managed identity's, five groups of hex digits such as \
         00000000-0000-0000-0000-000000000000"
        .to_owned())
}

pub(super) fn identity_endpoint(text: &str) -> Result<(), String> {
    let is_http = Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    is_http.then_some(()).ok_or_else(|| {
        format!("found {}, expected the URL that Azure Functions sets; do not set it by hand", shown(text))
    })
}

pub(super) fn registry_calls(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(calls) if calls > 0 => Ok(calls),
        _ => Err(format!(
            "found {}, expected a number of at least 1 (tiers S1 and S2 allow 100 per unit, S3 5000)",
            shown(text)
        )),
    }
}

pub(super) fn per_second(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count) if (1..=100_000).contains(&count) => Ok(count),
        _ => Err(format!("found {}, expected a number from 1 to 100000", shown(text))),
    }
}

pub(super) fn connection_idle(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if seconds <= 30 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("found {}, expected 0 to 30 whole seconds (no connection is held for good)", shown(text))),
    }
}

pub(super) fn unchanged_interval(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if seconds <= 86_400 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("found {}, expected 0 to 86400 whole seconds", shown(text))),
    }
}

pub(super) fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("found {}, expected on or off", shown(text))),
    }
}

/// Whether a new decoded payload replaces the one in the twin.
pub(super) fn replaces(text: &str) -> Result<bool, String> {
    match text {
        "merge" => Ok(false),
        "replace" => Ok(true),
        _ => Err(format!("found {}, expected merge or replace", shown(text))),
    }
}

pub(super) fn tts_base_url(text: &str) -> Result<Url, String> {
    let expected = "expected something like https://eu1.cloud.thethings.industries/api/v3";
    let mut url = Url::parse(text)
        .map_err(|reason| format!("found {}, which is not a URL ({reason}); {expected}", shown(text)))?;
    if !is_https_or_loopback(&url) {
        return Err(format!(
            "found scheme {}, but keys travel over TLS only (http:// is for loopback); {expected}",
            shown(url.scheme())
        ));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("found a user, query or fragment in the URL; {expected}"));
    }
    let path = url.path().trim_end_matches('/');
    let path = if path.ends_with("/api/v3") { path.to_owned() } else { format!("{path}/api/v3") };
    url.set_path(&path);
    Ok(url)
}

pub(super) fn application_id(text: &str) -> Result<String, String> {
    if is_id(text) {
        return Ok(text.to_owned());
    }
    Err(format!("found {}, expected 3 to 36 lower-case letters, digits and single inner dashes", shown(text)))
}

pub(super) fn api_key(text: &str) -> Result<Secret, String> {
    let is_visible_ascii = text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_visible_ascii && text.starts_with("NNSXS.") && text.split('.').count() == 3 {
        return Ok(Secret::new(text));
    }
    Err("found something that is not an API key, expected NNSXS.<id>.<secret> as the Console shows it once".to_owned())
}

pub(super) fn delivery(text: &str) -> Result<Delivery, String> {
    match text {
        "api" => Ok(Delivery::Api),
        "package" => Ok(Delivery::Package),
        _ => Err(format!(
            "found {}, expected api (every The Things Stack), or package (the vendor's application package azure-iot-hub)",
            shown(text)
        )),
    }
}

pub(super) fn on_device_deletion(text: &str) -> Result<OnDeviceDeletion, String> {
    match text {
        "delete" => Ok(OnDeviceDeletion::Delete),
        "keep" => Ok(OnDeviceDeletion::Keep),
        _ => Err(format!("found {}, expected delete or keep", shown(text))),
    }
}

pub(super) fn webhook_secrets(text: &str) -> Result<Vec<Secret>, String> {
    let secrets: Vec<_> = text.split(',').map(str::trim).collect();
    if let Some(position) = secrets.iter().position(|secret| secret.len() < SHORTEST_SECRET) {
        return Err(format!(
            "secret {} of {} is too short, expected at least {SHORTEST_SECRET} characters each, joined by commas",
            position + 1,
            secrets.len()
        ));
    }
    Ok(secrets.into_iter().map(Secret::new).collect())
}

pub(super) fn answer_within(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (1..=9).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "found {}, expected 1 to 9 whole seconds (open-source The Things Stack waits 5, Cloud 10)",
            shown(text)
        )),
    }
}

pub(super) fn log_level(text: &str) -> Result<LevelFilter, String> {
    match text {
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(format!("found {}, expected error, warn, info, debug or trace", shown(text))),
    }
}
