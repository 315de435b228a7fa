//! What a host is started with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use super::checkpoints::Checkpoints;
use crate::event_hub::EventHub;

/// What the host is started with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder with `host.json`, the handler and one folder per function.
    pub script_root: PathBuf,
    /// Where to listen on 127.0.0.1; 0 for any free port.
    pub http_port: u16,
    /// App settings: the handler's environment, and `%NAME%` in `function.json` and `host.json`.
    pub settings: BTreeMap<String, String>,
    /// Event Hubs by the `connection` of the triggers that read them.
    pub event_hubs: BTreeMap<String, Arc<EventHub>>,
    /// Where triggers start; the store of an earlier host makes this one resume.
    pub checkpoints: Checkpoints,
    /// The default function key.
    pub function_key: String,
    /// The key for `/admin` and for every function.
    pub master_key: String,
    /// Pauses between retries are multiplied by this.
    pub retry_time_scale: f64,
    /// The most invocations and the most log lines kept for looking at; the oldest go first. Totals go on.
    pub history: usize,
}

impl Options {
    /// A host on any port, without settings and Event Hubs, with random keys and real pauses.
    #[must_use]
    pub fn new(script_root: PathBuf) -> Self {
        Self {
            script_root,
            http_port: 0,
            settings: BTreeMap::new(),
            event_hubs: BTreeMap::new(),
            checkpoints: Checkpoints::default(),
            function_key: Uuid::new_v4().simple().to_string(),
            master_key: Uuid::new_v4().simple().to_string(),
            retry_time_scale: 1.0,
            history: usize::MAX,
        }
    }
}
