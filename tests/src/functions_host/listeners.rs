//! Who reads what for which function.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::error::StartError;
use super::function_json::{Function, Output, Trigger};
use super::host_json::HostJson;
use super::invoker::Invoker;
use super::options::Options;
use super::{event_hub_trigger, queue_trigger};

/// One listener for each function that reads an Event Hub or a queue.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    event_hubs: BTreeMap<String, Arc<event_hub_trigger::Listener>>,
    queues: BTreeMap<String, Arc<queue_trigger::Listener>>,
}

impl Listeners {
    /// Makes sure that everything the functions read or write exists.
    pub(super) fn new(functions: &[Function], options: &Options, host_json: &HostJson) -> Result<Self, StartError> {
        let mut listeners = Self::default();
        for function in functions {
            let name = &function.name;
            match &function.trigger {
                Trigger::Http { .. } => {}
                Trigger::EventHub(trigger) => {
                    let most = host_json.max_event_batch_size;
                    let listener = event_hub_trigger::Listener::new(name, trigger, options, most)?;
                    listeners.event_hubs.insert(name.clone(), Arc::new(listener));
                }
                Trigger::Queue(trigger) => {
                    let listener = queue_trigger::Listener::new(name, trigger, options, &host_json.queues)?;
                    listeners.queues.insert(name.clone(), Arc::new(listener));
                }
            }
            for output in &function.outputs {
                if let Output::Queue { connection, .. } = output {
                    options.account(name, connection)?;
                }
            }
        }
        Ok(listeners)
    }

    /// Starts them all. The tasks of queue triggers end by themselves when the host has stopped.
    pub(super) fn listen(&self, invoker: &Arc<Invoker>, tasks: &mut JoinSet<()>, queue_tasks: &mut JoinSet<()>) {
        for (function, listener) in &self.event_hubs {
            listener.listen(invoker, function, tasks);
        }
        for (function, listener) in &self.queues {
            queue_tasks.spawn(listener.clone().read(invoker.clone(), function.clone()));
        }
    }

    /// The next sequence number a function's trigger would read.
    pub(super) fn checkpoint(&self, function: &str, partition: usize) -> Option<i64> {
        self.event_hubs.get(function).map(|listener| listener.checkpoint(partition))
    }
}
