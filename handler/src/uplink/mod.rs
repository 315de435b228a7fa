//! Journey 1: a webhook's message becomes a device-to-cloud message and an update of its device's twin.

pub(crate) mod mapping;
mod newest;
mod parking;
mod reported;
mod twin;
mod unchanged;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::Instant;

use self::mapping::{Mark, Sender, device_id_from, message_from};
pub(crate) use self::newest::Newest;
use self::parking::{kept, kept_reported};
pub(crate) use self::twin::redeliver_reported;
pub(crate) use self::unchanged::Unchanged;

use self::reported::{NoTime, Reported, Rules, reported_from};
use crate::app::{App, now};
use crate::error::Error;
use crate::invocation::{self, QueueOutputs};
use crate::iot_hub::{DeviceId, DeviceToCloudMessage, Report};
use crate::parking::{Item, TooLarge, UplinkOriginal};
use crate::tts::{Message, webhook};

/// Part of the time budget that is kept for making a queue item, and for the host to write it.
const KEEPING: Duration = Duration::from_millis(300);

/// What became of a webhook's message.
enum Outcome {
    Delivered {
        message_id: Option<String>,
    },
    /// Nothing of it is for IoT Hub.
    Ignored {
        reason: String,
    },
    /// Not delivered now, at least in part, but safe in a queue once the invocation has succeeded.
    Kept {
        error: Error,
        queues: QueueOutputs,
    },
}

/// Function `uplink`: takes one message and answers its sender. 2xx means that IoT Hub has all of it, or a queue.
pub(crate) async fn receive(app: &App, trace: Option<String>, envelope: Bytes) -> Response {
    let deadline = Instant::now() + app.settings.webhook_answer_within.saturating_sub(KEEPING);
    let (status, body, queues) = match deliver(app, trace, envelope, deadline).await {
        Ok(Outcome::Delivered { message_id }) => {
            (200, json!({"status": "delivered", "message_id": message_id}), QueueOutputs::default())
        }
        Ok(Outcome::Ignored { reason }) => {
            (200, json!({"status": "ignored", "reason": reason}), QueueOutputs::default())
        }
        Ok(Outcome::Kept { error, queues }) => {
            let status = if error.is_transient() { "parked" } else { "dead-lettered" };
            (202, json!({"status": status, "error": error.kind(), "reason": error.to_string()}), queues)
        }
        Err(error) => return answer_failed(&error),
    };
    invocation::http_output(status, &body, queues)
}

/// The answer to a message that is not accepted: nothing is kept, and the sender hears why.
pub(crate) fn answer_failed(error: &Error) -> Response {
    let body = json!({"status": "failed", "error": error.kind(), "reason": error.to_string()});
    invocation::http_output(error.status(), &body, QueueOutputs::default())
}

async fn deliver(app: &App, trace: Option<String>, envelope: Bytes, deadline: Instant) -> Result<Outcome, Error> {
    let mapped = mapped(app, &envelope)?;
    // While the hub is waited for, of all that was read there is only what goes to it.
    drop(envelope);
    let Mapped { device_id, message_type, message, reported } = mapped;
    let reported = match (&message, reported) {
        (None, Err(reason)) => return Ok(Outcome::Ignored { reason: reason.to_string() }),
        (None, Ok(None)) => {
            return Ok(Outcome::Ignored { reason: format!("{message_type} is not among WEBHOOK_MESSAGE_TYPES") });
        }
        (_, reported) => reported.unwrap_or_default(),
    };
    if let Some((fate, desired_version)) = reported.as_deref().and_then(Reported::fate) {
        tracing::info!(device_id = device_id.as_str(), fate, desired_version, "news of a downlink");
    }
    let (sent, written) = hand_over(app, &device_id, message.as_ref(), reported.as_ref(), deadline).await;
    let message_id = message.as_ref().map(|message| message.message_id.clone());
    let mut kept_parts = KeptParts { device_id, queues: QueueOutputs::default(), failure: None };
    if let (Err(error), Some(message)) = (sent, message) {
        kept_parts.add(kept(message, &message_type, &error, trace.clone(), now()), error)?;
    }
    if let (Err(error), Some(reported)) = (written, reported) {
        kept_parts.add(kept_reported(&kept_parts.device_id, &reported, &error, trace, now()), error)?;
    }
    let KeptParts { device_id, queues, failure } = kept_parts;
    match failure {
        Some(error) => Ok(Outcome::Kept { error, queues }),
        None => {
            tracing::debug!(device_id = device_id.as_str(), message_id, "message delivered to IoT Hub");
            Ok(Outcome::Delivered { message_id })
        }
    }
}

