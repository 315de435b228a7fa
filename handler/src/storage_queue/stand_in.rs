//! A queue service in memory, for tests. Time does not pass in it: what is received stays hidden until given back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Account, PAGE, QueueService, StorageQueue};

#[derive(Debug, Clone, Default)]
struct Stored {
    id: String,
    text: String,
    receipt: Option<String>,
    is_hidden: bool,
    dequeue_count: u32,
}

#[derive(Debug, Default)]
struct Queues {
    queues: BTreeMap<String, Vec<Stored>>,
    failing: Option<(Method, &'static str)>,
    coming_back: Option<(&'static str, &'static str)>,
    requests: Vec<(Method, Uri, HeaderMap)>,
    made: u32,
}

/// The service and a client for it.
#[derive(Debug, Clone)]
pub(crate) struct StandIn {
    queues: Arc<Mutex<Queues>>,
    endpoint: String,
    service: Arc<QueueService>,
}

impl StandIn {
    /// A service on a port of its own, opened with the development account's key.
    pub(crate) async fn start() -> Self {
        Self::start_with("AccountName=devstoreaccount1;AccountKey=aHVudGVyMg==").await
    }

    /// The same, opened with that credential of a connection string.
    pub(crate) async fn start_with(credential: &str) -> Self {
        let queues = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&queues));
        tokio::spawn(axum::serve(listener, router).into_future());
        let endpoint = format!("http://{address}/devstoreaccount1");
        let account = Account::from_connection_string(&format!("QueueEndpoint={endpoint};{credential}")).unwrap();
        Self { queues, endpoint, service: QueueService::open(http(), account).await.unwrap() }
    }

    /// A client that is opened with the answer of `az`.
    pub(super) async fn signed_in(&self, az: tokio::process::Command) -> Result<Arc<QueueService>, String> {
        let account = Account::from_queue_service_uri(&self.endpoint).unwrap();
        QueueService::open_with(http(), account, az).await
    }

    pub(crate) fn service(&self) -> &Arc<QueueService> {
        &self.service
    }

    pub(crate) fn queue(&self, name: &str) -> StorageQueue {
        self.service.queue(name)
    }

    /// Puts a message as the Functions host does; ids are `m1`, `m2`, ….
    pub(crate) fn holds(&self, queue: &str, content: &str) {
        self.holds_raw(queue, &STANDARD.encode(content));
    }

    /// Puts a message's text as it is.
    pub(crate) fn holds_raw(&self, queue: &str, text: &str) {
        self.queues.lock().unwrap().put(queue, text.to_owned());
    }

    /// Requests with that method to paths with that part are answered with 503 from now on.
    pub(crate) fn fails(&self, method: Method, path_part: &'static str) {
        self.queues.lock().unwrap().failing = Some((method, path_part));
    }

    /// What is put into one queue appears in the other as well from now on, as if it had been tried again and failed.
    pub(crate) fn brings_back(&self, from: &'static str, to: &'static str) {
        self.queues.lock().unwrap().coming_back = Some((from, to));
    }

    /// The contents of a queue's messages, in order.
    pub(crate) fn contents(&self, queue: &str) -> Vec<String> {
        let queues = self.queues.lock().unwrap();
        let stored = queues.queues.get(queue).into_iter().flatten();
        stored.map(|message| String::from_utf8(STANDARD.decode(&message.text).unwrap()).unwrap()).collect()
    }

    /// How many messages of a queue nobody can see.
    pub(crate) fn hidden(&self, queue: &str) -> usize {
        let queues = self.queues.lock().unwrap();
        queues.queues.get(queue).into_iter().flatten().filter(|message| message.is_hidden).count()
    }

    /// Everything asked so far.
    pub(crate) fn requests(&self) -> Vec<(Method, Uri, HeaderMap)> {
        self.queues.lock().unwrap().requests.clone()
    }
}

pub(super) fn http() -> reqwest::Client {
    crate::http::client(crate::http::tls_config(Vec::new()).unwrap()).unwrap()
}

