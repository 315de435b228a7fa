//! Settings: the environment, typed at the door, every problem found in one go.

mod access;
#[cfg(test)]
mod agreement;
mod device_ids;
mod lookup;
mod message_types;
mod parsers;
mod storage;
mod twins;
mod unknown;

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tracing::level_filters::LevelFilter;
use url::Url;

pub(crate) use self::parsers::shown;
pub use lookup::Lookup;
pub use message_types::MessageTypes;
pub use storage::{STORAGE_NAMES, StorageSettings};
pub use twins::TwinSettings;

use self::parsers::{
    answer_within, api_key, delivery, log_level, on_device_deletion, port, registry_calls, tts_base_url,
    webhook_secrets,
};
use crate::device_ids::DeviceIds;
use crate::http::read_ca_file;
use crate::iot_hub::Access;
use crate::secret::Secret;

/// Every setting there is. SETTINGS.md, the sample, and the deployment list exactly these.
pub const NAMES: [&str; 28] = [
    "IOT_HUB_CONNECTION_STRING",
    "IOT_HUB_HOST_NAME",
    "IOT_HUB_DEVICE_POLICY_NAME",
    "IOT_HUB_DEVICE_POLICY_KEY",
    "AZURE_CLIENT_ID",
    "IOT_HUB_HTTPS_PORT",
    "IOT_HUB_MQTT_PORT",
    "IOT_HUB_CA_FILE",
    "IOT_HUB_REGISTRY_CALLS_PER_MINUTE",
    "IOT_HUB_CONNECTIONS_PER_SECOND",
    "IOT_HUB_CONNECTION_IDLE_SECONDS",
    "IOT_HUB_TWIN_UPDATES_PER_SECOND",
    "IOT_HUB_TWIN_UNCHANGED_SECONDS",
    "IOT_HUB_TWIN_RADIO_STATE",
    "IOT_HUB_TWIN_DECODED_PAYLOAD",
    "IOT_HUB_DEVICE_ID_TEMPLATE",
    "TTS_BASE_URL",
    "TTS_IDENTITY_SERVER_URL",
    "TTS_APPLICATION_ID",
    "TTS_FURTHER_APPLICATION_IDS",
    "TTS_API_KEY",
    "TTS_DELIVERY",
    "TTS_ON_DEVICE_DELETION",
    "WEBHOOK_SECRETS",
    "WEBHOOK_MESSAGE_TYPES",
    "WEBHOOK_TWIN_TYPES",
    "WEBHOOK_ANSWER_WITHIN_SECONDS",
    "LOG_LEVEL",
];

/// What Azure Functions itself sets for an app with a managed identity.
pub const PLATFORM_NAMES: [&str; 2] = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"];

/// What the handler was told. A value that exists is usable.
#[derive(Debug)]
pub struct Settings {
    /// `IOT_HUB_CONNECTION_STRING`: a policy with all rights; or, keyless, `IOT_HUB_HOST_NAME`,
    /// `IOT_HUB_DEVICE_POLICY_NAME` and `IOT_HUB_DEVICE_POLICY_KEY`: a policy with DeviceConnect, and `AZURE_CLIENT_ID`.
    pub iot_hub_access: Access,
    /// `IOT_HUB_HTTPS_PORT`: 443 but for stand-ins and private gateways.
    pub iot_hub_https_port: u16,
    /// `IOT_HUB_CA_FILE`: roots trusted beside the platform's.
    pub iot_hub_extra_roots: Vec<CertificateDer<'static>>,
    /// `IOT_HUB_REGISTRY_CALLS_PER_MINUTE`: this instance's share of what the hub's tier allows.
    pub iot_hub_registry_calls_per_minute: u32,
    /// How the device side of twins is used.
    pub twins: TwinSettings,
    /// `TTS_BASE_URL`: ends in `/api/v3`, without a slash.
    pub tts_base_url: Url,
    /// `TTS_IDENTITY_SERVER_URL`: likewise; the Identity Server may live on another cluster.
    pub tts_identity_server_url: Url,
    /// `TTS_APPLICATION_ID`, `TTS_FURTHER_APPLICATION_IDS` and `IOT_HUB_DEVICE_ID_TEMPLATE`
    pub device_ids: DeviceIds,
    /// `TTS_API_KEY`
    pub tts_api_key: Secret,
    /// `TTS_DELIVERY`: how hub events reach The Things Stack.
    pub tts_delivery: Delivery,
    /// `TTS_ON_DEVICE_DELETION`: what becomes of a device that is deleted in IoT Hub; the package decides for itself.
    pub tts_on_device_deletion: OnDeviceDeletion,
    /// `WEBHOOK_SECRETS`: any of them opens the door; none: the function key alone guards it.
    pub webhook_secrets: Vec<Secret>,
    /// `WEBHOOK_MESSAGE_TYPES`: which become device-to-cloud messages.
    pub webhook_message_types: MessageTypes,
    /// `WEBHOOK_TWIN_TYPES`: which update the device's twin.
    pub webhook_twin_types: MessageTypes,
    /// `WEBHOOK_ANSWER_WITHIN_SECONDS`: open-source The Things Stack gives up after 5 and never sends again.
    pub webhook_answer_within: Duration,
}

