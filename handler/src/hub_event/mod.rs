//! Journey 2: IoT Hub's lifecycle and twin-change events go to The Things Stack.

pub(crate) mod as_of_now;
pub(crate) mod by_api;
mod by_package;
mod delivery;
mod redelivery;
mod submitted;
mod triage;

use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;

pub(crate) use self::redelivery::redeliver;
pub(crate) use self::submitted::Submitted;

use self::by_api::{ByApi, Request};
use self::delivery::Delivery;
use self::triage::{Triage, triage};
use crate::app::{App, now};
use crate::error::Error;
use crate::invocation::{self, EventBatch, QueueOutputs, TriggerEvent};
use crate::iot_hub::event::{HubEvent, Recognised};
use crate::parking::{HubEventOriginal, Item, Kind};
use crate::settings::OnDeviceDeletion;
use crate::tts::TheThingsStack;

/// How long a batch may take; with one more request it stays below the host's `functionTimeout` of five minutes, after
/// which the host would kill the handler and move on.
const PATIENCE: Duration = Duration::from_secs(4 * 60);

/// Function `hub_events`: takes a batch. At first a batch with events that may succeed later fails as a whole, so that
/// the host's retry policy repeats it, which keeps their order; after some tries they are parked, and the trigger's
/// checkpoint moves on.
pub(crate) async fn receive(app: &App, trace: Option<String>, envelope: &Bytes) -> Response {
    let batch = match batch_of(envelope) {
        Ok(batch) => batch,
        Err(error) => return invocation::failed(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let is_to_be_parked = batch.is_to_be_parked();
    let partition_id = batch.partition_id.clone();
    let irrelevance = |event: &HubEvent| irrelevance(app, event);
    let Triage { candidates, refused, mut tally } =
        triage(batch, &app.settings.device_ids, &app.submitted, irrelevance, now());
    let delivery = match &app.tts {
        TheThingsStack::Package(package) => by_package::deliver(package, candidates, &app.submitted, PATIENCE).await,
        TheThingsStack::Api(api) => {
            ByApi { app, api }.deliver(candidates, &app.submitted, is_to_be_parked, PATIENCE).await
        }
    };
    tally.delivered = delivery.delivered;
    if let Some((_, error)) = delivery.left.first() {
        error.log(None);
        if !is_to_be_parked {
            // What is set aside comes again with the batch.
            return invocation::failed(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}; so far {tally}"));
        }
    }
    let kept = |source, tags: &Value, error: &Error| item(partition_id.clone(), source, tags, error, trace.clone());
    let queues = queues(delivery, refused, partition_id.as_deref(), kept);
    (tally.parked, tally.dead_lettered) = (queues.parked.len(), queues.dead_letter.len());
    tally.log();
    invocation::done(&tally.to_string(), &queues)
}

/// Reads a batch. An alert reads `stuck`: such a batch holds up its partition for ever, however well the peers are.
fn batch_of(envelope: &Bytes) -> Result<EventBatch, Error> {
    let batch = invocation::event_batch(envelope);
    match &batch {
        Ok(batch) => {
            if let Some(retry_count) = batch.retries_in_vain() {
                let partition_id = batch.partition_id.as_deref();
                tracing::error!(
                    stuck = true,
                    retry_count,
                    partition_id,
                    "hub events come again though they were to be parked"
                );
            }
        }
        Err(error) => tracing::error!(stuck = true, kind = error.kind(), "hub events cannot be read: {error}"),
    }
    batch
}

/// Where events go that are not delivered.
fn queues(
    delivery: Delivery,
    unreadable: Vec<(TriggerEvent, Error)>,
    partition_id: Option<&str>,
    kept: impl Fn(TriggerEvent, &Value, &Error) -> Option<String>,
) -> QueueOutputs {
    let Delivery { delivered: _, refused, set_aside, left } = delivery;
    let mut queues = QueueOutputs::default();
    let refused = refused.into_iter().map(|(candidate, error)| (candidate.source, candidate.device_tags, error));
    let unreadable = unreadable.into_iter().map(|(source, error)| (source, Value::Null, error));
    for (source, tags, error) in unreadable.chain(refused) {
        let (device_id, sequence_number) = (source.device_id(), source.sequence_number);
        let kind = error.kind();
        tracing::error!(device_id, partition_id, sequence_number, kind, "hub event dead-lettered: {error}");
        queues.dead_letter.extend(kept(source, &tags, &error));
    }
    for (candidate, error) in &set_aside {
        error.log(candidate.source.device_id());
    }
    let parked = set_aside.into_iter().chain(left);
    queues
        .parked
        .extend(parked.filter_map(|(candidate, error)| kept(candidate.source, &candidate.device_tags, &error)));
    queues
}

/// Why there is nothing to do for an event. The package is told of every event and decides itself.
fn irrelevance(app: &App, event: &HubEvent) -> Option<&'static str> {
    if matches!(app.tts, TheThingsStack::Package(_)) {
        return None;
    }
    match Request::of(event) {
        None => Some("neither tags.lorawan nor a downlink is in it"),
        Some(Request::Deletion { .. }) if app.settings.tts_on_device_deletion == OnDeviceDeletion::Keep => {
            Some("a device was deleted and TTS_ON_DEVICE_DELETION is keep")
        }
        Some(Request::Deletion { .. }) if app.settings.device_ids.in_tts(&event.device_id).is_err() => {
            Some("a device was deleted that The Things Stack cannot have had")
        }
        Some(Request::Deletion { .. } | Request::Change(_)) => None,
    }
}

/// Function `hub_events` while settings are wrong: after the same number of tries every event that may be ours is parked.
pub(crate) fn receive_misconfigured(error: &Error, trace: Option<String>, envelope: &Bytes) -> Response {
    let failed = |reason: &Error| invocation::failed(StatusCode::SERVICE_UNAVAILABLE, &reason.to_string());
    let batch = match batch_of(envelope) {
        Ok(batch) if batch.is_to_be_parked() => batch,
        Ok(_) => {
            error.log(None);
            return failed(error);
        }
        Err(malformed) => return failed(&malformed),
    };
    let is_ours = |event: &TriggerEvent| {
        !matches!(HubEvent::recognise(&event.body, &event.properties), Ok(Recognised::Ignored(_)))
    };
    let kept = |event| item(batch.partition_id.clone(), event, &Value::Null, error, trace.clone());
    let parked: Vec<_> = batch.events.into_iter().filter(is_ours).filter_map(kept).collect();
    tracing::error!(parked = parked.len(), "{} hub events parked: {error}", parked.len());
    invocation::done("parked", &QueueOutputs { parked, ..QueueOutputs::default() })
}

/// The queue item of an event of a device with these `tags.lorawan`, if they are known. A body that does not fit, which no
/// twin's does, is left out.
fn item(
    partition_id: Option<String>,
    source: TriggerEvent,
    tags: &Value,
    error: &Error,
    trace: Option<String>,
) -> Option<String> {
    let device_id = source.device_id().map(str::to_owned);
    let (sequence_number, bytes) = (source.sequence_number, source.body.len());
    let encode = |original: &HubEventOriginal| {
        Item::new(Kind::HubEvent, error, now(), original).about(device_id.clone(), trace.clone()).encode()
    };
    let original =
        HubEventOriginal::new(partition_id, sequence_number, source.properties, &source.body).of_device(tags);
    let encoded = encode(&original).or_else(|_| encode(&original.without_body(bytes)));
    encoded.map_err(|too_large| tracing::error!(device_id, sequence_number, "hub event lost: {too_large}")).ok()
}
