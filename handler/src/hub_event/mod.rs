//! Journey 2: IoT Hub's lifecycle and twin-change events go to The Things Stack.

pub(crate) mod as_of_now;
mod delivery;
mod submitted;
mod triage;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use tokio::time::Instant;

pub(crate) use self::submitted::Submitted;

use self::as_of_now::as_of_now;
use self::delivery::{Delivery, deliver};
use self::triage::{Refused, Triage, package_event_from, triage};
use crate::app::{App, now};
use crate::error::{Error, Peer};
use crate::invocation::{self, QueueOutputs, TriggerEvent};
use crate::iot_hub::DeviceId;
use crate::iot_hub::event::{HubEvent, Operation, Recognised};
use crate::parking::{HubEventOriginal, Item, Kind};
use crate::tts::package::Submission;

/// Function `hub_events`: takes a batch. At first a batch with events that may succeed later fails as a whole, so that
/// the host's retry policy repeats it, which keeps their order; after some tries they are parked, and the trigger's
/// checkpoint moves on.
pub(crate) async fn receive(app: &App, trace: Option<String>, envelope: &Bytes) -> Response {
    let batch = match invocation::event_batch(envelope) {
        Ok(batch) => batch,
        Err(error) => {
            error.log(None);
            return invocation::failed(StatusCode::BAD_REQUEST, &error.to_string());
        }
    };
    let is_to_be_parked = batch.is_to_be_parked();
    let partition_id = batch.partition_id.clone();
    let Triage { candidates, mut refused, mut tally } = triage(batch, &app.settings.tts_application_id, &app.submitted);
    let Delivery { submitted, rejected, left } = deliver(app, candidates).await;
    tally.submitted += submitted;
    refused.extend(rejected);
    if let Some((_, error)) = &left {
        error.log(None);
        if !is_to_be_parked {
            return invocation::failed(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}; so far {tally}"));
        }
    }
    let mut queues = QueueOutputs::default();
    let kept = |source, error: &Error| item(partition_id.clone(), source, error, trace.clone());
    for Refused { source, error } in refused {
        let (device_id, sequence_number) = (source.device_id(), source.sequence_number);
        tracing::error!(
            device_id,
            partition_id,
            sequence_number,
            kind = error.kind(),
            "hub event dead-lettered: {error}"
        );
        queues.dead_letter.extend(kept(source, &error));
    }
    if let Some((candidates, error)) = left {
        queues.parked.extend(candidates.into_iter().filter_map(|candidate| kept(candidate.source, &error)));
    }
    (tally.parked, tally.dead_lettered) = (queues.parked.len(), queues.dead_letter.len());
    tracing::info!("{tally}");
    invocation::done(&tally.to_string(), &queues)
}

/// Function `hub_events` while settings are wrong: after the same number of tries every event that may be ours is parked.
pub(crate) fn receive_misconfigured(error: &Error, trace: Option<String>, envelope: &Bytes) -> Response {
    let failed = |reason: &Error| {
        reason.log(None);
        invocation::failed(StatusCode::SERVICE_UNAVAILABLE, &reason.to_string())
    };
    let batch = match invocation::event_batch(envelope) {
        Ok(batch) if batch.is_to_be_parked() => batch,
        Ok(_) => return failed(error),
        Err(malformed) => return failed(&malformed),
    };
    let is_ours = |event: &TriggerEvent| {
        !matches!(HubEvent::recognise(&event.body, &event.properties), Ok(Recognised::Ignored(_)))
    };
    let kept = |event| item(batch.partition_id.clone(), event, error, trace.clone());
    let parked: Vec<_> = batch.events.into_iter().filter(is_ours).filter_map(kept).collect();
    tracing::error!("{} hub events parked: {error}", parked.len());
    invocation::done("parked", &QueueOutputs { parked, ..QueueOutputs::default() })
}

/// The queue item of an event. A body that does not fit, which no twin's does, is left out.
fn item(partition_id: Option<String>, source: TriggerEvent, error: &Error, trace: Option<String>) -> Option<String> {
    let device_id = source.device_id().map(str::to_owned);
    let (sequence_number, bytes) = (source.sequence_number, source.body.len());
    let encode = |original: &HubEventOriginal| {
        Item::new(Kind::HubEvent, error, now(), original).about(device_id.clone(), trace.clone()).encode()
    };
    let original = HubEventOriginal::new(partition_id, sequence_number, source.properties, &source.body);
    let encoded = encode(&original).or_else(|_| encode(&original.without_body(bytes)));
    encoded.map_err(|too_large| tracing::error!(device_id, sequence_number, "hub event lost: {too_large}")).ok()
}

/// Submits a parked event again, as of now: keys are read anew, and what newer changes have overtaken is left out.
///
/// # Errors
/// As at the first time.
pub(crate) async fn redeliver(app: &App, item: &Item, deadline: Instant) -> Result<(), Error> {
    let unreadable = |reason: String| Error::Malformed(format!("the parked event cannot be read: {reason}"));
    let original = item.original().map_err(|reason| unreadable(reason.to_string()))?;
    let original: HubEventOriginal =
        serde_json::from_str(&original).map_err(|reason| unreadable(reason.to_string()))?;
    let body = original.body.ok_or_else(|| unreadable("its body is not a twin".to_owned()))?;
    let event = match HubEvent::recognise(Value::Object(body).to_string().as_bytes(), &original.properties) {
        Ok(Recognised::Event(event)) => event,
        Ok(Recognised::Ignored(_)) => return Ok(()),
        Err(reason) => return Err(unreadable(reason)),
    };
    let device_id = DeviceId::new(&event.device_id).map_err(Error::Malformed)?;
    let twin = app.iot_hub.twin(&device_id, deadline).await?;
    let Some(event) = as_of_now(event, twin.as_ref()) else {
        tracing::info!(device_id = device_id.as_str(), "parked event left out: newer changes have overtaken it");
        return Ok(());
    };
    let was_deletion = event.operation == Operation::Deleted;
    submit(app, event).await?;
    if was_deletion {
        announce_again(app, &device_id, deadline).await?;
    }
    Ok(())
}

/// A device created anew while its late deletion was under way may have been deleted with it.
async fn announce_again(app: &App, device_id: &DeviceId, deadline: Instant) -> Result<(), Error> {
    match app.iot_hub.twin(device_id, deadline).await?.and_then(|twin| HubEvent::of_tags(device_id, &twin)) {
        Some(event) => submit(app, event).await,
        None => Ok(()),
    }
}

async fn submit(app: &App, event: HubEvent) -> Result<(), Error> {
    let event = package_event_from(event, &app.settings.tts_application_id)?;
    match app.tts.submit(&[&event]).await? {
        Submission::Accepted => Ok(()),
        Submission::Rejected(reason) => Err(Error::Refused { peer: Peer::Tts, what: reason.to_string() }),
    }
}
