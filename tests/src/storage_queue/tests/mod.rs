//! One table of behaviours, for every backend.

pub(crate) mod behaviours;

use super::*;
use crate::azurite::tests::azurite;

#[tokio::test]
async fn queues_in_memory_behave_as_the_service() {
    behaviours::check_all(&Queues::in_memory_at(0.1)).await;
}

#[tokio::test]
async fn queues_of_azurite_behave_as_the_service() {
    let Some(azurite) = azurite().await else { return };
    behaviours::check_all(&azurite.queues().unwrap()).await;
    let wrong_key = azurite.connection_string().replace("AccountKey=Eby8", "AccountKey=eby8");
    let refused = Queues::connect(&wrong_key).unwrap().approximate_count("jobs").await;
    assert_eq!(refused, Err(QueueError::service(403, "AuthenticationFailed")));
    let queues = azurite.queues().unwrap();
    drop(azurite);
    behaviours::until(async || matches!(queues.peek("jobs", 1).await, Err(QueueError::NoAnswer(_)))).await;
}

#[tokio::test]
async fn time_in_memory_runs_as_fast_as_asked_for() {
    let queues = Queues::in_memory_at(1e-6);
    queues.create("jobs").await.unwrap();
    let message = queues.put("jobs", "a").await.unwrap();
    assert_eq!(message.expiration_time - message.insertion_time, SEVEN_DAYS, "told as the service would");
    behaviours::until(async || queues.approximate_count("jobs").await == Ok(0)).await;
    let ever = PutOptions { time_to_live: Duration::MAX, visibility_delay: SEVEN_DAYS };
    queues.put_with("jobs", "b", ever).await.unwrap();
    assert_eq!(queues.peek("jobs", 1).await, Ok(vec![]));
    queues.wait_for_message("jobs", Duration::ZERO).await;
    assert_eq!(queues.peek("jobs", 1).await.unwrap()[0].text, "b");
}

#[tokio::test]
async fn messages_in_memory_keep_their_order_and_a_retried_one_goes_to_the_end() {
    let queues = Queues::in_memory();
    queues.create("jobs").await.unwrap();
    for text in ["a", "b", "c"] {
        queues.put("jobs", text).await.unwrap();
    }
    let first = queues.get("jobs", 1, Duration::from_mins(1)).await.unwrap().remove(0);
    queues.update("jobs", &first.id, &first.pop_receipt, Duration::ZERO).await.unwrap();
    let texts: Vec<_> = queues.all("jobs").unwrap().into_iter().map(|message| message.text).collect();
    assert_eq!((first.text.as_str(), texts), ("a", vec!["b".to_owned(), "c".to_owned(), "a".to_owned()]));
}

#[tokio::test]
async fn injected_faults_fail_puts_and_store_nothing() {
    let queues = Queues::in_memory();
    queues.create("jobs").await.unwrap();
    queues.inject(PutFault::Next(2));
    let failed = QueueError::service(503, "ServerBusy");
    for expected in [Err(failed.clone()), Err(failed.clone()), Ok(())] {
        assert_eq!(queues.put("jobs", "a").await.map(drop), expected);
    }
    queues.inject(PutFault::UntilCleared);
    assert_eq!(queues.put_creating("other", "a").await.map(drop), Err(failed));
    queues.clear_faults();
    assert_eq!(queues.put_creating("other", "a").await.map(drop), Ok(()));
    assert_eq!((queues.all("jobs").unwrap().len(), queues.all("other").unwrap().len()), (1, 1));
}
