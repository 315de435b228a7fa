//! `host.json`: where the handler is and how the host treats it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::app_settings::{resolve, time_span};
use super::error::StartError;
use super::queue_settings::{self, QueueSettings};

/// What the stand-in honours of `host.json`, with the host's defaults.
#[derive(Debug, PartialEq)]
pub(super) struct HostJson {
    pub executable: PathBuf,
    pub arguments: Vec<String>,
    pub working_directory: PathBuf,
    pub initialization_timeout: Duration,
    /// `None` for `-1`, unbounded.
    pub function_timeout: Option<Duration>,
    pub route_prefix: String,
    pub max_event_batch_size: usize,
    pub queues: QueueSettings,
    /// Functions with nothing but HTTP get the original request instead of the envelope.
    pub forwarding: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    version: Option<String>,
    function_timeout: Option<String>,
    custom_handler: Option<CustomHandler>,
    #[serde(default)]
    extensions: Extensions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomHandler {
    description: Option<Description>,
    initialization_timeout: Option<String>,
    #[serde(default)]
    enable_forwarding_http_request: bool,
    #[serde(default)]
    enable_proxying_http_request: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Description {
    default_executable_path: String,
    working_directory: String,
    worker_directory: String,
    arguments: Vec<String>,
    worker_arguments: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Extensions {
    http: Http,
    event_hubs: EventHubs,
    queues: queue_settings::File,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Http {
    route_prefix: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct EventHubs {
    max_event_batch_size: Option<usize>,
}

impl HostJson {
    pub(super) fn read(script_root: &Path, settings: &BTreeMap<String, String>) -> Result<Self, StartError> {
        let file: File = read_json(&script_root.join("host.json"))?;
        if file.version.as_deref() != Some("2.0") {
            return Err(StartError::HostJson("version is not \"2.0\"".to_owned()));
        }
        let refused = |reason: &str| StartError::HostJson(reason.to_owned());
        let handler = file.custom_handler.ok_or_else(|| refused("no customHandler"))?;
        let description = handler.description.ok_or_else(|| refused("Missing worker Description."))?;
        Ok(Self {
            executable: executable(script_root, &description, settings)?,
            arguments: arguments(&description, settings),
            working_directory: script_root.join(&description.working_directory),
            initialization_timeout: duration("initializationTimeout", handler.initialization_timeout.as_deref(), 30)?,
            function_timeout: match file.function_timeout.as_deref() {
                Some("-1") => None,
                given => Some(duration("functionTimeout", given, 30 * 60)?),
            },
            route_prefix: file.extensions.http.route_prefix.unwrap_or_else(|| "api".to_owned()),
            max_event_batch_size: file.extensions.event_hubs.max_event_batch_size.unwrap_or(100).max(1),
            queues: QueueSettings::read(&file.extensions.queues)?,
            forwarding: handler.enable_forwarding_http_request || handler.enable_proxying_http_request,
        })
    }
}

/// Reads a JSON file of the script root.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StartError> {
    let unreadable = |reason: String| StartError::Unreadable { path: path.to_owned(), reason };
    let text = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))
}

pub(super) fn duration(field: &str, given: Option<&str>, default_seconds: u64) -> Result<Duration, StartError> {
    match given {
        None => Ok(Duration::from_secs(default_seconds)),
        Some(text) => time_span(text).ok_or_else(|| StartError::HostJson(format!("{field} is not hh:mm:ss: {text}"))),
    }
}

/// A file under the worker directory if there is one, else a name to be looked up on `PATH`.
fn executable(
    script_root: &Path,
    description: &Description,
    settings: &BTreeMap<String, String>,
) -> Result<PathBuf, StartError> {
    let given = &description.default_executable_path;
    if given.is_empty() {
        return Err(StartError::HostJson("defaultExecutablePath is empty".to_owned()));
    }
    let name = resolve(given, settings).unwrap_or_else(|_| given.clone());
    let beside = script_root.join(&description.worker_directory).join(&name);
    Ok(if beside.is_file() { beside } else { PathBuf::from(name) })
}

/// Arguments are joined by spaces and never quoted, so one with a space in it arrives as two; one that names a
/// missing setting is dropped.
fn arguments(description: &Description, settings: &BTreeMap<String, String>) -> Vec<String> {
    let all = description.arguments.iter().chain(&description.worker_arguments);
    let resolved = all.filter_map(|argument| resolve(argument, settings).ok());
    resolved.flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}
