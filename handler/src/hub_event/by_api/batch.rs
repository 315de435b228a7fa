//! A batch through the API: each device's events in order, several devices side by side.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::Instant;

use super::super::delivery::Delivery;
use super::super::submitted::Submitted;
use super::super::triage::Candidate;
use super::downlink::DesiredDownlink;
use super::{ByApi, Failure, Request, Try};
use crate::error::Error;
use crate::iot_hub::DeviceId;
use crate::iot_hub::event::Operation;

/// Devices at a time. Each has one request under way.
const SIDE_BY_SIDE: usize = 8;

/// An event with its position in the batch.
type Placed = (usize, Candidate);

/// What became of the event at a position of the batch: `None` if it is delivered.
type Outcome = (usize, Option<(Candidate, Error)>);

impl ByApi<'_> {
    /// Carries out all events. A device whose event fails for now is left there, with all that follow; others go on. If what
    /// is left is to be parked, the twins say so.
    pub(in crate::hub_event) async fn deliver(
        &self,
        candidates: Vec<Candidate>,
        submitted: &Submitted,
        is_to_be_parked: bool,
        patience: Duration,
    ) -> Delivery {
        let deadline = Instant::now() + patience;
        let outcomes = stream::iter(by_device(candidates))
            .map(|events| self.deliver_in_order(events, submitted, is_to_be_parked, deadline))
            .buffer_unordered(SIDE_BY_SIDE);
        let mut outcomes: Vec<_> = outcomes.collect::<Vec<_>>().await.into_iter().flatten().collect();
        outcomes.sort_unstable_by_key(|(position, _)| *position);
        let mut delivery = Delivery::default();
        for (_, outcome) in outcomes {
            match outcome {
                None => delivery.delivered += 1,
                Some((candidate, error)) => delivery.failed(candidate, error),
            }
        }
        delivery
    }

    async fn deliver_in_order(
        &self,
        events: Vec<Placed>,
        submitted: &Submitted,
        is_to_be_parked: bool,
        deadline: Instant,
    ) -> Vec<Outcome> {
        let (gone, events) = apart_from_the_gone(events);
        let done = |(position, candidate): Placed| {
            candidate.place.into_iter().for_each(|place| submitted.note(place));
            (position, None)
        };
        let mut outcomes: Vec<_> = gone.into_iter().map(done).collect();
        let mut stopped_by: Option<Error> = None;
        // A later downlink would overtake one that is set aside, which comes again if the batch does.
        let mut downlinks_wait: Option<Error> = None;
        for (position, mut candidate) in events {
            let waits = downlinks_wait.as_ref().filter(|_| DesiredDownlink::of(&candidate.event).is_some());
            let result = match stopped_by.as_ref().or(waits) {
                Some(error) => Err(error.clone()),
                None => self.deliver_one(&mut candidate, is_to_be_parked, deadline).await,
            };
            outcomes.push(match result {
                Ok(()) => done((position, candidate)),
                Err(error) => {
                    if error.is_about_one_device() {
                        downlinks_wait.get_or_insert_with(|| error.clone());
                    } else if error.is_transient() {
                        stopped_by.get_or_insert_with(|| error.clone());
                    } else if let Some(place) = candidate.place {
                        submitted.note_refused(place, error.clone());
                    }
                    (position, Some((candidate, error)))
                }
            });
        }
        outcomes
    }

    async fn deliver_one(
        &self,
        candidate: &mut Candidate,
        is_to_be_parked: bool,
        deadline: Instant,
    ) -> Result<(), Error> {
        let device_id = DeviceId::new(&candidate.event.device_id).map_err(Error::Malformed)?;
        let Some(request) = Request::of(&candidate.event) else { return Ok(()) };
        let attempt = if candidate.may_be_repeated { Try::Repeated } else { Try::First };
        let result = self.carry_out(&candidate.ids, &device_id, &request, attempt, deadline).await;
        let Err(Failure { error, tags }) = result else { return Ok(()) };
        if let Some(tags) = tags {
            if is_to_be_parked && error.is_transient() {
                self.note_waiting(&device_id, &error, deadline).await;
            }
            // If its device is gone when its time comes, this tells which one it was.
            candidate.device_tags = tags;
        }
        Err(error)
    }
}

/// What a device's events want of it before its last deletion, and the rest. The former is of a device that is gone: one
/// that has its id now must not get what was meant for it.
fn apart_from_the_gone(events: Vec<Placed>) -> (Vec<Placed>, Vec<Placed>) {
    let is_deletion = |(_, candidate): &Placed| candidate.event.operation == Operation::Deleted;
    let last = events.iter().rposition(is_deletion).unwrap_or_default();
    let (gone, rest): (Vec<_>, Vec<_>) =
        events.into_iter().enumerate().partition(|(index, event)| *index < last && !is_deletion(event));
    let events = |numbered: Vec<(usize, Placed)>| numbered.into_iter().map(|(_, event)| event).collect();
    (events(gone), events(rest))
}

/// The events of each device in order, with their positions in the batch.
fn by_device(candidates: Vec<Candidate>) -> Vec<Vec<Placed>> {
    let mut devices: Vec<Vec<Placed>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (position, candidate) in candidates.into_iter().enumerate() {
        match places.get(&candidate.event.device_id) {
            Some(place) => devices[*place].push((position, candidate)),
            None => {
                places.insert(candidate.event.device_id.clone(), devices.len());
                devices.push(vec![(position, candidate)]);
            }
        }
    }
    devices
}
