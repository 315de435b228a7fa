//! Submitting a batch: in order, in requests of bounded size, one wrong event never in the way of the others.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::triage::{Candidate, Refused};
use crate::app::App;
use crate::error::{Error, Peer, Retry};
use crate::tts::package::{PackageEvent, Submission};

/// Most events in one request to The Things Stack.
const MAX_EVENTS: usize = 500;

/// Most bytes in one request, a quarter of what The Things Stack takes.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How long a batch may take; with one more request it stays below the host's `functionTimeout` of five minutes, after
/// which the host would kill the handler and move on.
const PATIENCE: Duration = Duration::from_secs(4 * 60);

/// How far a batch came.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    pub(super) submitted: usize,
    /// Events The Things Stack finds wrong, each by itself.
    pub(super) rejected: Vec<Refused>,
    /// The events not submitted, in order, and why not now.
    pub(super) left: Option<(Vec<Candidate>, Error)>,
}

/// Submits all events in order. A request found wrong is halved until the events that are wrong stand alone; the
/// others go through. The first failure that may pass ends the delivery.
pub(super) async fn deliver(app: &App, candidates: Vec<Candidate>) -> Delivery {
    let mut delivery = Delivery::default();
    let mut pending: VecDeque<Vec<Candidate>> = chunks(candidates).into();
    let give_up = Instant::now() + PATIENCE;
    while let Some(mut chunk) = pending.pop_front() {
        if Instant::now() > give_up {
            let what = format!("the batch is not done after {} s", PATIENCE.as_secs());
            chunk.extend(pending.into_iter().flatten());
            delivery.left = Some((chunk, Error::Unavailable { peer: Peer::Tts, what, retry: Retry::Soon }));
            break;
        }
        let events: Vec<&PackageEvent> = chunk.iter().map(|candidate| &candidate.event).collect();
        match app.tts.submit(&events).await {
            Ok(Submission::Accepted) => {
                delivery.submitted += chunk.len();
                chunk.into_iter().filter_map(|candidate| candidate.place).for_each(|place| app.submitted.note(place));
            }
            Ok(Submission::Rejected(_)) if chunk.len() > 1 => {
                let second_half = chunk.split_off(chunk.len() / 2);
                pending.push_front(second_half);
                pending.push_front(chunk);
            }
            Ok(Submission::Rejected(reason)) => {
                let refused = chunk.into_iter().map(|candidate| Refused {
                    source: candidate.source,
                    error: Error::Refused { peer: Peer::Tts, what: reason.to_string() },
                });
                delivery.rejected.extend(refused);
            }
            Err(error) => {
                chunk.extend(pending.into_iter().flatten());
                delivery.left = Some((chunk, error));
                break;
            }
        }
    }
    delivery
}

fn chunks(candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    let mut chunks: Vec<Vec<Candidate>> = Vec::new();
    let mut bytes = 0;
    for candidate in candidates {
        bytes += candidate.event.size();
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < MAX_EVENTS && bytes <= MAX_BYTES => chunk.push(candidate),
            _ => {
                bytes = candidate.event.size();
                chunks.push(vec![candidate]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use serde_json::Map;
    use serde_json::value::RawValue;

    use super::*;
    use crate::invocation::TriggerEvent;

    fn candidate(body: &str) -> Candidate {
        let raw = RawValue::from_string(body.to_owned()).unwrap();
        let source = TriggerEvent {
            body: body.into(),
            properties: Map::new(),
            system_properties: Map::new(),
            sequence_number: None,
            enqueued_time: None,
        };
        Candidate { event: PackageEvent::new("plant-a", "sensor-1", raw, Map::new()).unwrap(), source, place: None }
    }

    #[test]
    fn requests_stay_below_the_limits_on_events_and_bytes() {
        let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(3 * 1024 * 1024));
        for (candidates, lengths) in [
            ((0..1_201).map(|_| candidate("{}")).collect(), vec![500, 500, 201]),
            ((0..3).map(|_| candidate(&large)).collect(), vec![1, 1, 1]),
            (vec![], vec![]),
        ] {
            assert_eq!(chunks(candidates).iter().map(Vec::len).collect::<Vec<_>>(), lengths);
        }
    }
}