impl Queues {
    fn answer(&mut self, method: &str, path: &[&str], query: &str, body: &str) -> Response {
        match (method, path) {
            ("GET", [queue]) => {
                let count = self.queues[*queue].len().to_string();
                [("x-ms-approximate-messages-count", count)].into_response()
            }
            ("GET", [queue, _]) => self.page(queue, query.contains("peekonly=true")).into_response(),
            ("POST", [queue, _]) => {
                let text = body.split("MessageText>").nth(1).unwrap().trim_end_matches("</");
                self.put(queue, text.to_owned());
                if let Some((_, to)) = self.coming_back.filter(|(from, _)| from == queue) {
                    self.put(to, text.to_owned());
                }
                StatusCode::CREATED.into_response()
            }
            (_, [queue, _, id]) => match self.received(queue, id, query) {
                Ok(position) => {
                    let messages = self.queues.get_mut(*queue).unwrap();
                    messages[position].is_hidden = false;
                    if method == "DELETE" {
                        messages.remove(position);
                    }
                    StatusCode::NO_CONTENT.into_response()
                }
                Err(refusal) => error(refusal),
            },
            _ => StatusCode::BAD_REQUEST.into_response(),
        }
    }

    fn put(&mut self, queue: &str, text: String) {
        self.made += 1;
        let message = Stored { id: format!("m{}", self.made), text, ..Stored::default() };
        self.queues.entry(queue.to_owned()).or_default().push(message);
    }

    fn page(&mut self, queue: &str, is_peek: bool) -> String {
        let mut xml = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><QueueMessagesList>".to_owned();
        let visible = self.queues.get_mut(queue).into_iter().flatten().filter(|message| !message.is_hidden);
        for message in visible.take(PAGE) {
            let receipt = if is_peek { String::new() } else { message.receive() };
            let (id, count, text) = (&message.id, message.dequeue_count, &message.text);
            let _ = write!(
                xml,
                "<QueueMessage><MessageId>{id}</MessageId><InsertionTime>Sat, 21 Nov 2026 10:00:00 GMT</InsertionTime>\
                <ExpirationTime>Sat, 28 Nov 2026 10:00:00 GMT</ExpirationTime>{receipt}<DequeueCount>{count}</DequeueCount>\
                <MessageText>{text}</MessageText></QueueMessage>"
            );
        }
        xml + "</QueueMessagesList>"
    }

    /// The message whose newest pop receipt the query holds.
    fn received(&mut self, queue: &str, id: &str, query: &str) -> Result<usize, (StatusCode, &'static str)> {
        let messages = self.queues.entry(queue.to_owned()).or_default();
        let position = messages.iter().position(|message| message.id == id);
        let position = position.ok_or((StatusCode::NOT_FOUND, "MessageNotFound"))?;
        let given = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "popreceipt");
        let is_newest = messages[position].receipt == given.map(|(_, receipt)| receipt.into_owned());
        is_newest.then_some(position).ok_or((StatusCode::BAD_REQUEST, "PopReceiptMismatch"))
    }
}

impl Stored {
    fn receive(&mut self) -> String {
        self.dequeue_count += 1;
        self.is_hidden = true;
        let receipt = format!("+/{}=", self.dequeue_count);
        self.receipt = Some(receipt.clone());
        format!("<PopReceipt>{receipt}</PopReceipt>")
    }
}

fn error((status, code): (StatusCode, &str)) -> Response {
    let xml =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{code} it is.\nTime:x</Message></Error>");
    (status, [("x-ms-error-code", code.to_owned())], xml).into_response()
}

async fn answer(
    State(queues): State<Arc<Mutex<Queues>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response {
    let mut queues = queues.lock().unwrap();
    queues.requests.push((method.clone(), uri.clone(), headers));
    if queues.failing.as_ref().is_some_and(|(failing, part)| *failing == method && uri.path().contains(part)) {
        return error((StatusCode::SERVICE_UNAVAILABLE, "ServerBusy"));
    }
    let path: Vec<_> = uri.path().split('/').skip(2).collect();
    if path.len() == 1 && method == Method::PUT {
        queues.queues.entry(path[0].to_owned()).or_default();
        return StatusCode::CREATED.into_response();
    }
    if !queues.queues.contains_key(path[0]) {
        return error((StatusCode::NOT_FOUND, "QueueNotFound"));
    }
    queues.answer(method.as_str(), &path, uri.query().unwrap_or_default(), &body)
}
