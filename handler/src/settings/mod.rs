//! Settings: the environment, typed at the door, every problem found in one go.

#[cfg(test)]
mod agreement;
mod lookup;
mod message_types;
mod parsers;
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

use self::parsers::{
    answer_within, api_key, application_id, delivery, log_level, port, registry_calls, tts_base_url, webhook_secrets,
};
use crate::http::read_ca_file;
use crate::iot_hub::ConnectionString;
use crate::secret::Secret;

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
        // What is no Unicode becomes a value that is wrong, not one that is absent.
        Self::from_lookup(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
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
    std::env::var("LOG_LEVEL").ok().and_then(|level| log_level(level.trim()).ok()).unwrap_or(LevelFilter::INFO)
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

#[cfg(test)]
mod tests;
