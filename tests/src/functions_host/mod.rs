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
mod listeners;
mod log;
mod options;
mod output;
mod process;
mod queue_settings;
mod queue_trigger;
mod record;
mod retry;
mod route;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

pub use checkpoints::Checkpoints;
pub use client::{HOST_VERSION, Payload, RawAnswer};
pub use error::StartError;
pub use log::{Level, LogLine, Stream};
pub use options::Options;
pub use record::{Invocation, Totals};

use self::client::HandlerClient;
use self::front::{Front, most_body_bytes};
use self::function_json::read_functions;
use self::host_json::HostJson;
use self::invoker::Invoker;
use self::keys::Keys;
use self::launch::Launch;
use self::listeners::Listeners;
use self::log::Log;
use self::options::DEFAULT_ACCOUNT;
use self::process::{Handler, State};
use self::record::Record;
use crate::storage_queue::Queues;

/// A running host. Dropping it kills the handler and ends all its tasks.
#[derive(Debug)]
pub struct FunctionsHost {
    url: String,
    keys: Keys,
    invoker: Arc<Invoker>,
    listeners: Listeners,
    queues: Queues,
    log: Log,
    queue_tasks: JoinSet<()>,
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
        let listeners = Listeners::new(&functions, &options, &host_json)?;
        let port = options.http_port;
        let bound = TcpListener::bind(("127.0.0.1", port)).await;
        let socket = bound.map_err(|source| StartError::Listen { port, source })?;
        let launch = Launch::new(&host_json, &options)?;
        let (client, log, mut tasks) = (HandlerClient::new(), Log::new(options.history), JoinSet::new());
        let invoker = Arc::new(Invoker {
            functions,
            function_timeout: host_json.function_timeout,
            initialization_timeout: host_json.initialization_timeout,
            queues: options.queues.clone(),
            encoding: host_json.queues.encoding,
            record: Record::new(options.history),
            client: client.clone(),
            handler: Handler::start(launch, client, log.clone(), &mut tasks),
        });
        listening(&invoker.handler, &log).await?;
        let mut queue_tasks = JoinSet::new();
        listeners.listen(&invoker, &mut tasks, &mut queue_tasks);
        let url = format!("http://{}", socket.local_addr()?);
        let keys = Keys { function: options.function_key, master: options.master_key };
        let front = Front {
            invoker: invoker.clone(),
            keys: keys.clone(),
            route_prefix: host_json.route_prefix,
            most_body_bytes: most_body_bytes(&options.settings),
        };
        tasks.spawn(Arc::new(front).serve(socket));
        let queues = options.queues.get(DEFAULT_ACCOUNT).cloned().unwrap_or_default();
        Ok(Self { url, keys, invoker, listeners, queues, log, queue_tasks, _tasks: tasks })
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

    /// SIGKILLs the handler and returns when it is dead. That counts as an error: [`Options::restart_limit`] of them
    /// (2 by default) start it again, one more without 30 minutes of peace before it **ends the host**, which then
    /// answers 503.
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
        self.listeners.checkpoint(function, partition).unwrap_or_default()
    }

    /// The storage account behind `AzureWebJobsStorage`; an empty one if the host was given none.
    #[must_use]
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The decoded texts of the messages now in a queue of [`FunctionsHost::queues`], hidden ones included.
    ///
    /// # Panics
    /// When that account is not in memory: nobody can see all the messages of another one.
    #[must_use]
    pub fn output_messages(&self, queue_name: &str) -> Vec<String> {
        let all = self.queues.all(queue_name).expect("output_messages needs an account in memory");
        let decoded = |text: String| self.invoker.encoding.decode(&text).unwrap_or_else(|| text.into_bytes());
        all.into_iter().map(|message| String::from_utf8_lossy(&decoded(message.text)).into_owned()).collect()
    }

    /// Stops the host and returns when the handler is dead and no queue message is being processed any more.
    pub async fn stop(mut self) {
        self.invoker.handler.stop().await;
        while self.queue_tasks.join_next().await.is_some() {}
    }
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
