//! A stand-in for the Azure Functions host: reads the script root, spawns the handler, invokes it as the host does.

mod answer;
mod app_settings;
mod checkpoints;
mod client;
pub mod envelope;
mod error;
mod event_hub_trigger;
mod front;
mod function_json;
mod history;
mod host_json;
mod invoker;
mod keys;
mod launch;
mod log;
mod options;
mod output;
mod process;
mod record;
mod retry;
mod route;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

pub use checkpoints::Checkpoints;
pub use client::RawAnswer;
pub use error::StartError;
pub use log::{Level, LogLine, Stream};
pub use options::Options;
pub use record::{Invocation, Totals};

use self::client::HandlerClient;
use self::event_hub_trigger::Listener;
use self::front::{Front, most_body_bytes};
use self::function_json::{Function, Trigger, read_functions};
use self::host_json::HostJson;
use self::invoker::Invoker;
use self::keys::Keys;
use self::launch::Launch;
use self::log::Log;
use self::process::{Handler, State};
use self::record::Record;

/// A running host. Dropping it kills the handler and ends all its tasks.
#[derive(Debug)]
pub struct FunctionsHost {
    url: String,
    keys: Keys,
    invoker: Arc<Invoker>,
    listeners: BTreeMap<String, Arc<Listener>>,
    log: Log,
    _tasks: JoinSet<()>,
}

impl FunctionsHost {
    /// Starts the host and waits until the handler listens.
    ///
    /// # Errors
    /// When the script root, the settings or the handler are not fit to start.
    pub async fn start(mut options: Options) -> Result<Self, StartError> {
        options.script_root = std::path::absolute(options.script_root)?;
        let host_json = HostJson::read(&options.script_root, &options.settings)?;
        let functions = read_functions(&options.script_root, &options.settings, host_json.forwarding)?;
        let listeners = listeners(&functions, &options, &host_json)?;
        let port = options.http_port;
        let bound = TcpListener::bind(("127.0.0.1", port)).await;
        let socket = bound.map_err(|source| StartError::Listen { port, source })?;
        let launch = Launch::new(&host_json, &options)?;
        let (client, log, mut tasks) = (HandlerClient::new(), Log::new(options.history), JoinSet::new());
        let invoker = Arc::new(Invoker {
            functions,
            function_timeout: host_json.function_timeout,
            initialization_timeout: host_json.initialization_timeout,
            base64_queues: host_json.base64_queue_messages,
            record: Record::new(options.history),
            client: client.clone(),
            handler: Handler::start(launch, client, log.clone(), &mut tasks),
        });
        listening(&invoker.handler, &log).await?;
        for (function, listener) in &listeners {
            listener.listen(&invoker, function, &mut tasks);
        }
        let url = format!("http://{}", socket.local_addr()?);
        let keys = Keys { function: options.function_key, master: options.master_key };
        let front = Front {
            invoker: invoker.clone(),
            keys: keys.clone(),
            route_prefix: host_json.route_prefix,
            most_body_bytes: most_body_bytes(&options.settings),
        };
        tasks.spawn(Arc::new(front).serve(socket));
        Ok(Self { url, keys, invoker, listeners, log, _tasks: tasks })
    }

    /// The address of the HTTP front without a slash at its end, e.g. `http://127.0.0.1:7071`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Opens functions of level `function`, in `x-functions-key` or `?code=`.
    #[must_use]
    pub fn function_key(&self) -> &str {
        &self.keys.function
    }

    /// Opens everything.
    #[must_use]
    pub fn master_key(&self) -> &str {
        &self.keys.master
    }

    /// All finished invocations, retries included, in the order in which they finished.
    #[must_use]
    pub fn invocations(&self) -> Vec<Invocation> {
        self.invoker.record.invocations()
    }

    /// How the invocations of a function ended so far, also of those no longer in the history.
    #[must_use]
    pub fn totals(&self, function: &str) -> Totals {
        self.invoker.record.totals(function)
    }

