//! Journey 2: IoT Hub's lifecycle and twin-change events go to The Things Stack.

pub(crate) mod as_of_now;
pub(crate) mod by_api;
mod by_package;
mod delivery;
mod submitted;
mod triage;

use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use tokio::time::Instant;

pub(crate) use self::submitted::Submitted;

use self::as_of_now::as_of_now;
use self::by_api::{ByApi, Request};
use self::by_package::package_event_from;
use self::delivery::Delivery;
use self::triage::{Triage, triage};
use crate::app::{App, now};
use crate::error::{Error, Peer};
use crate::invocation::{self, QueueOutputs, TriggerEvent};
use crate::iot_hub::DeviceId;
use crate::iot_hub::event::{HubEvent, Operation, Recognised};
use crate::parking::{HubEventOriginal, Item, Kind};
use crate::settings::OnDeviceDeletion;
use crate::tts::TheThingsStack;
use crate::tts::id::EndDeviceIds;
use crate::tts::package::{Package, Submission};

/// How long a batch may take; with one more request it stays below the host's `functionTimeout` of five minutes, after
/// which the host would kill the handler and move on.
const PATIENCE: Duration = Duration::from_secs(4 * 60);

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
    let kept = |source, error: &Error| item(partition_id.clone(), source, error, trace.clone());
    let queues = queues(delivery, refused, partition_id.as_deref(), kept);
    (tally.parked, tally.dead_lettered) = (queues.parked.len(), queues.dead_letter.len());
    tracing::info!("{tally}");
    invocation::done(&tally.to_string(), &queues)
}

/// Where events go that are not delivered.
fn queues(
    delivery: Delivery,
    unreadable: Vec<(TriggerEvent, Error)>,
    partition_id: Option<&str>,
    kept: impl Fn(TriggerEvent, &Error) -> Option<String>,
) -> QueueOutputs {
    let Delivery { delivered: _, refused, set_aside, left } = delivery;
    let mut queues = QueueOutputs::default();
    let refused = refused.into_iter().map(|(candidate, error)| (candidate.source, error));
    for (source, error) in unreadable.into_iter().chain(refused) {
        let (device_id, sequence_number) = (source.device_id(), source.sequence_number);
        let kind = error.kind();
        tracing::error!(device_id, partition_id, sequence_number, kind, "hub event dead-lettered: {error}");
        queues.dead_letter.extend(kept(source, &error));
    }
    for (candidate, error) in &set_aside {
        error.log(candidate.source.device_id());
    }
    let parked = set_aside.into_iter().chain(left);
    queues.parked.extend(parked.filter_map(|(candidate, error)| kept(candidate.source, &error)));
    queues
}

/// Why there is nothing to do for an event. The package is told of every event and decides itself.
fn irrelevance(app: &App, event: &HubEvent) -> Option<&'static str> {
    if matches!(app.tts, TheThingsStack::Package(_)) {
        return None;
    }
    match Request::of(event) {
        None => Some("neither tags.lorawan nor a downlink is in it"),
        Some(Request::Deletion) if app.settings.tts_on_device_deletion == OnDeviceDeletion::Keep => {
            Some("a device was deleted and TTS_ON_DEVICE_DELETION is keep")
        }
        Some(Request::Deletion) if app.settings.device_ids.in_tts(&event.device_id).is_err() => {
            Some("a device was deleted that The Things Stack cannot have had")
        }
        Some(Request::Deletion | Request::Change(_)) => None,
    }
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
    let ids = app.settings.device_ids.in_tts(&event.device_id).map_err(Error::Malformed)?;
    match &app.tts {
        TheThingsStack::Package(package) => submit_late(app, package, &ids, &device_id, event, deadline).await,
        TheThingsStack::Api(api) => ByApi { app, api }.carry_out_late(&ids, &device_id, event, deadline).await,
    }
}

/// Submits a parked event to the package.
async fn submit_late(
    app: &App,
    package: &Package,
    ids: &EndDeviceIds,
    device_id: &DeviceId,
    event: HubEvent,
    deadline: Instant,
) -> Result<(), Error> {
    let twin = app.iot_hub.twin(device_id, deadline).await?;
    let Some(event) = as_of_now(event, twin.as_ref()) else {
        tracing::info!(device_id = device_id.as_str(), "parked event left out: newer changes have overtaken it");
        return Ok(());
    };
    submit(package, ids, &event).await?;
    if event.operation == Operation::Deleted {
        announce_again(app, package, ids, device_id, deadline).await?;
    }
    Ok(())
}

/// A device created anew while its late deletion was under way may have been deleted with it.
async fn announce_again(
    app: &App,
    package: &Package,
    ids: &EndDeviceIds,
    device_id: &DeviceId,
    deadline: Instant,
) -> Result<(), Error> {
    match app.iot_hub.twin(device_id, deadline).await?.and_then(|twin| HubEvent::of_tags(device_id, &twin)) {
        Some(event) => submit(package, ids, &event).await,
        None => Ok(()),
    }
}

async fn submit(package: &Package, ids: &EndDeviceIds, event: &HubEvent) -> Result<(), Error> {
    match package.submit(ids.application_id(), &[package_event_from(event, ids)]).await? {
        Submission::Accepted => Ok(()),
        Submission::Rejected(reason) => Err(Error::Refused { peer: Peer::Tts, what: reason.to_string() }),
    }
}
