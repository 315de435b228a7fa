//! Webhook requests, seen by whoever receives them.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderValue, LOCATION};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;

use super::messages::Device;
use super::*;

#[derive(Debug)]
struct Received {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

/// Answers with the given statuses in turn, redirects leading to `/there`, then with 204; 0 never answers.
struct Receiver {
    base_url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    async fn start(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let base_url = format!("http://{}", listener.local_addr().expect("address"));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (log, statuses) = (Arc::clone(&received), Arc::new(Mutex::new(VecDeque::from(statuses.to_vec()))));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, statuses) = (Arc::clone(&log), Arc::clone(&statuses));
                let service = service_fn(move |request| answer(request, Arc::clone(&log), Arc::clone(&statuses)));
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { base_url, received }
    }

    fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().expect("lock"))
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    log: Arc<Mutex<Vec<Received>>>,
    statuses: Arc<Mutex<VecDeque<u16>>>,
) -> Result<Response<Empty<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let (method, target, headers) = (parts.method, parts.uri.to_string(), parts.headers);
    let body = body.collect().await?.to_bytes();
    log.lock().expect("lock").push(Received { method, target, headers, body });
    let status = statuses.lock().expect("lock").pop_front().unwrap_or(204);
    let mut response = Response::new(Empty::new());
    match StatusCode::from_u16(status) {
        Ok(status) => *response.status_mut() = status,
        Err(_) => std::future::pending().await,
    }
    if (300..400).contains(&status) {
        response.headers_mut().insert(LOCATION, HeaderValue::from_static("/there"));
    }
    Ok(response)
}

async fn started() -> TheThingsStack {
    TheThingsStack::start(Options::default()).await.expect("starts")
}

fn uplink() -> Value {
    Device::new("plant-a", "sensor-1").message("uplink_message")
}

#[tokio::test]
async fn a_message_is_posted_as_compact_json() {
    let (stack, receiver) = (started().await, Receiver::start(&[]).await);
    let mut webhook = Webhook::new(format!("{}/api/tts", receiver.base_url));
    webhook.paths.insert("uplink_message".to_owned(), "/{devID}/up".to_owned());
    let delivery = stack.send(&webhook, &uplink()).await;
    let url = format!("{}/api/tts/sensor-1/up", receiver.base_url);
    assert_eq!(delivery, Delivery::Answered { url, status: 204, body: String::new() });
    assert!(delivery.delivered());
    let request = receiver.received().remove(0);
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/api/tts/sensor-1/up"));
    let sent: Value = serde_json::from_slice(&request.body).expect("json");
    assert_eq!(sent.to_string().as_bytes(), request.body);
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert!(request.header("user-agent").is_some_and(|agent| agent.starts_with("TheThingsStack/")));
    assert_eq!(request.header("x-tts-domain"), Some(stack.inner.addresses.cluster.to_string().as_str()));
    assert_eq!(request.header("x-downlink-apikey"), None);
}

