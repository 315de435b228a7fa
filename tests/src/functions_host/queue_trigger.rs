//! Queue triggers: messages in batches, side by side, deleted or tried again or moved to the poison queue.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Options;
use super::envelope::{Sys, envelope, queue_data, queue_metadata};
use super::error::StartError;
use super::function_json::{Function, QueueTrigger, Trigger};
use super::invoker::Invoker;
use super::queue_settings::QueueSettings;
use crate::storage_queue::{Message, Queues, SEVEN_DAYS};

/// How long a message is hidden while it is processed; renewed at half time.
const HIDDEN: Duration = Duration::from_mins(10);
/// The same in an account whose time flies: long enough for a busy machine to renew it.
const LEAST_HIDDEN_SECONDS: f64 = 4.0;
/// The shortest pause between two looks at an empty queue.
const MIN_POLLING_INTERVAL: Duration = Duration::from_millis(100);

/// Reads one queue for one function.
#[derive(Debug)]
pub(super) struct Listener {
    queues: Queues,
    queue_name: String,
    settings: QueueSettings,
    hidden: Duration,
}

impl Listener {
    /// Finds the trigger's storage account by its connection.
    pub(super) fn new(
        function: &str,
        trigger: &QueueTrigger,
        options: &Options,
        settings: &QueueSettings,
    ) -> Result<Self, StartError> {
        let queues = options.account(function, &trigger.connection)?.clone();
        let least = Duration::try_from_secs_f64(LEAST_HIDDEN_SECONDS / queues.time_scale()).unwrap_or(SEVEN_DAYS);
        Ok(Self {
            hidden: HIDDEN.max(least).min(SEVEN_DAYS),
            queues,
            queue_name: trigger.queue_name.clone(),
            settings: settings.clone(),
        })
    }

    /// Reads until the host stops, and ends when what was being processed then has ended too.
    pub(super) async fn read(self: Arc<Self>, invoker: Arc<Invoker>, function: String) {
        let mut processing = JoinSet::new();
        let mut pause = MIN_POLLING_INTERVAL;
        while !invoker.handler.is_given_up() {
            // A queue that does not exist yet, or an account that is away, is as good as empty.
            let messages = self.queues.get(&self.queue_name, self.settings.batch_size, self.hidden).await;
            let messages = messages.unwrap_or_default();
            if messages.is_empty() {
                tokio::select! {
                    () = invoker.handler.given_up() => {}
                    () = self.queues.wait_for_message(&self.queue_name, pause) => {}
                }
                pause = (pause * 2).min(self.settings.max_polling_interval.max(MIN_POLLING_INTERVAL));
                continue;
            }
            pause = MIN_POLLING_INTERVAL;
            for message in messages {
                let (listener, invoker, function) = (self.clone(), invoker.clone(), function.clone());
                processing.spawn(async move { listener.process(&invoker, &function, message).await });
            }
            while processing.len() > self.settings.new_batch_threshold {
                processing.join_next().await;
            }
        }
        while processing.join_next().await.is_some() {}
    }

    /// A message got too often or in another encoding is poison without reaching the handler.
    async fn process(&self, invoker: &Invoker, function: &str, mut message: Message) {
        let Some(function) = invoker.function(function) else { return };
        let Trigger::Queue(trigger) = &function.trigger else { return };
        let is_worn_out = message.dequeue_count > self.settings.max_dequeue_count;
        let Some(body) = self.settings.encoding.decode(&message.text).filter(|_| !is_worn_out) else {
            return self.move_to_poison_queue(&message).await;
        };
        match self.invoke(invoker, function, trigger, &mut message, &body).await {
            // Should the deletion fail, the message comes again, as it would in the host.
            Ok(_) => drop(self.queues.delete(&self.queue_name, &message.id, &message.pop_receipt).await),
            Err(_) if message.dequeue_count >= self.settings.max_dequeue_count => {
                self.move_to_poison_queue(&message).await;
            }
            Err(_) => self.release(&message).await,
        }
    }

    /// Runs the function and keeps the message hidden meanwhile.
    async fn invoke(
        &self,
        invoker: &Invoker,
        function: &Function,
        trigger: &QueueTrigger,
        message: &mut Message,
        body: &[u8],
    ) -> Result<(), String> {
        let metadata = queue_metadata(message, body, trigger.data_type, &Sys::now(&function.name));
        let envelope = envelope(&trigger.binding, queue_data(body, trigger.data_type), metadata);
        let mut invocation = pin!(invoker.invoke(function, Ok(envelope), message.dequeue_count.saturating_sub(1)));
        let half_time = self.hidden.mul_f64(self.queues.time_scale() / 2.0);
        loop {
            tokio::select! {
                result = &mut invocation => return result.map(drop),
                () = sleep(half_time) => self.renew(message).await,
            }
        }
    }

    async fn renew(&self, message: &mut Message) {
        let renewed = self.queues.update(&self.queue_name, &message.id, &message.pop_receipt, self.hidden).await;
        if let Ok(receipt) = renewed {
            message.pop_receipt = receipt.pop_receipt;
        }
    }

    /// Makes a failed message visible after host.json's visibility timeout. One in a poison queue is left hidden.
    async fn release(&self, message: &Message) {
        if self.poison_queue().is_some() {
            let timeout = self.settings.visibility_timeout;
            drop(self.queues.update(&self.queue_name, &message.id, &message.pop_receipt, timeout).await);
        }
    }

    /// First put, then deleted: what goes wrong in between makes a second copy but loses nothing.
    async fn move_to_poison_queue(&self, message: &Message) {
        let Some(poison_queue) = self.poison_queue() else { return };
        if self.queues.put_creating(&poison_queue, &message.text).await.is_ok() {
            drop(self.queues.delete(&self.queue_name, &message.id, &message.pop_receipt).await);
        }
    }

    /// A poison queue has none of its own.
    fn poison_queue(&self) -> Option<String> {
        (!self.queue_name.ends_with("-poison")).then(|| format!("{}-poison", self.queue_name))
    }
}