    /// Waits until so many invocations of a function have finished, and gives all there are by then.
    ///
    /// # Errors
    /// What there is instead when the limit is reached.
    pub async fn wait_for_invocations(
        &self,
        function: &str,
        finished: usize,
        limit: Duration,
    ) -> Result<Vec<Invocation>, String> {
        let waited = self.invoker.record.wait_for(function, finished, limit).await;
        waited.map_err(|error| format!("{error}\nthe handler's last lines:\n{}", self.log.tail(20)))
    }

    /// All lines the handler has written.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        self.log.lines()
    }

    /// The first line that fits, waiting for it if it is not there yet.
    ///
    /// # Errors
    /// The last lines there are when the limit is reached.
    pub async fn wait_for_log(&self, predicate: impl Fn(&str) -> bool, limit: Duration) -> Result<LogLine, String> {
        self.log.wait_for(predicate, limit).await
    }

    /// The port the handler listens on, the same after each restart; 0 while none listens.
    #[must_use]
    pub fn handler_port(&self) -> u16 {
        match self.invoker.handler.state() {
            State::Listening { port, .. } => port,
            State::Starting | State::Finished | State::GivenUp(_) => 0,
        }
    }

    /// The handler's process, when there is one that listens.
    #[must_use]
    pub fn handler_pid(&self) -> Option<u32> {
        match self.invoker.handler.state() {
            State::Listening { pid, .. } => pid,
            State::Starting | State::Finished | State::GivenUp(_) => None,
        }
    }

    /// How often a handler process was started.
    #[must_use]
    pub fn handler_starts(&self) -> usize {
        self.invoker.handler.starts()
    }

    /// SIGKILLs the handler and returns when it is dead. That counts as an error: after two of them the handler is
    /// started again, the third without 30 minutes of peace before it **ends the host**, which then answers 503.
    pub async fn kill_handler(&self) {
        self.invoker.handler.kill().await;
    }

    /// Posts exactly these bytes as an invocation; the answer is neither judged nor recorded.
    pub async fn invoke_raw(&self, function: &str, body: Vec<u8>) -> RawAnswer {
        let answer = self.invoker.post(function, Uuid::new_v4(), body).await;
        answer.unwrap_or_else(|failure| RawAnswer { status: 0, content_type: String::new(), body: failure.into() })
    }

    /// The next sequence number a function's trigger would read; 0 for anything that does not exist.
    #[must_use]
    pub fn checkpoint(&self, function: &str, partition: usize) -> i64 {
        self.listeners.get(function).map_or(0, |listener| listener.checkpoint(partition))
    }

    /// The texts that queue output bindings have put into a queue.
    #[must_use]
    pub fn output_messages(&self, queue_name: &str) -> Vec<String> {
        self.invoker.record.messages(queue_name)
    }

    /// Stops the host and returns when the handler is dead.
    pub async fn stop(self) {
        self.invoker.handler.stop().await;
    }
}

/// One listener for each function that reads an Event Hub.
fn listeners(
    functions: &[Function],
    options: &Options,
    host_json: &HostJson,
) -> Result<BTreeMap<String, Arc<Listener>>, StartError> {
    let mut listeners = BTreeMap::new();
    for function in functions {
        if let Trigger::EventHub(trigger) = &function.trigger {
            let listener = Listener::new(&function.name, trigger, options, host_json.max_event_batch_size)?;
            listeners.insert(function.name.clone(), Arc::new(listener));
        }
    }
    Ok(listeners)
}

async fn listening(handler: &Handler, log: &Log) -> Result<(), StartError> {
    let reason = match handler.settled().await {
        State::Listening { .. } => return Ok(()),
        State::Finished => "it exited with 0".to_owned(),
        State::GivenUp(reason) => reason,
        State::Starting => "it is still starting".to_owned(),
    };
    Err(StartError::Handler { reason, output: log.tail(20) })
}
