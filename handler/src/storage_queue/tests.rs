//! The client against a queue service in memory.

use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Method, Uri};

use super::stand_in::{StandIn, http};
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn last_request(stand_in: &StandIn) -> (Method, Uri, HeaderMap) {
    stand_in.requests().pop().unwrap()
}

#[tokio::test]
async fn a_message_is_put_received_once_and_deleted() {
    let stand_in = StandIn::start().await;
    let queue = stand_in.queue("dead-letter");
    queue.create().await.unwrap();
    queue.put("<hello> & ü").await.unwrap();
    assert_eq!(last_request(&stand_in).1.query(), Some("messagettl=-1"));
    assert_eq!(queue.peek().await.unwrap()[0].pop_receipt, None);

    let received = queue.receive(MINUTE).await.unwrap();
    assert_eq!(last_request(&stand_in).1.query(), Some("numofmessages=32&visibilitytimeout=60"));
    assert_eq!(received[0].content().unwrap(), "<hello> & ü");
    assert_eq!(queue.receive(MINUTE).await.unwrap(), []);
    assert_eq!(queue.approximate_count().await.unwrap(), 1);

    queue.delete(&received[0].id, received[0].pop_receipt.as_deref().unwrap()).await.unwrap();
    assert_eq!(queue.approximate_count().await.unwrap(), 0);
}

#[tokio::test]
async fn a_message_given_back_is_there_for_others_and_its_old_receipt_is_worth_nothing() {
    let stand_in = StandIn::start().await;
    stand_in.holds("parked", "hello");
    let queue = stand_in.queue("parked");
    let first = queue.receive(MINUTE).await.unwrap().remove(0);
    queue.give_back(&first.id, first.pop_receipt.as_deref().unwrap()).await.unwrap();
    let second = queue.receive(MINUTE).await.unwrap().remove(0);
    assert_eq!((second.content().unwrap().as_str(), second.dequeue_count), ("hello", 2));
    assert_eq!(queue.delete(&first.id, first.pop_receipt.as_deref().unwrap()).await, Err(QueueError::NoMessage));
}

#[tokio::test]
async fn a_missing_queue_and_a_busy_service_are_told_apart() {
    let stand_in = StandIn::start().await;
    assert_eq!(stand_in.queue("nowhere").peek().await, Err(QueueError::NoQueue));
    stand_in.fails(Method::GET, "nowhere");
    let busy = QueueError::Unavailable("503 ServerBusy ServerBusy it is.".to_owned());
    assert_eq!(stand_in.queue("nowhere").peek().await, Err(busy));
}

#[tokio::test]
async fn requests_carry_version_date_and_signature() {
    let stand_in = StandIn::start().await;
    let _ = stand_in.queue("parked").peek().await;
    let (_, uri, headers) = last_request(&stand_in);
    assert_eq!(uri.path(), "/devstoreaccount1/parked/messages");
    assert_eq!(headers["x-ms-version"], "2023-11-03");
    assert!(headers["x-ms-date"].to_str().unwrap().ends_with(" GMT"));
    assert!(headers[AUTHORIZATION].to_str().unwrap().starts_with("SharedKey devstoreaccount1:"));
}

#[tokio::test]
async fn a_shared_access_signature_joins_the_query_and_shows_in_no_error() {
    let stand_in = StandIn::start_with("SharedAccessSignature=sv=1&sig=hunter2%2B").await;
    let _ = stand_in.queue("parked").peek().await;
    let (_, uri, headers) = last_request(&stand_in);
    assert_eq!(uri.query(), Some("peekonly=true&numofmessages=32&sv=1&sig=hunter2%2B"));
    assert!(!headers.contains_key(AUTHORIZATION));

    let text = "QueueEndpoint=http://127.0.0.1:1/a;SharedAccessSignature=sig=hunter2";
    let account = Account::from_connection_string(text).unwrap();
    let service = QueueService::open(http(), account).await.unwrap();
    let failure = service.queue("parked").peek().await.unwrap_err();
    assert!(matches!(failure, QueueError::Unavailable(_)));
    assert!(!format!("{failure} {failure:?} {service:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_login_becomes_a_bearer_token_for_every_request() {
    let stand_in = StandIn::start().await;
    let mut az = tokio::process::Command::new("sh");
    az.args(["-c", r#"echo '{"accessToken": "hunter2"}'"#]);
    let service = stand_in.signed_in(az).await.unwrap();
    let _ = service.queue("parked").peek().await;
    assert_eq!(last_request(&stand_in).2[AUTHORIZATION], "Bearer hunter2");
    assert!(!format!("{service:?}").contains("hunter2"));
}
