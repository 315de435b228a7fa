//! One invocation: wait for the handler, post the envelope, judge the answer, record it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::answer::Answer;
use super::client::{HandlerClient, RawAnswer};
use super::function_json::Function;
use super::output::{HttpResponse, Outputs, QueueOutput};
use super::process::{Handler, State};
use super::queue_settings::MessageEncoding;
use super::record::{Invocation, Record};
use crate::storage_queue::Queues;

/// Everything invocations share.
#[derive(Debug)]
pub(super) struct Invoker {
    pub client: HandlerClient,
    pub handler: Handler,
    pub record: Record,
    pub functions: Vec<Function>,
    pub function_timeout: Option<Duration>,
    pub initialization_timeout: Duration,
    pub queues: BTreeMap<String, Queues>,
    pub encoding: MessageEncoding,
}

impl Invoker {
    pub(super) fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    /// Runs one attempt to its end and records it. An envelope that could not be made fails it without the handler.
    ///
    /// # Errors
    /// Why the attempt failed.
    pub(super) async fn invoke(
        &self,
        function: &Function,
        envelope: Result<Value, String>,
        retry_count: u32,
    ) -> Result<Option<HttpResponse>, String> {
        let invocation_id = Uuid::new_v4();
        let mut raw = None;
        let result = match envelope {
            Ok(envelope) => match self.post(&function.name, invocation_id, envelope.to_string().into_bytes()).await {
                Ok(answer) => self.put_out(function, raw.insert(answer)).await,
                Err(failure) => Err(failure),
            },
            Err(failure) => Err(failure),
        };
        self.record.add(Invocation {
            function: function.name.clone(),
            invocation_id,
            succeeded: result.is_ok(),
            status: raw.as_ref().map(|raw| raw.status),
            failure: result.as_ref().err().cloned(),
            response: raw.and_then(|raw| serde_json::from_slice(&raw.body).ok()),
            retry_count,
        });
        result
    }

    /// Posts bytes as they are; neither judged nor recorded.
    pub(super) async fn post(&self, function: &str, id: Uuid, body: Vec<u8>) -> Result<RawAnswer, String> {
        let (port, pid) = self.listening().await?;
        let answer = self.client.post(port, function, id, body);
        let Some(limit) = self.function_timeout else { return answer.await };
        tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| {
            self.handler.replace(pid);
            Err(format!("Timeout value of {limit:?} exceeded: the handler is killed and started again"))
        })
    }

    /// Everything is in its queue before the response goes out; a binding that fails does not hold up the others, but
    /// it fails the invocation.
    async fn put_out(&self, function: &Function, raw: &RawAnswer) -> Result<Option<HttpResponse>, String> {
        let answer = Answer::parse(raw)?;
        let outputs = Outputs::from_answer(function, &answer)?;
        let mut result = Ok(outputs.response);
        for output in &outputs.queues {
            if let Err(reason) = self.put(output).await {
                result = Err(reason);
            }
        }
        result
    }

    async fn put(&self, output: &QueueOutput) -> Result<(), String> {
        let QueueOutput { connection, queue_name, messages } = output;
        let queues = self.queues.get(connection).ok_or_else(|| format!("no storage account {connection}"))?;
        for message in messages {
            let put = queues.put_creating(queue_name, &self.encoding.encode(message)).await;
            put.map_err(|error| format!("queue {queue_name}: {error}"))?;
        }
        Ok(())
    }

    /// Invocations wait for a starting handler four times as long as its start may take.
    async fn listening(&self) -> Result<(u16, Option<u32>), String> {
        let settled = tokio::time::timeout(self.initialization_timeout * 4, self.handler.settled()).await;
        match settled.map_err(|_| "Initialization timed out".to_owned())? {
            State::Listening { port, pid } => Ok((port, pid)),
            State::Finished => Err("connection refused: the handler exited with 0 and is not restarted".to_owned()),
            State::GivenUp(reason) => Err(format!("Exceeded handler restart retry count: {reason}")),
            State::Starting => Err("the handler is still starting".to_owned()),
        }
    }
}
