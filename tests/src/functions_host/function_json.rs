//! `<function>/function.json`: what wakes a function up, what it may write, how often it is tried.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::app_settings::resolve;
use super::envelope::{Cardinality, DataType};
use super::error::StartError;
use super::host_json::read_json;
use super::keys::AuthLevel;
use super::options::DEFAULT_ACCOUNT;
use super::retry::RetryPolicy;
use super::route::Route;

/// An enabled function.
#[derive(Debug)]
pub(super) struct Function {
    pub name: String,
    pub trigger: Trigger,
    pub outputs: Vec<Output>,
    pub retry: Option<RetryPolicy>,
}

/// The one binding that wakes the function up.
#[derive(Debug)]
pub(super) enum Trigger {
    Http { binding: String, auth_level: AuthLevel, methods: Vec<String>, route: Route },
    EventHub(EventHubTrigger),
    Queue(QueueTrigger),
}

/// Where an Event Hub trigger reads and in which shape it hands over.
#[derive(Debug)]
pub(super) struct EventHubTrigger {
    pub binding: String,
    pub event_hub_name: String,
    pub consumer_group: String,
    pub connection: String,
    pub cardinality: Cardinality,
    pub data_type: DataType,
}

/// Which queue a queue trigger reads and in which shape it hands over.
#[derive(Debug)]
pub(super) struct QueueTrigger {
    pub binding: String,
    pub queue_name: String,
    pub connection: String,
    pub data_type: DataType,
}

/// A binding with direction `out`.
#[derive(Debug)]
pub(super) enum Output {
    Http { binding: String },
    Queue { binding: String, queue_name: String, connection: String, binary: bool },
}

impl Function {
    /// One HTTP trigger, one HTTP output, nothing else: the host would forward the request as it came.
    fn is_pure_http(&self) -> bool {
        matches!(self.trigger, Trigger::Http { .. }) && matches!(self.outputs.as_slice(), [Output::Http { .. }])
    }
}

/// Reads the functions directly under the script root, in the order of their names.
pub(super) fn read_functions(
    script_root: &Path,
    settings: &BTreeMap<String, String>,
    forwarding: bool,
) -> Result<Vec<Function>, StartError> {
    let mut functions = Vec::new();
    for (name, file) in function_files(script_root)? {
        if !file.disabled && !disabled_by_setting(&name, settings) {
            functions.push(Reader { function: name, settings }.function(file)?);
        }
    }
    match functions.iter().find(|function| forwarding && function.is_pure_http()) {
        Some(function) => Err(StartError::Function {
            function: function.name.clone(),
            reason: "the stand-in does not forward or proxy HTTP requests".to_owned(),
        }),
        None if functions.is_empty() => Err(StartError::NoFunctions(script_root.to_owned())),
        None => Ok(functions),
    }
}

fn function_files(script_root: &Path) -> Result<BTreeMap<String, File>, StartError> {
    let unreadable =
        |error: std::io::Error| StartError::Unreadable { path: script_root.to_owned(), reason: error.to_string() };
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(script_root).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path().join("function.json");
        if path.is_file() {
            files.insert(entry.file_name().to_string_lossy().into_owned(), read_json(&path)?);
        }
    }
    Ok(files)
}

fn disabled_by_setting(name: &str, settings: &BTreeMap<String, String>) -> bool {
    let names = [format!("AzureWebJobs.{name}.Disabled"), format!("AzureWebJobs__{name}__Disabled")];
    names.iter().filter_map(|name| settings.get(name)).any(|value| value == "1" || value.eq_ignore_ascii_case("true"))
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    disabled: bool,
    bindings: Vec<Binding>,
    retry: Option<RetryPolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    #[serde(rename = "type")]
    kind: String,
    direction: String,
    name: String,
    auth_level: Option<AuthLevel>,
    methods: Option<Vec<String>>,
    route: Option<String>,
    event_hub_name: Option<String>,
    consumer_group: Option<String>,
    connection: Option<String>,
    cardinality: Option<Cardinality>,
    data_type: Option<DataType>,
    queue_name: Option<String>,
}

