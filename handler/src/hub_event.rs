//! Journey 2: IoT Hub's lifecycle and twin-change events go to The Things Stack.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;

use crate::app::App;
use crate::error::{Error, Peer};
use crate::invocation::{self, EventBatch, TriggerEvent};
use crate::iot_hub::event::{HubEvent, Recognised};
use crate::tts::package::{PackageEvent, Submission};

/// Most events in one request to The Things Stack.
const MAX_EVENTS: usize = 500;

/// Most bytes in one request, a quarter of what The Things Stack takes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Function `hub_events`: takes a batch and fails as a whole if any event should be tried again, since the host's
/// retry policy repeats batches, not events.
pub(crate) async fn receive(app: &App, envelope: &Bytes) -> Response {
    let batch = match invocation::event_batch(envelope) {
        Ok(batch) => batch,
        Err(error) => {
            error.log(None);
            return invocation::failed(StatusCode::BAD_REQUEST, &error.to_string());
        }
    };
    let (events, mut tally) = sorted(batch, &app.settings.tts_application_id);
    match submit_all(app, events, &mut tally).await {
        Ok(()) => {
            let summary = tally.to_string();
            tracing::info!("{summary}");
            invocation::done(&summary)
        }
        Err(error) => {
            error.log(None);
            invocation::failed(StatusCode::SERVICE_UNAVAILABLE, &format!("{error}; so far {tally}"))
        }
    }
}

/// What became of a batch's events.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    submitted: usize,
    refused: usize,
    ignored: BTreeMap<&'static str, usize>,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ignored: usize = self.ignored.values().sum();
        write!(formatter, "{} hub events submitted, {} refused, {ignored} ignored", self.submitted, self.refused)?;
        for (reason, count) in &self.ignored {
            write!(formatter, "; {count} because {reason}")?;
        }
        Ok(())
    }
}

/// Separates the events to submit, in the batch's order, from those that are not ours and those nobody can read.
/// The latter are logged here, once each: one bad event must not sink the batch.
fn sorted(batch: EventBatch, application_id: &str) -> (Vec<PackageEvent>, Tally) {
    let mut tally = Tally::default();
    let mut events = Vec::with_capacity(batch.events.len());
    for event in batch.events {
        let sequence_number = event.sequence_number;
        match package_event_from(event, application_id) {
            Ok(Ok(event)) => events.push(event),
            Ok(Err(reason)) => *tally.ignored.entry(reason).or_default() += 1,
            Err((device_id, reason)) => {
                let partition_id = batch.partition_id.as_deref();
                tracing::error!(device_id, partition_id, sequence_number, "hub event dropped: {reason}");
                tally.refused += 1;
            }
        }
    }
    (events, tally)
}

/// The event as the package takes it, or why it is none of our business; fails with the device and the reason.
fn package_event_from(
    event: TriggerEvent,
    application_id: &str,
) -> Result<Result<PackageEvent, &'static str>, (Option<String>, String)> {
    let device_id = event.properties.get("deviceId").and_then(|id| id.as_str()).map(str::to_owned);
    match HubEvent::recognise(&event.body, event.properties) {
        Ok(Recognised::Ignored(reason)) => Ok(Err(reason)),
        Ok(Recognised::Event(event)) => {
            PackageEvent::new(application_id, &event.device_id, event.body, event.properties)
                .map(Ok)
                .map_err(|reason| (device_id, reason))
        }
        Err(reason) => Err((device_id, reason)),
    }
}

/// Submits all events in order, in requests of bounded size. A request found wrong is halved until the events that
/// are wrong stand alone; the others go through.
async fn submit_all(app: &App, events: Vec<PackageEvent>, tally: &mut Tally) -> Result<(), Error> {
    let mut pending: VecDeque<Vec<PackageEvent>> = chunks(events).into();
    while let Some(mut events) = pending.pop_front() {
        match app.tts.submit(&events).await? {
            Submission::Accepted => tally.submitted += events.len(),
            Submission::Rejected(_) if events.len() > 1 => {
                let second_half = events.split_off(events.len() / 2);
                pending.push_front(second_half);
                pending.push_front(events);
            }
            Submission::Rejected(reason) => {
                Error::Refused { peer: Peer::Tts, what: reason.to_string() }
                    .log(events.first().map(PackageEvent::device_id));
                tally.refused += 1;
            }
        }
    }
    Ok(())
}

fn chunks(events: Vec<PackageEvent>) -> Vec<Vec<PackageEvent>> {
    let mut chunks: Vec<Vec<PackageEvent>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        bytes += event.size();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < MAX_EVENTS && bytes <= MAX_BYTES => chunk.push(event),
            _ => {
                bytes = event.size();
                chunks.push(vec![event]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn event(properties: Value, body: &str) -> TriggerEvent {
        let Value::Object(properties) = properties else { panic!("properties are an object") };
        TriggerEvent { body: body.into(), properties, system_properties: Map::new(), sequence_number: None }
    }

    fn batch(events: Vec<TriggerEvent>) -> EventBatch {
        EventBatch { partition_id: None, events, retry: None }
    }

    #[test]
    fn an_event_is_submitted_with_its_body_and_application_properties_unchanged() {
        let properties = json!({
            "deviceId": "sensor-1", "hubName": "hub", "iothub-message-schema": "twinChangeNotification",
            "opType": "updateTwin", "operationTimestamp": "2026-11-20T10:00:00.1234567Z",
        });
        let body = r#"{"version":5,"properties":{"desired":{"threshold":21.50,"$version":2}}}"#;
        let (events, tally) = sorted(batch(vec![event(properties.clone(), body)]), "plant-a");
        assert_eq!(tally, Tally::default());
        let expected = format!(
            r#"[{{"end_device_ids":{{"device_id":"sensor-1","application_ids":{{"application_id":"plant-a"}}}},"body":{body},"properties":{properties}}}]"#
        );
        assert_eq!(serde_json::to_string(&events).unwrap(), expected);
    }

    #[test]
    fn bad_and_foreign_events_leave_the_rest_of_the_batch_in_order() {
        let twin = |device_id: &str| json!({"deviceId": device_id, "opType": "replaceTwin"});
        let (events, tally) = sorted(
            batch(vec![
                event(twin("sensor-1"), "{}"),
                event(twin("Sensor_2"), "{}"),
                event(json!({}), "{}"),
                event(twin("sensor-3"), "not json"),
                event(twin("sensor-4"), "{}"),
            ]),
            "plant-a",
        );
        let device_ids: Vec<_> = events.iter().map(PackageEvent::device_id).collect();
        assert_eq!(device_ids, ["sensor-1", "sensor-4"]);
        assert_eq!((tally.refused, tally.ignored.values().sum::<usize>()), (2, 1));
    }

    #[test]
    fn requests_stay_below_the_limits_on_events_and_bytes() {
        let twin = json!({"deviceId": "sensor-1", "opType": "replaceTwin"});
        let small = (0..1_201).map(|_| event(twin.clone(), "{}")).collect();
        let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(3 * 1024 * 1024));
        for (events, lengths) in [
            (small, vec![500, 500, 201]),
            ((0..3).map(|_| event(twin.clone(), &large)).collect(), vec![1, 1, 1]),
            (vec![], vec![]),
        ] {
            let chunks = chunks(sorted(batch(events), "plant-a").0);
            assert_eq!(chunks.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        }
    }
}
