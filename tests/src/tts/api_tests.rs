//! The HTTP API, called as a client calls it.

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::*;

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

async fn post_to(stack: &TheThingsStack, path: &str, authorization: &str, body: String) -> Option<Answer> {
    let client = reqwest::Client::builder().no_proxy().user_agent("bridge/1").build().expect("client");
    let request = client.post(format!("{}{path}", stack.base_url())).header("authorization", authorization).body(body);
    let response = request.send().await.ok()?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = serde_json::from_slice(&response.bytes().await.ok()?).expect("json");
    Some(Answer { status, headers, body })
}

async fn post(stack: &TheThingsStack, body: &Value) -> Answer {
    let path = "/as/applications/plant-a/packages/azureiothub/events";
    post_to(stack, path, &format!("Bearer {}", stack.api_key()), body.to_string()).await.expect("answer")
}

fn event(device_id: &str) -> Value {
    json!({"end_device_ids": {"device_id": device_id, "application_ids": {"application_id": "plant-a"}},
        "body": {"version": 4}, "properties": {"opType": "updateTwin"}})
}

async fn started() -> TheThingsStack {
    TheThingsStack::start(Options::default()).await.expect("starts")
}

#[tokio::test]
async fn accepted_events_are_kept_in_order_and_awaited() {
    let stack = started().await;
    let waiting = stack.clone();
    let waiting = tokio::spawn(async move { waiting.wait_for_submitted(3, Duration::from_secs(10)).await });
    assert_eq!(post(&stack, &json!({"events": [event("sensor-1"), event("sensor-2")]})).await.status, 200);
    let camel = json!({"endDeviceIds": {"deviceId": "sensor-3", "applicationIds": {"applicationId": "plant-a"}},
        "body": {}, "properties": {}, "unknown": 1});
    assert_eq!(post(&stack, &json!({"events": [camel]})).await.body, json!({}));
    let events = waiting.await.expect("task").expect("three events");
    assert_eq!(events, stack.submitted());
    let devices: Vec<_> = events.iter().map(|event| event.device_id.as_str()).collect();
    assert_eq!(devices, ["sensor-1", "sensor-2", "sensor-3"]);
    assert_eq!((&events[0].body, &events[0].properties["opType"]), (&json!({"version": 4}), &json!("updateTwin")));
    let request = stack.requests().remove(0);
    assert_eq!((request.method.as_str(), request.status, request.event_count), ("POST", 200, 2));
    assert_eq!(request.path, "/api/v3/as/applications/plant-a/packages/azureiothub/events");
    assert!(request.authorization_ok && request.user_agent == "bridge/1" && request.body_length > 100);
    let missing = stack.wait_for_submitted(4, Duration::ZERO).await.expect_err("only three");
    assert!(missing.starts_with("3 of 4 events"), "{missing}");
}

#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Observer for Notes {
    fn submitted(&self, events: Vec<SubmittedEvent>, is_answered: bool, arrived: Instant) {
        assert!(arrived.elapsed() < Duration::from_secs(60));
        state::locked(&self.0).push(format!("{} {is_answered}", events[0].device_id));
    }

    fn spoiled(&self, body: &[u8], effects: &[Effect]) {
        state::locked(&self.0).push(format!("{} bytes {effects:?}", body.len()));
    }
}

#[tokio::test]
async fn an_observer_sees_events_and_faults_and_nothing_is_kept() {
    let notes = Arc::new(Notes::default());
    let options = Options { observer: Some(notes.clone()), history: 1, ..Options::default() };
    let stack = TheThingsStack::start(options).await.expect("starts");
    stack.inject(Fault::once(Effect::ResetAfterAccepting));
    let body = json!({"events": [event("sensor-1")]});
    let path = "/as/applications/plant-a/packages/azureiothub/events";
    let authorization = format!("Bearer {}", stack.api_key());
    assert!(post_to(&stack, path, &authorization, body.to_string()).await.is_none());
    assert_eq!(post(&stack, &body).await.status, 200);
    let met = format!("{} bytes [ResetAfterAccepting]", body.to_string().len());
    assert_eq!(*state::locked(&notes.0), [met, "sensor-1 false".to_owned(), "sensor-1 true".to_owned()]);
    assert_eq!((stack.submitted().len(), stack.requests().len()), (0, 1));
}

#[tokio::test]
async fn one_bad_event_sinks_the_whole_batch() {
    let stack = started().await;
    let with = |name: &str, value: Value| {
        let mut event = event("sensor-2");
        event[name] = value;
        event
    };
    let ids = |device: &str, application: &str| json!({"device_id": device, "application_ids": {"application_id": application}});
    for (bad, field) in [
        (event("Sensor_2"), "events[1].end_device_ids.device_id"),
        (with("end_device_ids", Value::Null), "events[1].end_device_ids"),
        (with("end_device_ids", json!({"device_id": "sensor-2"})), "events[1].end_device_ids.application_ids"),
        (with("end_device_ids", ids("sensor-2", "plant-b")), "events[1].end_device_ids.application_ids.application_id"),
        (with("body", Value::Null), "events[1].body"),
        (with("properties", Value::Null), "events[1].properties"),
    ] {
        let answer = post(&stack, &json!({"events": [event("sensor-1"), bad, event("sensor-3")]})).await;
        let details = &answer.body["details"][0];
        assert_eq!((answer.status, &details["attributes"]["field"]), (400, &json!(field)), "{}", answer.body);
        assert_eq!((&details["namespace"], &details["name"]), (&json!("pkg/errors"), &json!("validation")));
    }
    assert_eq!(post(&stack, &json!({"events": []})).await.body["details"][0]["name"], "validation");
    for bad in [with("body", json!([1])), with("properties", json!("x"))] {
        let answer = post(&stack, &json!({"events": [bad]})).await;
        assert_eq!((answer.status, answer.body.get("details")), (400, None));
    }
    assert_eq!(post(&stack, &json!([])).await.status, 400);
    assert_eq!(stack.submitted(), []);
}