struct Reader<'a> {
    function: String,
    settings: &'a BTreeMap<String, String>,
}

impl Reader<'_> {
    fn function(self, file: File) -> Result<Function, StartError> {
        let (inputs, outputs): (Vec<_>, Vec<_>) =
            file.bindings.into_iter().partition(|binding| binding.direction == "in");
        let outputs = outputs.into_iter().map(|binding| self.output(binding)).collect::<Result<_, _>>()?;
        let mut inputs = inputs.into_iter();
        match (inputs.next(), inputs.next()) {
            (Some(trigger), None) => {
                let trigger = self.trigger(trigger)?;
                if file.retry.is_some() && matches!(trigger, Trigger::Queue(_)) {
                    return Err(self.refused("queue triggers have no retry policy but extensions.queues in host.json"));
                }
                Ok(Function { name: self.function, trigger, outputs, retry: file.retry })
            }
            (None, _) => Err(self.refused("no trigger")),
            (Some(_), Some(_)) => Err(self.refused("the stand-in plays no input bindings beside the trigger")),
        }
    }

    fn trigger(&self, binding: Binding) -> Result<Trigger, StartError> {
        match binding.kind.as_str() {
            "httpTrigger" => {
                let route = Route::parse(binding.route.as_deref().unwrap_or(&self.function));
                Ok(Trigger::Http {
                    binding: binding.name,
                    auth_level: binding.auth_level.unwrap_or(AuthLevel::Function),
                    methods: binding.methods.unwrap_or_default(),
                    route: route.map_err(|reason| self.refused(&reason))?,
                })
            }
            "eventHubTrigger" => self.event_hub(binding).map(Trigger::EventHub),
            "queueTrigger" => Ok(Trigger::Queue(QueueTrigger {
                queue_name: self.resolved("queueName", binding.queue_name, None)?,
                connection: binding.connection.unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned()),
                data_type: binding.data_type.unwrap_or(DataType::Absent),
                binding: binding.name,
            })),
            other => Err(self.refused(&format!("the stand-in does not play the trigger {other}"))),
        }
    }

    fn event_hub(&self, binding: Binding) -> Result<EventHubTrigger, StartError> {
        Ok(EventHubTrigger {
            binding: binding.name,
            event_hub_name: self.resolved("eventHubName", binding.event_hub_name, None)?,
            consumer_group: self.resolved("consumerGroup", binding.consumer_group, Some("$Default"))?,
            connection: binding.connection.ok_or_else(|| self.refused("no connection"))?,
            cardinality: binding.cardinality.unwrap_or(Cardinality::One),
            data_type: binding.data_type.unwrap_or(DataType::Absent),
        })
    }

    fn output(&self, binding: Binding) -> Result<Output, StartError> {
        match (binding.direction.as_str(), binding.kind.as_str()) {
            ("out", "http") => Ok(Output::Http { binding: binding.name }),
            ("out", "queue") => Ok(Output::Queue {
                queue_name: self.resolved("queueName", binding.queue_name, None)?,
                connection: binding.connection.unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned()),
                binary: binding.data_type == Some(DataType::Binary),
                binding: binding.name,
            }),
            (direction, kind) => {
                Err(self.refused(&format!("the stand-in does not play the binding {kind} in direction {direction}")))
            }
        }
    }

    fn resolved(
        &self,
        field: &'static str,
        given: Option<String>,
        default: Option<&str>,
    ) -> Result<String, StartError> {
        let Some(given) = given.or_else(|| default.map(str::to_owned)) else {
            return Err(self.refused(&format!("no {field}")));
        };
        let function = self.function.clone();
        resolve(&given, self.settings).map_err(|name| StartError::Unresolved { function, field, name })
    }

    fn refused(&self, reason: &str) -> StartError {
        StartError::Function { function: self.function.clone(), reason: reason.to_owned() }
    }
}
