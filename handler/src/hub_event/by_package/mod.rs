//! Delivery through the vendor's package: in order, in requests of bounded size, one wrong event never in the way of the
//! others.

mod correction;
mod late;

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

pub(super) use self::late::deliver_late;

use super::delivery::Delivery;
use super::submitted::Submitted;
use super::triage::Candidate;
use crate::error::{Error, Peer, Retry};
use crate::iot_hub::event::HubEvent;
use crate::tts::id::EndDeviceIds;
use crate::tts::package::{Package, PackageEvent, Submission};

/// Most events in one request to The Things Stack.
const MAX_EVENTS: usize = 500;

/// Most bytes in one request, a quarter of what The Things Stack takes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The event as the package takes it: body and application properties unchanged.
pub(super) fn package_event_from(event: &HubEvent, ids: &EndDeviceIds) -> PackageEvent {
    PackageEvent { ids: ids.clone(), body: event.body.clone(), properties: event.properties.clone() }
}

/// Submits all events in order. A request found wrong is halved until the events that are wrong stand alone; the
/// others go through. The first failure that may pass ends the delivery.
pub(super) async fn deliver(
    package: &Package,
    candidates: Vec<Candidate>,
    submitted: &Submitted,
    patience: Duration,
) -> Delivery {
    let mut delivery = Delivery::default();
    let mut pending: VecDeque<Vec<Candidate>> = chunks(candidates).into();
    let give_up = Instant::now() + patience;
    while let Some(mut chunk) = pending.pop_front() {
        if Instant::now() > give_up {
            let what = format!("the batch is not done after {} s", patience.as_secs());
            pending.push_front(chunk);
            delivery.left = left(pending, &Error::Unavailable { peer: Peer::Tts, what, retry: Retry::Soon });
            break;
        }
        match submit(package, &chunk).await {
            Ok(Submission::Accepted) => {
                delivery.delivered += chunk.len();
                chunk.into_iter().filter_map(|candidate| candidate.place).for_each(|place| submitted.note(place));
            }
            Ok(Submission::Rejected(_)) if chunk.len() > 1 => {
                let second_half = chunk.split_off(chunk.len() / 2);
                pending.push_front(second_half);
                pending.push_front(chunk);
            }
            Ok(Submission::Rejected(reason)) => {
                let error = Error::Refused { peer: Peer::Tts, what: reason.to_string() };
                delivery.refused.extend(chunk.into_iter().map(|candidate| (candidate, error.clone())));
            }
            Err(error) => {
                pending.push_front(chunk);
                delivery.left = left(pending, &error);
                break;
            }
        }
    }
    delivery
}

async fn submit(package: &Package, chunk: &[Candidate]) -> Result<Submission, Error> {
    let events: Vec<_> = chunk.iter().map(|candidate| package_event_from(&candidate.event, &candidate.ids)).collect();
    let application_id = chunk.first().map_or("", |candidate| candidate.ids.application_id());
    package.submit(application_id, &events).await
}

fn left(pending: VecDeque<Vec<Candidate>>, error: &Error) -> Vec<(Candidate, Error)> {
    pending.into_iter().flatten().map(|candidate| (candidate, error.clone())).collect()
}

/// Requests of one application's events each.
fn chunks(candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    let size = |candidate: &Candidate| candidate.event.body.get().len() + 1024;
    let mut chunks: Vec<Vec<Candidate>> = Vec::new();
    let mut bytes = 0;
    for candidate in candidates {
        bytes += size(&candidate);
        let is_of = |chunk: &[Candidate]| {
            chunk.first().is_some_and(|first| first.ids.application_id() == candidate.ids.application_id())
        };
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < MAX_EVENTS && bytes <= MAX_BYTES && is_of(chunk) => chunk.push(candidate),
            _ => {
                bytes = size(&candidate);
                chunks.push(vec![candidate]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::super::triage::tests::candidate;
    use super::*;

    #[test]
    fn requests_stay_below_the_limits_on_events_and_bytes_and_hold_one_application() {
        let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(3 * 1024 * 1024));
        let of = |application: &str| candidate(application, "{}");
        for (candidates, lengths) in [
            ((0..1_201).map(|_| of("plant-a")).collect(), vec![500, 500, 201]),
            ((0..3).map(|_| candidate("plant-a", &large)).collect(), vec![1, 1, 1]),
            (vec![of("plant-a"), of("plant-a"), of("plant-b"), of("plant-a")], vec![2, 1, 1]),
            (vec![], vec![]),
        ] {
            assert_eq!(chunks(candidates).iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        }
    }
}
