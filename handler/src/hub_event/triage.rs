//! Which events of a batch go on, which are none of ours, and which nobody can read; pure but for one look at what was
//! submitted before.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;

use super::submitted::{Place, Submitted};
use crate::device_ids::DeviceIds;
use crate::error::Error;
use crate::invocation::{EventBatch, TriggerEvent};
use crate::iot_hub::event::{HubEvent, Recognised};
use crate::tts::id::EndDeviceIds;

/// An event that has lain in the Event Hub for longer may have been handled by an instance that was stopped.
const FRESH: Duration = Duration::from_secs(30);

/// An event on its way to The Things Stack.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) event: HubEvent,
    /// Its device, as The Things Stack calls it.
    pub(super) ids: EndDeviceIds,
    /// As it came, to be kept if it does not arrive.
    pub(super) source: TriggerEvent,
    pub(super) place: Option<Place>,
    /// Whether another invocation may have delivered it before.
    pub(super) may_be_repeated: bool,
    /// `tags.lorawan` its device had at the last try, if that was about them.
    pub(super) device_tags: Value,
}

/// What became of a batch's events.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) delivered: usize,
    pub(super) parked: usize,
    pub(super) dead_lettered: usize,
    pub(super) repeated: usize,
    pub(super) ignored: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// A batch's one log line, with its counts as fields.
    pub(super) fn log(&self) {
        let Self { delivered, parked, dead_lettered, repeated, ref ignored } = *self;
        let ignored: usize = ignored.values().sum();
        tracing::info!(delivered, repeated, parked, dead_lettered, ignored, "{self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delivered, parked, dead_lettered, repeated, ignored } = self;
        let count: usize = ignored.values().sum();
        write!(
            formatter,
            "hub events: {delivered} delivered, {repeated} delivered before, {parked} parked, {dead_lettered} dead-lettered, {count} ignored"
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
    /// What nobody can read, no device of The Things Stack can be about, or was refused before.
    pub(super) refused: Vec<(TriggerEvent, Error)>,
    pub(super) tally: Tally,
}

/// What to do with one event.
enum Sorted {
    Candidate(HubEvent, EndDeviceIds),
    Ignored(&'static str),
    Refused(String),
}

/// Sorts a batch. `irrelevance` says why this way of delivery has nothing to do for an event, if so.
pub(super) fn triage(
    batch: EventBatch,
    device_ids: &DeviceIds,
    submitted: &Submitted,
    irrelevance: impl Fn(&HubEvent) -> Option<&'static str>,
    now: OffsetDateTime,
) -> Triage {
    let mut triage = Triage::default();
    let is_retried = batch.is_retried();
    for source in batch.events {
        let place = place(batch.partition_id.as_deref(), &source);
        match place.as_ref().and_then(|place| submitted.outcome(place)) {
            Some(Ok(())) => {
                triage.tally.repeated += 1;
                continue;
            }
            Some(Err(reason)) => {
                triage.refused.push((source, reason));
                continue;
            }
            None => {}
        }
        match sorted(&source, device_ids, &irrelevance) {
            Sorted::Candidate(event, ids) => {
                let may_be_repeated = is_retried || !source.is_younger_than(FRESH, now);
                let device_tags = Value::Null;
                triage.candidates.push(Candidate { event, ids, source, place, may_be_repeated, device_tags });
            }
            Sorted::Ignored(reason) => *triage.tally.ignored.entry(reason).or_default() += 1,
            Sorted::Refused(reason) => triage.refused.push((source, Error::Malformed(reason))),
        }
    }
    triage
}

fn sorted(
    source: &TriggerEvent,
    device_ids: &DeviceIds,
    irrelevance: impl Fn(&HubEvent) -> Option<&'static str>,
) -> Sorted {
    let event = match HubEvent::recognise(&source.body, &source.properties) {
        Ok(Recognised::Event(event)) => event,
        Ok(Recognised::Ignored(reason)) => return Sorted::Ignored(reason),
        Err(reason) => return Sorted::Refused(reason),
    };
    if let Some(reason) = irrelevance(&event) {
        return Sorted::Ignored(reason);
    }
    match device_ids.in_tts(&event.device_id) {
        Ok(ids) => Sorted::Candidate(event, ids),
        Err(reason) => Sorted::Refused(reason),
    }
}

fn place(partition_id: Option<&str>, event: &TriggerEvent) -> Option<Place> {
    Some(Place::new(partition_id?, event.sequence_number?, event.enqueued_time.as_deref()?))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::value::RawValue;
    use serde_json::{Map, Value, json};

    use super::super::by_package::package_event_from;
    use super::*;
    use crate::device_ids::DeviceIdTemplate;
    use crate::invocation::RetryContext;
    use crate::iot_hub::event::Operation;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-20 10:00:10 UTC);

    /// A twin update of `sensor-1`.
    pub(in crate::hub_event) fn candidate(application_id: &str, body: &str) -> Candidate {
        let body = RawValue::from_string(body.to_owned()).unwrap();
        let event = HubEvent {
            operation: Operation::TwinUpdated,
            device_id: "sensor-1".to_owned(),
            body,
            properties: Map::new(),
        };
        let ids = EndDeviceIds::new(application_id, "sensor-1").unwrap();
        Candidate {
            source: self::event(json!({}), event.body.get()),
            event,
            ids,
            place: None,
            may_be_repeated: false,
            device_tags: Value::Null,
        }
    }

    fn event(properties: Value, body: &str) -> TriggerEvent {
        let Value::Object(properties) = properties else { panic!("properties are an object") };
        let system_properties = Map::new();
        TriggerEvent { body: body.into(), properties, system_properties, sequence_number: None, enqueued_time: None }
    }

    fn batch(events: Vec<TriggerEvent>) -> EventBatch {
        EventBatch { partition_id: Some("0".to_owned()), events, retry: None }
    }

    fn sorted(batch: EventBatch, submitted: &Submitted) -> Triage {
        let template = DeviceIdTemplate::parse("{device_id}").unwrap();
        let device_ids = DeviceIds::new(template, "plant-a".to_owned(), Vec::new()).unwrap();
        let irrelevance = |event: &HubEvent| (event.device_id == "pump-1").then_some("it is a pump");
        triage(batch, &device_ids, submitted, irrelevance, NOW)
    }

    #[test]
    fn an_event_is_submitted_with_its_body_and_application_properties_unchanged() {
        let properties = json!({
            "deviceId": "sensor-1", "hubName": "hub", "iothub-message-schema": "twinChangeNotification",
            "opType": "updateTwin", "operationTimestamp": "2026-11-20T10:00:00.1234567Z",
        });
        let body = r#"{"version":5,"properties":{"desired":{"threshold":21.50,"$version":2}}}"#;
        let triage = sorted(batch(vec![event(properties.clone(), body)]), &Submitted::new());
        let expected = format!(
            r#"{{"end_device_ids":{{"device_id":"sensor-1","application_ids":{{"application_id":"plant-a"}}}},"body":{body},"properties":{properties}}}"#
        );
        let candidate = &triage.candidates[0];
        let event = package_event_from(&candidate.event, &candidate.ids);
        assert_eq!(serde_json::to_string(&event).unwrap(), expected);
    }

    #[test]
    fn bad_foreign_and_irrelevant_events_leave_the_rest_of_the_batch_in_order() {
        let twin = |device_id: &str| json!({"deviceId": device_id, "opType": "replaceTwin"});
        let events = vec![
            event(twin("sensor-1"), "{}"),
            event(twin("Sensor_2"), "{}"),
            event(json!({}), "{}"),
            event(twin("sensor-3"), "not json"),
            event(twin("pump-1"), "{}"),
            event(twin("sensor-4"), "{}"),
        ];
        let Triage { candidates, refused, tally } = sorted(batch(events), &Submitted::new());
        let device_ids: Vec<_> = candidates.iter().map(|candidate| candidate.ids.device_id()).collect();
        assert_eq!(device_ids, ["sensor-1", "sensor-4"]);
        assert_eq!((refused.len(), tally.ignored.values().sum::<usize>()), (2, 2));
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
        let triage = sorted(batch(events), &submitted);
        assert_eq!(
            (triage.candidates.len(), triage.tally.repeated),
            (2, 1),
            "the same number in a hub made anew is another event"
        );
        let reason = Error::Malformed("no".to_owned());
        submitted.note_refused(place(Some("0"), &at(9, "2026-11-20T10:00:00.5")).unwrap(), reason);
        let triage = sorted(batch(vec![at(9, "2026-11-20T10:00:00.5")]), &submitted);
        assert_eq!((triage.candidates.len(), triage.refused.len()), (0, 1), "it waits for a person");
    }

    #[test]
    fn what_was_tried_before_or_has_waited_long_may_be_repeated() {
        let retried = |retry_count| Some(RetryContext { retry_count, max_retry_count: -1 });
        for (retry, enqueued_time, expected) in [
            (None, Some("2026-11-20T10:00:00.5"), false),
            (retried(0), Some("2026-11-20T10:00:00"), false),
            (retried(1), Some("2026-11-20T10:00:00"), true),
            (None, Some("2026-11-20T09:59:30"), true),
            (None, Some("lately"), true),
            (None, None, true),
        ] {
            let enqueued_time = enqueued_time.map(str::to_owned);
            let event =
                TriggerEvent { enqueued_time, ..event(json!({"deviceId": "sensor-1", "opType": "replaceTwin"}), "{}") };
            let batch = EventBatch { retry, ..batch(vec![event.clone()]) };
            assert_eq!(sorted(batch, &Submitted::new()).candidates[0].may_be_repeated, expected, "{event:?}");
        }
    }
}
