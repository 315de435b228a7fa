//! Parked items are tried again: the same journeys, later.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::time::{Instant, sleep};

use crate::app::{App, now};
use crate::error::{Error, Retry};
use crate::invocation::{self, QueueMessage, QueueOutputs};
use crate::parking::{Item, Kind, TRIED_FOR};
use crate::{hub_event, uplink};

/// Longest one try may take. A hub that shapes traffic answers late rather than never.
const ATTEMPT: Duration = Duration::from_secs(30);

/// How long one invocation goes on in all; well below the host's `functionTimeout`.
const PATIENCE: Duration = Duration::from_secs(100);

/// Longest wait within an invocation: a throttled hub's ten seconds. Waiting items hold places that others need.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Dequeues after which an item that waits for its time is written anew, so that it has all its tries left then.
const WAITING_DEQUEUES: u64 = 50;

/// Why an item is still not delivered.
enum Undelivered {
    /// Its not-before time is too far away to wait for.
    NotYet,
    Failed(Error),
}

/// Function `redeliver`: takes one item. If the invocation fails, the host shows the item again after its visibility
/// time-out, and moves it to the poison queue after its last dequeue.
pub(crate) async fn receive(app: &App, envelope: &Bytes) -> Response {
    let message = match invocation::queue_message(envelope) {
        Ok(message) => message,
        Err(error) => {
            error.log(None);
            return invocation::failed(StatusCode::BAD_REQUEST, &error.to_string());
        }
    };
    let item = match Item::decode(&message.text) {
        Ok(item) => item,
        Err(reason) => {
            tracing::error!(dead_lettered = 1, "{reason}; it goes to the dead-letter queue as it is");
            let queues = QueueOutputs { dead_letter: vec![message.text], ..QueueOutputs::default() };
            return invocation::done("unreadable item dead-lettered", &queues);
        }
    };
    match try_for_a_while(app, &item, message.dequeue_count > 1).await {
        Ok(()) => {
            let (device_id, trace) = (item.device_id.as_deref(), item.trace.as_deref());
            tracing::info!(device_id, first_trace = trace, first_seen = item.first_seen, "parked item redelivered");
            invocation::done("redelivered", &QueueOutputs::default())
        }
        Err(Undelivered::NotYet) if message.dequeue_count >= WAITING_DEQUEUES => {
            let queues = QueueOutputs { parked: vec![message.text], ..QueueOutputs::default() };
            invocation::done("parked anew until its time", &queues)
        }
        Err(Undelivered::NotYet) => invocation::failed(StatusCode::SERVICE_UNAVAILABLE, "not before its time"),
        Err(Undelivered::Failed(error)) => undelivered(item, &message, error),
    }
}

/// Delivers the item, waiting for its not-before time and as the peer says, if that does not take too long. Of a
/// repeated item nobody knows how far earlier tries came.
async fn try_for_a_while(app: &App, item: &Item, mut is_repeated: bool) -> Result<(), Undelivered> {
    let give_up = Instant::now() + PATIENCE;
    let spread = |wait: Duration| wait.mul_f64(1.0 + fastrand::f64() / 4.0);
    let wait = spread(item.wait_from(now()));
    if wait > LONGEST_WAIT {
        return Err(Undelivered::NotYet);
    }
    sleep(wait).await;
    loop {
        let error = match deliver(app, item, is_repeated).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        is_repeated = true;
        match error.retry() {
            Some(Retry::After(wait)) if spread(wait) <= LONGEST_WAIT && Instant::now() < give_up => {
                sleep(spread(wait)).await;
            }
            Some(Retry::After(_) | Retry::Soon | Retry::Settling | Retry::Redelivery | Retry::NextDay) | None => {
                return Err(Undelivered::Failed(error));
            }
        }
    }
}

