//! Which events of a batch go on, which are none of ours, and which nobody can read; pure but for one look at what was
//! submitted before.

use std::collections::BTreeMap;
use std::fmt;

use super::submitted::{Place, Submitted};
use crate::error::Error;
use crate::invocation::{EventBatch, TriggerEvent};
use crate::iot_hub::event::{HubEvent, Recognised};
use crate::tts::package::PackageEvent;

/// An event on its way to The Things Stack.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) event: PackageEvent,
    /// As it came, to be kept if it does not arrive.
    pub(super) source: TriggerEvent,
    pub(super) place: Option<Place>,
}

/// An event that will never arrive, and why.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) source: TriggerEvent,
    pub(super) error: Error,
}

/// What became of a batch's events.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) submitted: usize,
    pub(super) parked: usize,
    pub(super) dead_lettered: usize,
    pub(super) repeated: usize,
    pub(super) ignored: BTreeMap<&'static str, usize>,
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { submitted, parked, dead_lettered, repeated, ignored } = self;
        let count: usize = ignored.values().sum();
        write!(
            formatter,
            "hub events: {submitted} submitted, {repeated} submitted before, {parked} parked, {dead_lettered} dead-lettered, {count} ignored"
        )?;
        for (reason, count) in ignored {
            write!(formatter, "; {count} because {reason}")?;
        }
        Ok(())
    }
}

/// A batch, sorted; candidates keep its order.
#[derive(Debug, Default)]
pub(super) struct Triage {
    pub(super) candidates: Vec<Candidate>,
    pub(super) refused: Vec<Refused>,
    pub(super) tally: Tally,
}

pub(super) fn triage(batch: EventBatch, application_id: &str, submitted: &Submitted) -> Triage {
    let mut triage = Triage::default();
    for event in batch.events {
        let place = place(batch.partition_id.as_deref(), &event);
        if place.as_ref().is_some_and(|place| submitted.contains(place)) {
            triage.tally.repeated += 1;
            continue;
        }
        triage.sort(event, place, application_id);
    }
    triage
}

/// The event as the package takes it: body and application properties unchanged.
pub(super) fn package_event_from(event: HubEvent, application_id: &str) -> Result<PackageEvent, Error> {
    PackageEvent::new(application_id, &event.device_id, event.body, event.properties).map_err(Error::Malformed)
}

fn place(partition_id: Option<&str>, event: &TriggerEvent) -> Option<Place> {
    Some(Place::new(partition_id?, event.sequence_number?, event.enqueued_time.as_deref()?))
}

impl Triage {
    fn sort(&mut self, source: TriggerEvent, place: Option<Place>, application_id: &str) {
        let event = match HubEvent::recognise(&source.body, &source.properties) {
            Ok(Recognised::Event(event)) => package_event_from(event, application_id),
            Ok(Recognised::Ignored(reason)) => {
                *self.tally.ignored.entry(reason).or_default() += 1;
                return;
            }
            Err(reason) => Err(Error::Malformed(reason)),
        };
        match event {
            Ok(event) => self.candidates.push(Candidate { event, source, place }),
            Err(error) => self.refused.push(Refused { source, error }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    fn event(properties: Value, body: &str) -> TriggerEvent {
        let Value::Object(properties) = properties else { panic!("properties are an object") };
        let system_properties = Map::new();
        TriggerEvent { body: body.into(), properties, system_properties, sequence_number: None, enqueued_time: None }
    }

    fn sorted(events: Vec<TriggerEvent>) -> Triage {
        triage(EventBatch { partition_id: Some("0".to_owned()), events, retry: None }, "plant-a", &Submitted::new())
    }

    #[test]
    fn an_event_is_submitted_with_its_body_and_application_properties_unchanged() {
        let properties = json!({
            "deviceId": "sensor-1", "hubName": "hub", "iothub-message-schema": "twinChangeNotification",
            "opType": "updateTwin", "operationTimestamp": "2026-11-20T10:00:00.1234567Z",
        });
        let body = r#"{"version":5,"properties":{"desired":{"threshold":21.50,"$version":2}}}"#;
        let triage = sorted(vec![event(properties.clone(), body)]);
        let expected = format!(
            r#"{{"end_device_ids":{{"device_id":"sensor-1","application_ids":{{"application_id":"plant-a"}}}},"body":{body},"properties":{properties}}}"#
        );
        assert_eq!(serde_json::to_string(&triage.candidates[0].event).unwrap(), expected);
    }

    #[test]
    fn bad_and_foreign_events_leave_the_rest_of_the_batch_in_order() {
        let twin = |device_id: &str| json!({"deviceId": device_id, "opType": "replaceTwin"});
        let Triage { candidates, refused, tally } = sorted(vec![
            event(twin("sensor-1"), "{}"),
            event(twin("Sensor_2"), "{}"),
            event(json!({}), "{}"),
            event(twin("sensor-3"), "not json"),
            event(twin("sensor-4"), "{}"),
        ]);
        let device_ids: Vec<_> = candidates.iter().map(|candidate| candidate.event.device_id()).collect();
        assert_eq!(device_ids, ["sensor-1", "sensor-4"]);
        assert_eq!((refused.len(), tally.ignored.values().sum::<usize>()), (2, 1));
    }

    #[test]
    fn an_event_submitted_before_is_not_submitted_again() {
        let at = |sequence_number: i64, enqueued_time: &str| TriggerEvent {
            sequence_number: Some(sequence_number),
            enqueued_time: Some(enqueued_time.to_owned()),
            ..event(json!({"deviceId": "sensor-1", "opType": "replaceTwin"}), "{}")
        };
        let submitted = Submitted::new();
        submitted.note(place(Some("0"), &at(7, "2026-11-20T10:00:00.5")).unwrap());
        let events =
            vec![at(7, "2026-11-20T10:00:00.5"), at(8, "2026-11-20T10:00:00.5"), at(7, "2026-11-21T10:00:00.5")];
        let batch = EventBatch { partition_id: Some("0".to_owned()), events, retry: None };
        let triage = triage(batch, "plant-a", &submitted);
        assert_eq!(
            (triage.candidates.len(), triage.tally.repeated),
            (2, 1),
            "the same number in a hub made anew is another event"
        );
    }
}
