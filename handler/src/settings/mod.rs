//! Settings: the environment, typed at the door, every problem found in one go.

#[cfg(test)]
mod agreement;
mod lookup;
mod message_types;
mod storage;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tracing::level_filters::LevelFilter;
use url::Url;

pub use lookup::Lookup;
pub use message_types::MessageTypes;
pub use storage::{STORAGE_NAMES, StorageSettings};

use crate::http::{is_https_or_loopback, read_ca_file};
use crate::iot_hub::ConnectionString;
use crate::secret::Secret;
use crate::tts::id::is_id;

/// Every setting there is. README, the sample, and the deployment list exactly these.
pub const NAMES: [&str; 12] = [
    "IOT_HUB_CONNECTION_STRING",
    "IOT_HUB_HTTPS_PORT",
    "IOT_HUB_CA_FILE",
    "IOT_HUB_REGISTRY_CALLS_PER_MINUTE",
    "TTS_BASE_URL",
    "TTS_APPLICATION_ID",
    "TTS_API_KEY",
    "TTS_DELIVERY",
    "WEBHOOK_SECRETS",
    "WEBHOOK_MESSAGE_TYPES",
    "WEBHOOK_ANSWER_WITHIN_SECONDS",
    "LOG_LEVEL",
];

/// What the handler was told. A value that exists is usable.
#[derive(Debug)]
pub struct Settings {
    /// `IOT_HUB_CONNECTION_STRING`: a policy with RegistryRead, RegistryWrite and DeviceConnect.
    pub iot_hub_connection_string: ConnectionString,
    /// `IOT_HUB_HTTPS_PORT`: 443 but for stand-ins and private gateways.
    pub iot_hub_https_port: u16,
    /// `IOT_HUB_CA_FILE`: roots trusted beside the platform's.
    pub iot_hub_extra_roots: Vec<CertificateDer<'static>>,
    /// `IOT_HUB_REGISTRY_CALLS_PER_MINUTE`: this instance's share of what the hub's tier allows.
    pub iot_hub_registry_calls_per_minute: u32,
    /// `TTS_BASE_URL`: ends in `/api/v3`, without a slash.
    pub tts_base_url: Url,
    /// `TTS_APPLICATION_ID`
    pub tts_application_id: String,
    /// `TTS_API_KEY`
    pub tts_api_key: Secret,
    /// `WEBHOOK_SECRETS`: any of them opens the door; none: the function key alone guards it.
    pub webhook_secrets: Vec<Secret>,
    /// `WEBHOOK_MESSAGE_TYPES`: which become device-to-cloud messages.
    pub webhook_message_types: MessageTypes,
    /// `WEBHOOK_ANSWER_WITHIN_SECONDS`: open-source The Things Stack gives up after 5 and never sends again.
    pub webhook_answer_within: Duration,
}

/// A setting that is missing or wrong. Never holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting's name.
    pub name: &'static str,
    /// What was found and what is expected.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.name, self.what)
    }
}

/// All problems of one environment, in the order of [`NAMES`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Whether the settings are right.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// All [`Problems`] at once.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_env() -> Result<Self, Problems> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads settings from anything that has values by name.
    ///
    /// # Errors
    /// All [`Problems`] at once.
    pub fn from_lookup(values: impl Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let mut lookup = Lookup::new(&NAMES, &values);
        let connection_string = lookup.required("IOT_HUB_CONNECTION_STRING", ConnectionString::parse);
        let https_port = lookup.or_default("IOT_HUB_HTTPS_PORT", "443", port);
        let extra_roots = lookup.optional("IOT_HUB_CA_FILE", |path| read_ca_file(&PathBuf::from(path)));
        let registry_calls = lookup.or_default("IOT_HUB_REGISTRY_CALLS_PER_MINUTE", "100", registry_calls);
        let base_url = lookup.required("TTS_BASE_URL", tts_base_url);
        let application_id = lookup.required("TTS_APPLICATION_ID", application_id);
        let api_key = lookup.required("TTS_API_KEY", api_key);
        let delivery = lookup.required("TTS_DELIVERY", delivery);
        let secrets = lookup.optional("WEBHOOK_SECRETS", webhook_secrets);
        let message_types = lookup.or_default("WEBHOOK_MESSAGE_TYPES", "all", MessageTypes::parse);
        let answer_within = lookup.or_default("WEBHOOK_ANSWER_WITHIN_SECONDS", "4", answer_within);
        let _checked_only = lookup.or_default("LOG_LEVEL", "info", log_level);
        let settings = (|| {
            delivery?;
            Some(Self {
                iot_hub_connection_string: connection_string?,
                iot_hub_https_port: https_port?,
                iot_hub_extra_roots: extra_roots.unwrap_or_default(),
                iot_hub_registry_calls_per_minute: registry_calls?,
                tts_base_url: base_url?,
                tts_application_id: application_id?,
                tts_api_key: api_key?,
                webhook_secrets: secrets.unwrap_or_default(),
                webhook_message_types: message_types?,
                webhook_answer_within: answer_within?,
            })
        })();
        let problems = lookup.problems();
        settings.filter(|_| problems.is_empty()).ok_or(Problems(problems))
    }
}