#[tokio::test]
async fn what_the_sender_sets_wins_over_custom_headers() {
    let (stack, receiver) = (started().await, Receiver::start(&[]).await);
    let mut webhook = Webhook::new(&receiver.base_url);
    for (name, value) in [
        ("Host", "elsewhere"),
        ("Content-Type", "text/plain"),
        ("User-Agent", "mine"),
        ("X-Downlink-Push", "mine"),
        ("X-Tts-Domain", "mine"),
        ("x-functions-key", "secret"),
        ("Content-Length", "1"),
    ] {
        webhook.headers.insert(name.to_owned(), value.to_owned());
    }
    webhook.downlink_api_key = Some("NNSXS.KEY".to_owned());
    assert!(stack.send(&webhook, &uplink()).await.delivered());
    let request = receiver.received().remove(0);
    let down = format!("{}/as/applications/plant-a/webhooks/azure-iot-hub/devices/sensor-1/down", stack.base_url());
    for (name, value) in [
        ("host", receiver.base_url.trim_start_matches("http://")),
        ("content-type", "application/json"),
        ("user-agent", "mine"),
        ("x-downlink-apikey", "NNSXS.KEY"),
        ("x-downlink-push", &format!("{down}/push")),
        ("x-downlink-replace", &format!("{down}/replace")),
        ("x-tts-domain", &stack.inner.addresses.cluster.to_string()),
        ("x-functions-key", "secret"),
        ("content-length", &request.body.len().to_string()),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    webhook.headers.insert("X-Bad".to_owned(), "line\nbreak".to_owned());
    assert!(matches!(stack.send(&webhook, &uplink()).await, Delivery::Failed { .. }));
}

#[tokio::test]
async fn types_without_a_path_are_not_sent() {
    let (stack, receiver) = (started().await, Receiver::start(&[]).await);
    let mut webhook = Webhook::new(&receiver.base_url);
    webhook.paths.remove("uplink_message");
    assert_eq!(stack.send(&webhook, &uplink()).await, Delivery::Disabled);
    assert_eq!(stack.send(&webhook, &json!({"future_message": {}})).await, Delivery::Disabled);
    assert!(receiver.received().is_empty());
}

#[tokio::test]
async fn exact_bytes_arrive_unchanged() {
    let (stack, receiver) = (started().await, Receiver::start(&[]).await);
    let ids = EndDeviceIds::new("plant-a", "sensor-1");
    let body = b"{\"uplink_message\": {\"f_cnt\":1.50e1}} \xff";
    let delivery = stack.send_text(&Webhook::new(&receiver.base_url), "uplink_message", &ids, body.to_vec()).await;
    assert!(delivery.delivered());
    assert_eq!(receiver.received()[0].body, body.as_slice());
}

#[tokio::test]
async fn protobuf_is_an_octet_stream_and_masked_messages_keep_their_url() {
    let (stack, receiver) = (started().await, Receiver::start(&[]).await);
    let mut webhook = Webhook { format: Format::Protobuf, ..Webhook::new(&receiver.base_url) };
    assert!(stack.send(&webhook, &uplink()).await.delivered());
    webhook.format = Format::Json;
    webhook.base_url += "/{devID}";
    webhook.field_mask = Some(vec!["up.uplink_message.f_cnt".to_owned()]);
    assert!(stack.send(&webhook, &uplink()).await.delivered());
    let received = receiver.received();
    assert_eq!(received[0].header("content-type"), Some("application/octet-stream"));
    assert!(received[0].body.starts_with(b"\x0a"));
    assert_eq!(received[1].target, "/sensor-1");
    assert_eq!(received[1].body, r#"{"uplink_message":{"f_cnt":17}}"#);
}

#[tokio::test]
async fn redirects_are_followed_some_without_the_message() {
    let stack = started().await;
    for (status, method, has_body) in [(302, Method::GET, false), (303, Method::GET, false), (307, Method::POST, true)]
    {
        let receiver = Receiver::start(&[status]).await;
        let delivery = stack.send(&Webhook::new(&receiver.base_url), &uplink()).await;
        assert!(delivery.delivered(), "{delivery:?}");
        let second = receiver.received().remove(1);
        assert_eq!((second.method, second.target.as_str()), (method, "/there"), "{status}");
        assert_eq!(!second.body.is_empty(), has_body, "{status}");
    }
}

#[tokio::test]
async fn a_message_is_sent_once_whatever_comes_back() {
    let (stack, receiver) = (started().await, Receiver::start(&[503, 0]).await);
    let mut webhook = Webhook::new(&receiver.base_url);
    let refused = stack.send(&webhook, &uplink()).await;
    assert!(matches!(refused, Delivery::Answered { status: 503, .. }) && !refused.delivered());
    assert_eq!(receiver.received().len(), 1);
    webhook.timeout = Duration::from_millis(50);
    assert_eq!(stack.send(&webhook, &uplink()).await, Delivery::TimedOut { url: format!("{}/", receiver.base_url) });
    assert!(receiver.received().len() <= 1);
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("port").local_addr().expect("address");
    let delivery = stack.send(&Webhook::new(format!("http://{nobody}")), &uplink()).await;
    assert!(matches!(delivery, Delivery::Failed { .. }), "{delivery:?}");
}
