//! Event Hub triggers: each partition in order, one batch at a time; partitions side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::task::JoinSet;

use super::Options;
use super::checkpoints::{Checkpoints, Key};
use super::envelope::{Cardinality, PartitionContext, Sys, envelope, event_hub_data, event_hub_metadata};
use super::error::StartError;
use super::function_json::{EventHubTrigger, Function, Trigger};
use super::invoker::Invoker;
use crate::event_hub::{Event, EventHub};

/// Reads one hub for one function.
#[derive(Debug)]
pub(super) struct Listener {
    hub: Arc<EventHub>,
    namespace: String,
    consumer_group: String,
    checkpoints: Checkpoints,
    max_batch_size: usize,
    retry_time_scale: f64,
}

impl Listener {
    /// Finds the trigger's hub by its connection and makes sure that it is the one the trigger names.
    pub(super) fn new(
        function: &str,
        trigger: &EventHubTrigger,
        options: &Options,
        max_event_batch_size: usize,
    ) -> Result<Self, StartError> {
        let refused = |reason: String| StartError::Function { function: function.to_owned(), reason };
        let connection = &trigger.connection;
        let hub = options.event_hubs.get(connection);
        let hub = hub.ok_or_else(|| refused(format!("no Event Hub behind connection {connection}")))?;
        let (namespace, entity_path) = endpoint(connection, &options.settings);
        let entity = entity_path.unwrap_or(&trigger.event_hub_name);
        if entity != hub.name() {
            return Err(refused(format!("eventHubName is {entity}, the Event Hub is called {}", hub.name())));
        }
        Ok(Self {
            hub: hub.clone(),
            namespace: namespace.to_owned(),
            consumer_group: trigger.consumer_group.clone(),
            checkpoints: options.checkpoints.clone(),
            max_batch_size: match trigger.cardinality {
                Cardinality::One => 1,
                Cardinality::Many => max_event_batch_size,
            },
            retry_time_scale: options.retry_time_scale,
        })
    }

    /// The next sequence number to be read.
    pub(super) fn checkpoint(&self, partition: usize) -> i64 {
        self.checkpoints.read(&self.key(partition))
    }

    /// Starts one task per partition.
    pub(super) fn listen(self: &Arc<Self>, invoker: &Arc<Invoker>, function: &str, tasks: &mut JoinSet<()>) {
        for partition in 0..self.hub.partition_count() {
            let (listener, invoker, function) = (self.clone(), invoker.clone(), function.to_owned());
            tasks.spawn(async move { listener.read(&invoker, &function, partition).await });
        }
    }

    async fn read(&self, invoker: &Invoker, function: &str, partition: usize) {
        let Some(function) = invoker.function(function) else { return };
        let Trigger::EventHub(trigger) = &function.trigger else { return };
        let key = self.key(partition);
        let mut accepted = self.hub.subscribe();
        loop {
            accepted.mark_unchanged();
            let events = self.hub.read(partition, self.checkpoints.read(&key), self.max_batch_size);
            let Some(last) = events.last().map(|event| event.sequence_number) else {
                drop(accepted.changed().await);
                continue;
            };
            Batch { listener: self, trigger, partition, events: &events }.deliver(invoker, function).await;
            // The checkpoint moves whether the batch succeeded or not, but not any more when the host is stopping.
            if invoker.handler.is_given_up() {
                return;
            }
            self.checkpoints.write(&key, last + 1);
        }
    }

    fn key(&self, partition: usize) -> Key {
        Key {
            namespace: self.namespace.clone(),
            event_hub_name: self.hub.name().to_owned(),
            consumer_group: self.consumer_group.clone(),
            partition,
        }
    }
}

/// What is sent, and with a retry policy sent again as a whole.
struct Batch<'a> {
    listener: &'a Listener,
    trigger: &'a EventHubTrigger,
    partition: usize,
    events: &'a [Event],
}

impl Batch<'_> {
    async fn deliver(&self, invoker: &Invoker, function: &Function) {
        let mut failure = None;
        for attempt in 0.. {
            let envelope = self.envelope(function, attempt, failure.as_deref());
            match invoker.invoke(function, envelope, attempt).await {
                Ok(_) => return,
                Err(reason) => failure = Some(reason),
            }
            let pause = function.retry.and_then(|policy| policy.pause_before(attempt + 1));
            let Some(pause) = pause.filter(|_| !invoker.handler.is_given_up()) else { return };
            tokio::time::sleep(pause.mul_f64(self.listener.retry_time_scale)).await;
        }
    }

    fn envelope(&self, function: &Function, attempt: u32, failure: Option<&str>) -> Result<Value, String> {
        let EventHubTrigger { binding, cardinality, data_type, .. } = self.trigger;
        let context = PartitionContext {
            fully_qualified_namespace: self.listener.namespace.clone(),
            event_hub_name: self.listener.hub.name().to_owned(),
            consumer_group: self.listener.consumer_group.clone(),
            partition_id: self.partition,
        };
        let data = event_hub_data(self.events, *cardinality, *data_type)?;
        let sys = Sys::now(&function.name);
        let mut metadata = event_hub_metadata(self.events, *cardinality, *data_type, &context, &sys);
        if let Some(policy) = function.retry {
            metadata.add_retry_context(attempt, policy.max_retry_count(), failure);
        }
        Ok(envelope(binding, data, metadata))
    }
}

/// Namespace and, if the connection string has one, `EntityPath`, which wins over `eventHubName`.
fn endpoint<'a>(connection: &str, settings: &'a BTreeMap<String, String>) -> (&'a str, Option<&'a str>) {
    let connection_string = settings.get(connection).map(String::as_str).unwrap_or_default();
    let host = part_of(connection_string, "Endpoint")
        .map(|endpoint| endpoint.trim_start_matches("sb://").trim_end_matches('/'))
        .or_else(|| settings.get(&format!("{connection}__fullyQualifiedNamespace")).map(String::as_str));
    (host.unwrap_or("localhost"), part_of(connection_string, "EntityPath"))
}

fn part_of<'a>(connection_string: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = connection_string.split(';').filter_map(|part| part.split_once('='));
    parts.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