/// `LOG_LEVEL`, needed before the other settings so that their problems can be logged; `info` where it is wrong.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn log_level_from_env() -> LevelFilter {
    std::env::var("LOG_LEVEL").ok().and_then(|level| log_level(&level).ok()).unwrap_or(LevelFilter::INFO)
}

/// The port the Functions host wants the handler on; 3000 when it is started by hand.
///
/// # Errors
/// A sentence if the host's variable holds no port.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn listen_port_from_env() -> Result<u16, String> {
    match std::env::var("FUNCTIONS_CUSTOMHANDLER_PORT") {
        Ok(text) => port(&text).map_err(|what| format!("FUNCTIONS_CUSTOMHANDLER_PORT: {what}")),
        Err(_) => Ok(3000),
    }
}

fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("found {text:?}, expected a port from 1 to 65535")),
    }
}

fn registry_calls(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(calls) if calls > 0 => Ok(calls),
        _ => Err(format!(
            "found {text:?}, expected a number of at least 1 (tiers S1 and S2 allow 100 per unit, S3 5000)"
        )),
    }
}

fn tts_base_url(text: &str) -> Result<Url, String> {
    let expected = "expected something like https://eu1.cloud.thethings.industries/api/v3";
    let mut url =
        Url::parse(text).map_err(|reason| format!("found {text:?}, which is not a URL ({reason}); {expected}"))?;
    if !is_https_or_loopback(&url) {
        return Err(format!(
            "found scheme {:?}, but keys travel over TLS only (http:// is for loopback); {expected}",
            url.scheme()
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

fn application_id(text: &str) -> Result<String, String> {
    if is_id(text) {
        return Ok(text.to_owned());
    }
    Err(format!("found {text:?}, expected 3 to 36 lower-case letters, digits and single inner dashes"))
}

fn api_key(text: &str) -> Result<Secret, String> {
    let is_visible_ascii = text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_visible_ascii && text.starts_with("NNSXS.") && text.split('.').count() == 3 {
        return Ok(Secret::new(text));
    }
    Err("found something that is not an API key, expected NNSXS.<id>.<secret> as the Console shows it once".to_owned())
}

fn delivery(text: &str) -> Result<(), String> {
    match text {
        "package" => Ok(()),
        _ => Err(format!("found {text:?}, expected package (the vendor's application package azure-iot-hub)")),
    }
}

fn webhook_secrets(text: &str) -> Result<Vec<Secret>, String> {
    let secrets: Vec<_> = text.split(',').map(str::trim).collect();
    if let Some(position) = secrets.iter().position(|secret| secret.len() < 16) {
        return Err(format!(
            "secret {} of {} is too short, expected at least 16 characters each, joined by commas",
            position + 1,
            secrets.len()
        ));
    }
    Ok(secrets.into_iter().map(Secret::new).collect())
}

fn answer_within(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (1..=9).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!(
            "found {text:?}, expected 1 to 9 whole seconds (open-source The Things Stack waits 5, Cloud 10)"
        )),
    }
}

fn log_level(text: &str) -> Result<LevelFilter, String> {
    match text {
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(format!("found {text:?}, expected error, warn, info, debug or trace")),
    }
}

#[cfg(test)]
mod tests;