#[tokio::test]
async fn only_the_known_key_is_let_in() {
    let stack = started().await;
    let other = format!("Bearer {}", Options::default().api_key);
    let known = format!("Bearer {}", stack.api_key());
    let events = |application: &str| format!("/as/applications/{application}/packages/azureiothub/events");
    for (path, authorization, status, code, name) in [
        (events("plant-a"), "Bearer NNSXS.short", 400, 3, "token"),
        (events("plant-a"), "Bearer OTHER.A.B", 400, 3, "token"),
        (events("plant-a"), "Basic abc", 401, 16, "unsupported_authorization"),
        (events("plant-a"), &other, 401, 16, "api_key_not_found"),
        (events("plant-b"), &known, 403, 7, "no_application_rights"),
    ] {
        let body = json!({"events": [event("sensor-1")]}).to_string();
        let answer = post_to(&stack, &path, authorization, body).await.expect("answer");
        let details = &answer.body["details"][0];
        assert_eq!((answer.status, &details["name"]), (status, &json!(name)), "{authorization}");
        assert_eq!((&answer.body["code"], &details["code"]), (&json!(code), &json!(code)));
        assert_eq!(details["correlation_id"].as_str().map(str::len), Some(32));
        let message = answer.body["message"].as_str().expect("message");
        assert!(message.starts_with("error:pkg/") && message.contains(&format!(":{name} (")), "{message}");
    }
    assert_eq!(stack.requests().iter().filter(|request| request.authorization_ok).count(), 1);
}

#[tokio::test]
async fn a_missing_route_has_no_details() {
    let options = Options { package_enabled: false, ..Options::default() };
    let stack = TheThingsStack::start(options).await.expect("starts");
    let answer = post(&stack, &json!({"events": [event("sensor-1")]})).await;
    assert_eq!((answer.status, answer.body), (404, json!({"code": 5, "message": "Not Found"})));
}

#[tokio::test]
async fn too_large_a_body_is_refused() {
    let stack = started().await;
    let mut large = event("sensor-1");
    large["body"]["text"] = "x".repeat(16 * 1024 * 1024).into();
    let path = "/as/applications/plant-a/packages/azureiothub/events";
    let body = json!({"events": [large]}).to_string();
    let answer = post_to(&stack, path, &format!("Bearer {}", stack.api_key()), body).await;
    // The answer comes before the body has been taken, so a client may see the connection end instead.
    assert!(answer.is_none_or(|answer| answer.body["details"][0]["name"] == "request_body_too_large"));
    assert_eq!(stack.requests()[0].status, 400);
}

#[tokio::test]
async fn faults_strike_as_often_as_ordered() {
    let stack = started().await;
    let batch = json!({"events": [event("sensor-1")]});
    stack.inject(Fault::times(Effect::RateLimited, 2));
    stack.inject(Fault::once(Effect::Unavailable));
    let limited = post(&stack, &batch).await;
    assert_eq!((limited.status, &limited.headers["x-rate-limit-retry"]), (429, &"3".parse().expect("value")));
    assert_eq!(limited.body["details"][0]["name"], "rate_limit_exceeded");
    assert!(!limited.headers.contains_key("retry-after"));
    for status in [429, 503, 200] {
        assert_eq!(post(&stack, &batch).await.status, status);
    }
    for (effect, status) in [
        (Effect::Unauthenticated, 401),
        (Effect::NoRights, 403),
        (Effect::NotFound, 404),
        (Effect::Internal, 500),
        (Effect::RejectDevice("sensor-1".to_owned()), 400),
        (Effect::RejectDevice("sensor-2".to_owned()), 200),
    ] {
        stack.inject(Fault::always(effect));
        for _ in 0..2 {
            assert_eq!(post(&stack, &batch).await.status, status);
        }
        stack.clear_faults();
    }
}

#[tokio::test]
async fn connections_are_reset_and_answers_delayed_on_demand() {
    let stack = started().await;
    let path = "/as/applications/plant-a/packages/azureiothub/events";
    stack.inject(Fault::once(Effect::Reset));
    assert!(post_to(&stack, path, "", String::new()).await.is_none());
    assert_eq!(stack.requests()[0].status, 0);
    stack.inject(Fault::once(Effect::Delay(Duration::from_millis(50))));
    stack.inject(Fault::once(Effect::Internal));
    let begin = Instant::now();
    assert_eq!(post(&stack, &json!({"events": [event("sensor-1")]})).await.status, 500);
    assert!(begin.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn its_port_is_free_after_stop_and_refused_while_taken() {
    let stack = started().await;
    let port = stack.inner.addresses.cluster.port();
    let options = || Options { port, ..Options::default() };
    let taken = TheThingsStack::start(options()).await.expect_err("taken");
    assert_eq!(taken.to_string(), format!("cannot listen on 127.0.0.1:{port}"));
    stack.stop().await;
    TheThingsStack::start(options()).await.expect("free again");
}

#[tokio::test]
async fn it_starts_only_with_what_could_exist() {
    let options = Options { application_id: "Plant A".to_owned(), ..Options::default() };
    assert!(matches!(TheThingsStack::start(options).await, Err(StartError::ApplicationId(_))));
    let options = Options { api_key: "NNSXS.A.B".to_owned(), ..Options::default() };
    assert!(matches!(TheThingsStack::start(options).await, Err(StartError::ApiKey)));
}
