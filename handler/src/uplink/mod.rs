//! Journey 1: a webhook's message becomes a device-to-cloud message and an update of its device's twin.

pub(crate) mod mapping;
mod parking;
mod reported;

use std::time::Duration;

use axum::body::Bytes;
use axum::response::Response;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::Instant;

use self::mapping::{Mark, Sender, device_id_from, message_from};
use self::parking::{kept, kept_reported};
use self::reported::{Reported, Rules, reported_from};
use crate::app::{App, now};
use crate::error::{Error, OPERATOR, Peer, Retry};
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
    /// Its type is neither among `WEBHOOK_MESSAGE_TYPES` nor among `WEBHOOK_TWIN_TYPES`.
    Filtered {
        message_type: String,
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
    // While the hub is waited for, of all that was read there is only what goes to it.
    drop(envelope);
    let Mapped { device_id, message_type, message, reported } = mapped;
    if message.is_none() && reported.is_none() {
        return Ok(Outcome::Filtered { message_type });
    }
    let (sent, written) = tokio::join!(
        async {
            match &message {
                Some(message) => app.iot_hub.send(message, deadline).await,
                None => Ok(()),
            }
        },
        async {
            match &reported {
                Some(reported) => report(app, &device_id, reported, deadline).await,
                None => Ok(Report::NothingToWrite),
            }
        }
    );
    let written = match (written, &reported) {
        (Ok(Report::NotAuthorized), Some(reported)) => report_again(app, &device_id, reported, &sent, deadline).await,
        (written, _) => written.map(drop),
    };
    let message_id = message.as_ref().map(|message| message.message_id.clone());
    let mut queues = QueueOutputs::default();
    let mut failure = None;
    if let (Err(error), Some(message)) = (sent, message) {
        error.log(Some(device_id.as_str()));
        keep(&mut queues, &device_id, kept(message, &message_type, &error, trace.clone(), now()), &error)?;
        failure = Some(error);
    }
    if let (Err(error), Some(reported)) = (written, reported) {
        error.log(Some(device_id.as_str()));
        keep(&mut queues, &device_id, kept_reported(&device_id, &reported, &error, trace, now()), &error)?;
        failure = failure.or(Some(error));
    }
    match failure {
        Some(error) => Ok(Outcome::Kept { error, queues }),
        None => {
            tracing::debug!(device_id = device_id.as_str(), message_id, "message delivered to IoT Hub");
            Ok(Outcome::Delivered { message_id })
        }
    }
}

/// Writes what a message reports, beside what is there if that matters.
async fn report(app: &App, device_id: &DeviceId, reported: &Reported, deadline: Instant) -> Result<Report, Error> {
    let beside = |present: &serde_json::Value| reported.beside(present);
    let depends = reported.depends_on_the_present(now());
    app.iot_hub.report(device_id, &reported.patch, depends.then_some(&beside), deadline).await
}

/// The hub did not let the device in. Its message may have created it in the meantime; if that failed too, it failed
/// for the same reason.
async fn report_again(
    app: &App,
    device_id: &DeviceId,
    reported: &Reported,
    sent: &Result<(), Error>,
    deadline: Instant,
) -> Result<(), Error> {
    if let Err(reason) = sent {
        return Err(reason.clone());
    }
    match report(app, device_id, reported, deadline).await? {
        Report::NotAuthorized => Err(not_let_in()),
        Report::Written | Report::NothingToWrite => Ok(()),
    }
}

fn not_let_in() -> Error {
    let what = "it does not let the device connect by MQTT: it does not exist yet, or the policy has no DeviceConnect";
    Error::Unavailable { peer: Peer::IotHub, what: what.to_owned(), retry: Retry::After(OPERATOR) }
}

/// Adds what keeps a part of a message. A part too large for a queue is not acknowledged, so that the sender knows.
fn keep(
    queues: &mut QueueOutputs,
    device_id: &DeviceId,
    kept: Result<QueueOutputs, TooLarge>,
    error: &Error,
) -> Result<(), Error> {
    let kept = kept.map_err(|too_large| {
        tracing::error!(device_id = device_id.as_str(), "the message cannot be kept either: {too_large}");
        error.clone()
    })?;
    queues.parked.extend(kept.parked);
    queues.dead_letter.extend(kept.dead_letter);
    Ok(())
}

/// What a webhook's message becomes.
struct Mapped {
    device_id: DeviceId,
    message_type: String,
    message: Option<DeviceToCloudMessage>,
    reported: Option<Reported>,
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
        has_radio_state: settings.iot_hub_twin_radio_state,
        replaces_decoded_payload: settings.iot_hub_twin_replaces_decoded_payload,
    };
    let is_for_the_twin = settings.webhook_twin_types.includes(&message_type);
    let reported = if is_for_the_twin { reported_from(&message, rules) } else { None };
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

/// Writes a parked update of a twin, unless the twin shows something newer.
///
/// # Errors
/// As at the first time, and [`Error::Refused`] if the device is gone.
pub(crate) async fn redeliver_reported(app: &App, item: &Item, deadline: Instant) -> Result<(), Error> {
    let reported: Reported = original(item)?;
    let device_id = device_id(item)?;
    let beside = |present: &serde_json::Value| reported.beside(present);
    match app.iot_hub.report(&device_id, &reported.patch, Some(&beside), deadline).await? {
        Report::Written => Ok(()),
        Report::NothingToWrite => {
            tracing::info!(device_id = device_id.as_str(), "parked twin update left out: newer ones have overtaken it");
            Ok(())
        }
        Report::NotAuthorized => match app.iot_hub.twin(&device_id, deadline).await? {
            Some(twin) if twin["status"] == "enabled" => Err(not_let_in()),
            twin => {
                let reason = if twin.is_some() { "is disabled" } else { "does not exist any more" };
                Err(Error::Refused { peer: Peer::IotHub, what: format!("device {device_id} {reason}") })
            }
        },
    }
}

fn original<T: DeserializeOwned>(item: &Item) -> Result<T, Error> {
    let unreadable = |reason: String| Error::Malformed(format!("the parked message cannot be read: {reason}"));
    let original = item.original().map_err(|reason| unreadable(reason.to_string()))?;
    serde_json::from_str(&original).map_err(|reason| unreadable(reason.to_string()))
}

fn device_id(item: &Item) -> Result<DeviceId, Error> {
    DeviceId::new(item.device_id.as_deref().unwrap_or_default()).map_err(Error::Malformed)
}
