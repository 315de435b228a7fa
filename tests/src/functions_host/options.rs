//! What a host is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use super::checkpoints::Checkpoints;
use super::error::StartError;
use crate::event_hub::EventHub;
use crate::storage_queue::Queues;

/// The connection of queue bindings that name none.
pub(super) const DEFAULT_ACCOUNT: &str = "AzureWebJobsStorage";

/// What the host is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder with `host.json`, the handler and one folder per function.
    pub script_root: PathBuf,
    /// Where to listen on 127.0.0.1; 0 for any free port.
    pub http_port: u16,
    /// App settings: the handler's environment, and `%NAME%` in `function.json` and `host.json`.
    pub settings: BTreeMap<String, String>,
    /// What the platform itself tells the handler, such as where an app with a managed identity gets its tokens.
    pub platform: BTreeMap<String, String>,
    /// Event Hubs by the `connection` of the triggers that read them.
    pub event_hubs: BTreeMap<String, Arc<EventHub>>,
    /// Storage accounts by the `connection` of queue triggers and outputs; those of an earlier host let this one go on.
    pub queues: BTreeMap<String, Queues>,
    /// Where triggers start; the store of an earlier host makes this one resume.
    pub checkpoints: Checkpoints,
    /// The default function key.
    pub function_key: String,
    /// The key for `/admin` and for every function.
    pub master_key: String,
    /// Pauses between retries are multiplied by this.
    pub retry_time_scale: f64,
    /// How often the handler is started again after an error without 30 minutes of peace before it.
    pub restart_limit: usize,
    /// The most invocations and the most log lines kept for looking at; the oldest go first. Totals go on.
    pub history: usize,
}

impl Options {
    /// A host on any port, without settings and Event Hubs, with an empty `AzureWebJobsStorage` in memory, random keys
    /// and real pauses.
    #[must_use]
    pub fn new(script_root: PathBuf) -> Self {
        Self {
            script_root,
            http_port: 0,
            settings: BTreeMap::new(),
            platform: BTreeMap::new(),
            event_hubs: BTreeMap::new(),
            queues: BTreeMap::from([(DEFAULT_ACCOUNT.to_owned(), Queues::in_memory())]),
            checkpoints: Checkpoints::default(),
            function_key: Uuid::new_v4().simple().to_string(),
            master_key: Uuid::new_v4().simple().to_string(),
            retry_time_scale: 1.0,
            restart_limit: 2,
            history: usize::MAX,
        }
    }

    /// The storage account behind a connection of the function.
    pub(super) fn account(&self, function: &str, connection: &str) -> Result<&Queues, StartError> {
        self.queues.get(connection).ok_or_else(|| StartError::Function {
            function: function.to_owned(),
            reason: format!("no storage account behind connection {connection}"),
        })
    }
}