/// How hub events reach The Things Stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Through the ordinary API.
    Api,
    /// Through the vendor's application package `azure-iot-hub`.
    Package,
}

/// What becomes of The Things Stack's device when IoT Hub's is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDeviceDeletion {
    /// It is deleted too, as the vendor does.
    Delete,
    /// It stays.
    Keep,
}

/// A setting that is missing or wrong. Never holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting's name.
    pub name: Cow<'static, str>,
    /// What was found and what is expected.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.name, self.what)
    }
}

/// All problems of one environment, in the order of [`NAMES`], and behind them names that are no settings.
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
        let set = std::env::vars_os().filter(|(_, value)| !value.is_empty());
        let unknown = unknown::unknown(set.map(|(name, _)| name.to_string_lossy().into_owned()));
        // What is no Unicode becomes a value that is wrong, not one that is absent.
        let settings = Self::from_lookup(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()));
        if unknown.is_empty() {
            return settings;
        }
        Err(Problems([settings.err().unwrap_or_default().0, unknown].concat()))
    }

    /// Reads settings from anything that has values by name.
    ///
    /// # Errors
    /// All [`Problems`] at once.
    pub fn from_lookup(values: impl Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let mut lookup = Lookup::new(&NAMES, &values);
        let access = access::access(&mut lookup);
        let https_port = lookup.or_default("IOT_HUB_HTTPS_PORT", "443", port);
        let extra_roots = lookup.optional("IOT_HUB_CA_FILE", |path| read_ca_file(&PathBuf::from(path)));
        let twins = TwinSettings::from_lookup(&mut lookup);
        let registry_calls = lookup.or_default("IOT_HUB_REGISTRY_CALLS_PER_MINUTE", "100", registry_calls);
        let base_url = lookup.required("TTS_BASE_URL", tts_base_url);
        let identity_server_url = lookup.optional("TTS_IDENTITY_SERVER_URL", tts_base_url);
        let device_ids = device_ids::device_ids(&mut lookup);
        let api_key = lookup.required("TTS_API_KEY", api_key);
        let delivery = lookup.or_default("TTS_DELIVERY", "api", delivery);
        let on_device_deletion = lookup.or_default("TTS_ON_DEVICE_DELETION", "delete", on_device_deletion);
        let secrets = lookup.optional("WEBHOOK_SECRETS", webhook_secrets);
        let message_types = lookup.or_default("WEBHOOK_MESSAGE_TYPES", "all", MessageTypes::parse);
        let twin_types = lookup.or_default("WEBHOOK_TWIN_TYPES", "all", MessageTypes::parse_or_none);
        let answer_within = lookup.or_default("WEBHOOK_ANSWER_WITHIN_SECONDS", "4", answer_within);
        let _checked_only = lookup.or_default("LOG_LEVEL", "info", log_level);
        let settings = (|| {
            let base_url: Url = base_url?;
            Some(Self {
                iot_hub_access: access?,
                iot_hub_https_port: https_port?,
                twins: twins?,
                iot_hub_extra_roots: extra_roots.unwrap_or_default(),
                iot_hub_registry_calls_per_minute: registry_calls?,
                tts_identity_server_url: identity_server_url.unwrap_or_else(|| base_url.clone()),
                tts_base_url: base_url,
                device_ids: device_ids?,
                tts_api_key: api_key?,
                tts_delivery: delivery?,
                tts_on_device_deletion: on_device_deletion?,
                webhook_secrets: secrets.unwrap_or_default(),
                webhook_message_types: message_types?,
                webhook_twin_types: twin_types?,
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
