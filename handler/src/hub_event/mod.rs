//! Journey 2: IoT Hub's lifecycle and twin-change events go to The Things Stack.

pub(crate) mod as_of_now;
mod correction;
mod delivery;
mod redelivery;
mod submitted;
mod triage;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;

pub(crate) use self::redelivery::redeliver;
pub(crate) use self::submitted::Submitted;

use self::delivery::{Delivery, deliver};
use self::triage::{Refused, Triage, triage};
use crate::app::{App, now};
use crate::error::Error;
use crate::invocation::{self, QueueOutputs, TriggerEvent};
use crate::iot_hub::event::{HubEvent, Recognised};
use crate::parking::{HubEventOriginal, Item, Kind};

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
