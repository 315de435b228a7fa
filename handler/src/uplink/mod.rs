//! Journey 1: a webhook's message becomes a device-to-cloud message.

pub(crate) mod mapping;
mod parking;

use std::time::Duration;

use axum::body::Bytes;
use axum::response::Response;
use serde_json::json;
use tokio::time::Instant;

use self::mapping::{Mark, Sender, device_id_from, message_from};
use self::parking::kept;
use crate::app::{App, now};
use crate::error::Error;
use crate::invocation::{self, QueueOutputs};
use crate::iot_hub::{DeviceId, DeviceToCloudMessage};
use crate::parking::{Item, UplinkOriginal};
use crate::tts::{Message, webhook};

/// Part of the time budget that is kept for making a queue item, and for the host to write it.
const KEEPING: Duration = Duration::from_millis(300);

/// What became of a webhook's message.
enum Outcome {
    Delivered {
        message_id: String,
    },
    /// Its type is not among `WEBHOOK_MESSAGE_TYPES`.
    Filtered {
        message_type: String,
    },
    /// Not delivered now, but safe in a queue once the invocation has succeeded.
    Kept {
        error: Error,
        queues: QueueOutputs,
    },
}

/// Function `uplink`: takes one message and answers its sender. 2xx means that IoT Hub has the message, or a queue.
pub(crate) async fn receive(app: &App, trace: Option<String>, envelope: Bytes) -> Response {
    let deadline = Instant::now() + app.settings.webhook_answer_within.saturating_sub(KEEPING);
    let (status, body, queues) = match deliver(app, trace, envelope, deadline).await {
        Ok(Outcome::Delivered { message_id }) => {
            (200, json!({"status": "delivered", "message_id": message_id}), QueueOutputs::default())
        }
        Ok(Outcome::Filtered { message_type }) => {
            let reason = format!("{message_type} is not among WEBHOOK_MESSAGE_TYPES");
            (200, json!({"status": "ignored", "reason": reason}), QueueOutputs::default())
        }
        Ok(Outcome::Kept { error, queues }) => {
            let status = if queues.parked.is_empty() { "dead-lettered" } else { "parked" };
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
    // While the hub is waited for, of all that was read there is only the message.
    drop(envelope);
    let (message, message_type) = match mapped {
        Mapped::Message(message, message_type) => (message, message_type),
        Mapped::Filtered { message_type } => return Ok(Outcome::Filtered { message_type }),
    };
    let Err(error) = app.iot_hub.send(&message, deadline).await else {
        tracing::debug!(
            device_id = message.device_id.as_str(),
            message_id = message.message_id,
            "message delivered to IoT Hub"
        );
        return Ok(Outcome::Delivered { message_id: message.message_id });
    };
    let device_id = message.device_id.clone();
    error.log(Some(device_id.as_str()));
    match kept(message, &message_type, &error, trace, now()) {
        Ok(queues) => Ok(Outcome::Kept { error, queues }),
        // Too large for a queue: not acknowledged, so that the sender knows.
        Err(too_large) => {
            tracing::error!(device_id = device_id.as_str(), "the message cannot be kept either: {too_large}");
            Err(error)
        }
    }
}

/// What a webhook's message becomes, with its type.
enum Mapped {
    Message(DeviceToCloudMessage, String),
    Filtered { message_type: String },
}

/// Reads, checks and maps a message; logs why it cannot.
fn mapped(app: &App, envelope: &Bytes) -> Result<Mapped, Error> {
    let logged = |device_id: Option<&str>, error: Error| {
        error.log(device_id);
        error
    };
    let request = invocation::http_request(envelope).map_err(|error| logged(None, error))?;
    webhook::authenticate(&request, &app.settings.webhook_secrets).map_err(|error| logged(None, error))?;
    let message = webhook::body(&request).and_then(Message::parse).map_err(|error| logged(None, error))?;
    let message_type = message.message_type.to_string();
    if !app.settings.webhook_message_types.includes(&message_type) {
        return Ok(Mapped::Filtered { message_type });
    }
    let sender = Sender::of(&message, &request);
    let device_id = device_id_from(&sender, &app.settings.device_ids)
        .map_err(|error| logged(sender.device_id.as_deref(), error))?;
    let message = message_from(&message, sender, device_id.clone(), &[])
        .map_err(|error| logged(Some(device_id.as_str()), error))?;
    Ok(Mapped::Message(message, message_type))
}

/// Delivers a parked message again, marked as redelivered: it comes late, and others may have overtaken it.
///
/// # Errors
/// As at the first time.
pub(crate) async fn redeliver(app: &App, item: &Item, deadline: Instant) -> Result<(), Error> {
    let unreadable = |reason: String| Error::Malformed(format!("the parked message cannot be read: {reason}"));
    let original = item.original().map_err(|reason| unreadable(reason.to_string()))?;
    let original: UplinkOriginal = serde_json::from_str(&original).map_err(|reason| unreadable(reason.to_string()))?;
    let message = Message::parse(original.message.get())?;
    let device_id = item.device_id.as_deref().unwrap_or_default();
    let in_tts = app.settings.device_ids.in_tts(device_id).ok().map(|ids| ids.device_id().to_owned());
    let device_id = DeviceId::new(device_id).map_err(Error::Malformed)?;
    let sender = Sender { device_id: in_tts, application_id: original.application_id };
    let marks: &[Mark] = if original.trimmed { &[Mark::Trimmed, Mark::Redelivered] } else { &[Mark::Redelivered] };
    let message = message_from(&message, sender, device_id, marks)?;
    app.iot_hub.send(&message, deadline).await
}
