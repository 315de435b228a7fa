//! What a queue does, whoever keeps it.

use std::time::Duration;

use super::super::{MOST_TEXT_BYTES, PutOptions, Queues, SEVEN_DAYS};

const LIMIT: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_hours(1);

/// All behaviours, each on a queue of its own.
pub(super) async fn check_all(queues: &Queues) {
    a_message_that_is_got_is_hidden_until_it_is_released(queues).await;
    only_the_newest_pop_receipt_counts(queues).await;
    a_visibility_timeout_ends_by_itself(queues).await;
    a_delayed_message_is_there_but_not_visible(queues).await;
    a_message_disappears_at_the_end_of_its_life(queues).await;
    peeking_changes_nothing(queues).await;
    any_text_comes_back_as_it_was_put(queues).await;
    a_text_may_have_64_kb(queues).await;
    at_most_32_messages_come_at_once(queues).await;
    a_cleared_queue_is_empty(queues).await;
    what_is_out_of_range_is_refused(queues).await;
    what_is_not_there_is_not_found(queues).await;
}

/// Waits for a condition nobody announces.
pub(crate) async fn until(condition: impl AsyncFn() -> bool) {
    let mut look = tokio::time::interval(Duration::from_millis(5));
    let reached = async {
        while !condition().await {
            look.tick().await;
        }
    };
    tokio::time::timeout(LIMIT, reached).await.unwrap();
}

fn code<T>(result: Result<T, super::QueueError>) -> String {
    result.map_or_else(|error| error.to_string(), |_| "fine".to_owned())
}

async fn with_message(queues: &Queues, queue: &str, text: &str) {
    queues.create(queue).await.unwrap();
    queues.put(queue, text).await.unwrap();
}

async fn is_visible(queues: &Queues, queue: &str) -> bool {
    !queues.peek(queue, 1).await.unwrap().is_empty()
}

async fn a_message_that_is_got_is_hidden_until_it_is_released(queues: &Queues) {
    let queue = "hidden";
    queues.create(queue).await.unwrap();
    let put = queues.put(queue, "a").await.unwrap();
    assert_eq!((put.dequeue_count, put.text.as_str()), (0, "a"));
    assert_eq!(put.expiration_time - put.insertion_time, SEVEN_DAYS);
    let got = queues.get(queue, 32, HOUR).await.unwrap();
    assert_eq!(got.len(), 1);
    assert_eq!((&got[0].id, got[0].dequeue_count, got[0].text.as_str()), (&put.id, 1, "a"));
    assert_eq!((got[0].insertion_time, got[0].expiration_time), (put.insertion_time, put.expiration_time));
    assert!(got[0].next_visible_time - got[0].insertion_time >= HOUR - Duration::from_secs(1));
    assert_eq!(queues.get(queue, 32, HOUR).await.unwrap(), []);
    assert!(!is_visible(queues, queue).await);
    queues.update(queue, &put.id, &got[0].pop_receipt, Duration::ZERO).await.unwrap();
    let again = queues.get(queue, 32, HOUR).await.unwrap();
    assert_eq!((&again[0].id, again[0].dequeue_count), (&put.id, 2));
    queues.delete(queue, &put.id, &again[0].pop_receipt).await.unwrap();
    assert_eq!(queues.approximate_count(queue).await, Ok(0));
}

async fn only_the_newest_pop_receipt_counts(queues: &Queues) {
    let queue = "receipts";
    with_message(queues, queue, "a").await;
    let got = queues.get(queue, 1, HOUR).await.unwrap().remove(0);
    let renewed = queues.update(queue, &got.id, &got.pop_receipt, 2 * HOUR).await.unwrap();
    assert_ne!(renewed.pop_receipt, got.pop_receipt);
    assert!(renewed.next_visible_time > got.next_visible_time);
    let mismatch = "400 PopReceiptMismatch";
    assert_eq!(code(queues.delete(queue, &got.id, &got.pop_receipt).await), mismatch);
    assert_eq!(code(queues.update(queue, &got.id, &got.pop_receipt, HOUR).await), mismatch);
    assert_eq!(code(queues.delete(queue, &got.id, &renewed.pop_receipt).await), "fine");
    assert_eq!(code(queues.delete(queue, &got.id, &renewed.pop_receipt).await), "404 MessageNotFound");
}

async fn a_visibility_timeout_ends_by_itself(queues: &Queues) {
    let queue = "timeouts";
    with_message(queues, queue, "a").await;
    let first = queues.get(queue, 1, Duration::from_secs(1)).await.unwrap().remove(0);
    until(async || is_visible(queues, queue).await).await;
    let second = queues.get(queue, 1, HOUR).await.unwrap().remove(0);
    assert_eq!((&second.id, second.dequeue_count), (&first.id, 2));
    assert_ne!(second.pop_receipt, first.pop_receipt);
}

async fn a_delayed_message_is_there_but_not_visible(queues: &Queues) {
    let queue = "delayed";
    queues.create(queue).await.unwrap();
    let delayed = PutOptions { visibility_delay: HOUR, ..PutOptions::default() };
    let put = queues.put_with(queue, "a", delayed).await.unwrap();
    assert_eq!(put.next_visible_time - put.insertion_time, HOUR);
    assert!(!is_visible(queues, queue).await);
    assert_eq!(queues.approximate_count(queue).await, Ok(1));
    // Whoever put it may bring it forward.
    queues.update(queue, &put.id, &put.pop_receipt, Duration::ZERO).await.unwrap();
    assert_eq!(queues.get(queue, 1, HOUR).await.unwrap()[0].dequeue_count, 1);
}