/// Sends the message and writes the twin, side by side; what became of each. A part that is not there is done.
async fn hand_over(
    app: &App,
    device_id: &DeviceId,
    message: Option<&DeviceToCloudMessage>,
    reported: Option<&Arc<Reported>>,
    deadline: Instant,
) -> (Result<(), Error>, Result<(), Error>) {
    let send = async {
        match message {
            Some(message) => app.iot_hub.send(message, deadline).await,
            None => Ok(()),
        }
    };
    let Some(reported) = reported else { return (send.await, Ok(())) };
    // Boxed, so that a message without a twin update does not carry its future along.
    let (sent, written) = tokio::join!(send, Box::pin(twin::report(app, device_id, reported, false, deadline)));
    let written = match written {
        Ok(Report::NotAuthorized) => Box::pin(twin::report_again(app, device_id, reported, &sent, deadline)).await,
        written => written.map(drop),
    };
    (sent, written)
}

/// The parts of a message that were not delivered and lie in queues.
struct KeptParts {
    device_id: DeviceId,
    queues: QueueOutputs,
    /// Why the first of them was not delivered.
    failure: Option<Error>,
}

impl KeptParts {
    /// Logs a failure and adds what keeps its part. A part too large for a queue is not acknowledged, so that the sender
    /// knows.
    fn add(&mut self, kept: Result<QueueOutputs, TooLarge>, error: Error) -> Result<(), Error> {
        let device_id = self.device_id.as_str();
        match kept {
            Ok(kept) => {
                error.log_kept(Some(device_id), Some(kept.parked.len()), Some(kept.dead_letter.len()));
                self.queues.parked.extend(kept.parked);
                self.queues.dead_letter.extend(kept.dead_letter);
                self.failure.get_or_insert(error);
                Ok(())
            }
            Err(too_large) => {
                error.log(Some(device_id));
                tracing::error!(device_id, "the message cannot be kept either: {too_large}");
                Err(error)
            }
        }
    }
}

/// What a webhook's message becomes.
struct Mapped {
    device_id: DeviceId,
    message_type: String,
    message: Option<DeviceToCloudMessage>,
    reported: Result<Option<Arc<Reported>>, NoTime>,
}

/// Reads, checks and maps a message; logs why it cannot.
fn mapped(app: &App, envelope: &Bytes) -> Result<Mapped, Error> {
    let logged = |device_id: Option<&str>, error: Error| {
        error.log(device_id);
        error
    };
    let settings = &app.settings;
    let request = invocation::http_request(envelope).map_err(|error| logged(None, error))?;
    webhook::authenticate(&request, &settings.webhook_secrets).map_err(|error| logged(None, error))?;
    let message = webhook::body(&request).and_then(Message::parse).map_err(|error| logged(None, error))?;
    let message_type = message.message_type.to_string();
    let sender = Sender::of(&message, &request);
    let device_id =
        device_id_from(&sender, &settings.device_ids).map_err(|error| logged(sender.device_id.as_deref(), error))?;
    let rules = Rules {
        has_radio_state: settings.twins.has_radio_state,
        replaces_decoded_payload: settings.twins.replaces_decoded_payload,
    };
    let is_for_the_twin = settings.webhook_twin_types.includes(&message_type);
    let reported = if is_for_the_twin { reported_from(&message, rules) } else { Ok(None) };
    if let Err(reason) = reported {
        app.no_time.call_once(|| tracing::warn!(device_id = device_id.as_str(), "{reason}; this is said once"));
    }
    let reported = reported.map(|reported| reported.map(Arc::new));
    let message = if settings.webhook_message_types.includes(&message_type) {
        let message = message_from(&message, sender, device_id.clone(), &[]);
        Some(message.map_err(|error| logged(Some(device_id.as_str()), error))?)
    } else {
        None
    };
    Ok(Mapped { device_id, message_type, message, reported })
}

/// Delivers a parked message again, marked as redelivered: it comes late, and others may have overtaken it.
///
/// # Errors
/// As at the first time.
pub(crate) async fn redeliver(app: &App, item: &Item, deadline: Instant) -> Result<(), Error> {
    let original: UplinkOriginal = original(item)?;
    let message = Message::parse(original.message.get())?;
    let device_id = device_id(item)?;
    let in_tts = app.settings.device_ids.in_tts(device_id.as_str()).ok().map(|ids| ids.device_id().to_owned());
    let sender = Sender { device_id: in_tts, application_id: original.application_id };
    let marks: &[Mark] = if original.trimmed { &[Mark::Trimmed, Mark::Redelivered] } else { &[Mark::Redelivered] };
    let message = message_from(&message, sender, device_id, marks)?;
    app.iot_hub.send(&message, deadline).await
}

fn original<T: DeserializeOwned>(item: &Item) -> Result<T, Error> {
    let unreadable = |reason: String| Error::Malformed(format!("the parked message cannot be read: {reason}"));
    let original = item.original().map_err(|reason| unreadable(reason.to_string()))?;
    serde_json::from_str(&original).map_err(|reason| unreadable(reason.to_string()))
}

fn device_id(item: &Item) -> Result<DeviceId, Error> {
    DeviceId::new(item.device_id.as_deref().unwrap_or_default()).map_err(Error::Malformed)
}