async fn deliver(app: &App, item: &Item, is_repeated: bool) -> Result<(), Error> {
    let deadline = Instant::now() + ATTEMPT;
    match item.kind {
        Kind::Uplink => uplink::redeliver(app, item, deadline).await,
        Kind::Reported => uplink::redeliver_reported(app, item, deadline).await,
        Kind::HubEvent => hub_event::redeliver(app, item, is_repeated, deadline).await,
    }
}

/// Dead-letters what will never succeed, parks anew what has to wait for tomorrow, and fails the invocation otherwise.
fn undelivered(item: Item, message: &QueueMessage, error: Error) -> Response {
    let error = &bounded(error, &item);
    let device_id = item.device_id.clone();
    let attempts = item.attempts.saturating_add(message.dequeue_count);
    let is_transient = error.is_transient();
    if is_transient && error.retry() != Some(Retry::NextDay) {
        let (kind, first_seen) = (error.kind(), item.first_seen);
        tracing::warn!(device_id, attempts, kind, first_seen, "parked item not redelivered yet: {error}");
        return invocation::failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
    }
    let device_id = device_id.as_deref();
    match item.failed_again(error, attempts, now()).encode() {
        Ok(text) if is_transient => {
            error.log(device_id);
            invocation::done("parked until tomorrow", &QueueOutputs { parked: vec![text], ..QueueOutputs::default() })
        }
        Ok(text) => {
            error.log_kept(device_id, None, Some(1));
            invocation::done("dead-lettered", &QueueOutputs { dead_letter: vec![text], ..QueueOutputs::default() })
        }
        // Its reason has grown beyond the queue message; the item stays where it is.
        Err(too_large) => {
            error.log(device_id);
            invocation::failed(StatusCode::SERVICE_UNAVAILABLE, &too_large.to_string())
        }
    }
}

/// Parked anew, an item has all its dequeues left, so waiting for tomorrow ends here: a quota that is used up day after day
/// is too small. One that a person has put back, without attempts, waits for one more midnight.
fn bounded(error: Error, item: &Item) -> Error {
    if let Error::Unavailable { peer, what, retry: Retry::NextDay } = &error
        && (item.age(now()) >= TRIED_FOR && item.attempts > 0)
    {
        let what = format!("{what}; its daily quota is too small: add units, or choose a larger tier");
        return Error::Refused { peer: *peer, what };
    }
    error
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::Peer;

    #[test]
    fn counts_that_somebody_forged_do_not_overflow() {
        let text = format!(
            r#"{{"kind":"uplink","reason":"","error":"","first_seen":"","attempts":{},"original":{{}}}}"#,
            u64::MAX
        );
        let item = Item::decode(&text).unwrap();
        let message = QueueMessage { text, dequeue_count: 7 };
        let answer = undelivered(item, &message, Error::Malformed("because".to_owned()));
        assert_eq!(answer.status(), StatusCode::OK, "it is dead-lettered");
    }

    #[tokio::test]
    async fn an_exhausted_quota_is_waited_for_until_the_item_has_been_tried_as_long_as_any_other() {
        let error = Error::Unavailable { peer: Peer::IotHub, what: "used up".to_owned(), retry: Retry::NextDay };
        for (hours, queue, other) in [(24, "parked", "dead_letter"), (26, "dead_letter", "parked")] {
            let first_seen = now() - time::Duration::hours(hours);
            let item = Item::new(Kind::Uplink, &error, first_seen, &json!({}));
            let message = QueueMessage { text: String::new(), dequeue_count: 1 };
            let answer = undelivered(item, &message, error.clone()).into_body();
            let answer: Value = serde_json::from_slice(&axum::body::to_bytes(answer, 10_000).await.unwrap()).unwrap();
            let kept = answer["Outputs"][queue][0].as_str().unwrap();
            assert!(answer["Outputs"].get(other).is_none(), "{answer}");
            assert_eq!(kept.contains("add units"), queue == "dead_letter", "{kept}");
            assert_eq!(kept.contains("T00:00:00Z"), queue == "parked", "{kept}");
        }
    }
}