async fn a_message_disappears_at_the_end_of_its_life(queues: &Queues) {
    let queue = "mortal";
    queues.create(queue).await.unwrap();
    let mortal = PutOptions { time_to_live: Duration::from_secs(1), ..PutOptions::default() };
    let put = queues.put_with(queue, "a", mortal).await.unwrap();
    assert_eq!(put.expiration_time - put.insertion_time, Duration::from_secs(1));
    until(async || !is_visible(queues, queue).await).await;
    assert_eq!(queues.get(queue, 1, HOUR).await, Ok(vec![]));
    let immortal = PutOptions { time_to_live: Duration::MAX, ..PutOptions::default() };
    assert!(queues.put_with(queue, "b", immortal).await.unwrap().expiration_time.year() > 9000);
    assert!(is_visible(queues, queue).await);
}

async fn peeking_changes_nothing(queues: &Queues) {
    let queue = "peeked";
    with_message(queues, queue, "a").await;
    let peeked = queues.peek(queue, 32).await.unwrap();
    assert_eq!((peeked.len(), peeked[0].dequeue_count, peeked[0].text.as_str()), (1, 0, "a"));
    assert_eq!(queues.peek(queue, 32).await.unwrap(), peeked);
    assert_eq!(queues.get(queue, 32, HOUR).await.unwrap()[0].dequeue_count, 1);
}

async fn any_text_comes_back_as_it_was_put(queues: &Queues) {
    let queue = "texts";
    queues.create(queue).await.unwrap();
    for text in ["<a b='1'>&amp;\"</a>", "]]>", "tab\tand\nline", "  spaces  ", "{\"ü\":\"😀\"}", "eyJhIjoxfQ=="] {
        queues.put(queue, text).await.unwrap();
        let got = queues.get(queue, 1, HOUR).await.unwrap().remove(0);
        assert_eq!(got.text, text);
        queues.delete(queue, &got.id, &got.pop_receipt).await.unwrap();
    }
    assert_eq!(code(queues.put(queue, "nul\0").await), "400 InvalidXmlDocument");
}

async fn a_text_may_have_64_kb(queues: &Queues) {
    let queue = "large";
    queues.create(queue).await.unwrap();
    assert_eq!(code(queues.put(queue, &"x".repeat(MOST_TEXT_BYTES)).await), "fine");
    assert_eq!(code(queues.put(queue, &"x".repeat(MOST_TEXT_BYTES + 1)).await), "413 RequestBodyTooLarge");
}

async fn at_most_32_messages_come_at_once(queues: &Queues) {
    let queue = "many";
    queues.create(queue).await.unwrap();
    for number in 0..34 {
        queues.put(queue, &number.to_string()).await.unwrap();
    }
    let first = queues.get(queue, 32, HOUR).await.unwrap();
    let rest = queues.get(queue, 32, HOUR).await.unwrap();
    assert_eq!((first.len(), rest.len()), (32, 2));
    let mut texts: Vec<u32> = first.into_iter().chain(rest).map(|message| message.text.parse().unwrap()).collect();
    texts.sort_unstable();
    assert_eq!(texts, (0..34).collect::<Vec<_>>());
}

async fn a_cleared_queue_is_empty(queues: &Queues) {
    let queue = "cleared";
    with_message(queues, queue, "a").await;
    queues.get(queue, 1, HOUR).await.unwrap();
    queues.put(queue, "b").await.unwrap();
    assert_eq!(queues.approximate_count(queue).await, Ok(2));
    queues.clear(queue).await.unwrap();
    assert_eq!(queues.approximate_count(queue).await, Ok(0));
}

async fn what_is_out_of_range_is_refused(queues: &Queues) {
    let queue = "ranges";
    with_message(queues, queue, "a").await;
    let late = PutOptions { visibility_delay: HOUR, time_to_live: HOUR };
    for refused in [
        code(queues.get(queue, 33, HOUR).await),
        code(queues.get(queue, 0, HOUR).await),
        code(queues.get(queue, 1, SEVEN_DAYS + HOUR).await),
        code(queues.peek(queue, 33).await),
        code(queues.put_with(queue, "a", late).await),
    ] {
        // Azurite does not always say which number it means.
        assert!(refused.starts_with("400 "), "{refused}");
    }
    for name in ["no", "Upper", "under_score", "-dash", "two--dashes"] {
        assert!(code(queues.create(name).await).starts_with("400 "), "{name}");
    }
}

async fn what_is_not_there_is_not_found(queues: &Queues) {
    let (queue, id) = ("missing", "7c9b6f0e-3d1a-4a57-9a0c-2b7a4b0e1d55");
    let not_found = "404 QueueNotFound";
    assert_eq!(code(queues.put(queue, "a").await), not_found);
    assert_eq!(code(queues.get(queue, 1, HOUR).await), not_found);
    assert_eq!(code(queues.peek(queue, 1).await), not_found);
    assert_eq!(code(queues.clear(queue).await), not_found);
    assert_eq!(code(queues.approximate_count(queue).await), not_found);
    assert_eq!(code(queues.put_creating(queue, "a").await), "fine");
    queues.create(queue).await.unwrap();
    let got = queues.get(queue, 1, HOUR).await.unwrap().remove(0);
    assert_eq!(code(queues.delete(queue, id, &got.pop_receipt).await), "404 MessageNotFound");
    assert_eq!(code(queues.update(queue, id, &got.pop_receipt, HOUR).await), "404 MessageNotFound");
}
