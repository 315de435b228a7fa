//! The HTTP server: accepts, reads, records, and lets faults strike before the API answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::Response;
use hyper::body::{Bytes, Incoming};
use hyper::header::USER_AGENT;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::fault::{Faults, Interference, Outcome};
use super::rejection::{Code, Rejection, response};
use super::{Options, SubmittedEvent, api, auth, packages};
use crate::newest::Newest;

const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// One request to the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST`…
    pub method: String,
    /// Path with query.
    pub path: String,
    /// Status of the answer; 0 while there is none, for ever if the connection ended before.
    pub status: u16,
    /// Whether it carried the API key that is let in.
    pub authorization_ok: bool,
    /// The `User-Agent` header, empty without one.
    pub user_agent: String,
    /// Bytes of the body.
    pub body_length: usize,
    /// Events in the body, valid or not.
    pub event_count: usize,
}

/// What the server knows and remembers.
#[derive(Debug)]
pub(super) struct State {
    pub(super) options: Options,
    pub(super) requests: Mutex<Newest<Request>>,
    pub(super) submitted: watch::Sender<Vec<SubmittedEvent>>,
    pub(super) faults: Mutex<Faults>,
}

impl State {
    pub(super) fn new(options: Options) -> Self {
        let submitted = watch::Sender::new(Vec::new());
        let requests = Mutex::new(Newest::new(options.history));
        Self { options, requests, submitted, faults: Mutex::default() }
    }
}

impl State {
    fn take(&self, events: Vec<SubmittedEvent>, is_answered: bool, arrived: Instant) {
        match &self.options.observer {
            Some(observer) => observer.submitted(events, is_answered, arrived),
            None => self.submitted.send_modify(|submitted| submitted.extend(events)),
        }
    }
}

/// What the package has accepted.
#[derive(Debug)]
pub(super) struct Accepted(pub(super) Vec<SubmittedEvent>);

/// The connection is to end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("reset")]
struct Reset;

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until it is aborted; its connections end with it.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve_connection(stream, Arc::clone(&state)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { answer(&state, request).await }
    });
    // An error here is the client's end of the connection, or a reset as ordered.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(state: &State, request: hyper::Request<Incoming>) -> Result<Response<Full<Bytes>>, Reset> {
    let arrived = Instant::now();
    let (parts, body) = request.into_parts();
    let index = record(state, &parts);
    let body = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Ok(finish(state, index, Err(too_large()))),
        Err(_) => return Err(Reset),
    };
    let devices = packages::device_ids(&body);
    if let Some(request) = locked(&state.requests).get_mut(index) {
        (request.body_length, request.event_count) = (body.len(), devices.len());
    }
    let interference = locked(&state.faults).meet(&devices);
    if let (false, Some(observer)) = (interference.met.is_empty(), &state.options.observer) {
        observer.spoiled(&body, &interference.met);
    }
    tokio::time::sleep(interference.delay).await;
    interfered(state, index, arrived, interference, || api::answer(state, &parts, &body))
}

/// What a request gets if the faults it met let it through, or what they make of it.
fn interfered(
    state: &State,
    index: usize,
    arrived: Instant,
    interference: Interference,
    answer: impl FnOnce() -> Result<Accepted, Rejection>,
) -> Result<Response<Full<Bytes>>, Reset> {
    let accepted = match interference.outcome {
        Some(Outcome::Reset) => return Err(Reset),
        Some(Outcome::Answer(rejection)) => return Ok(finish(state, index, Err(rejection))),
        Some(Outcome::ResetAfterAccepting) | None => answer(),
    };
    let is_answered = interference.outcome.is_none();
    let answer = accepted.map(|Accepted(events)| {
        state.take(events, is_answered, arrived);
        response(200, "{}".to_owned())
    });
    if is_answered { Ok(finish(state, index, answer)) } else { Err(Reset) }
}

fn record(state: &State, parts: &Parts) -> usize {
    let user_agent = parts.headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let request = Request {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        status: 0,
        authorization_ok: auth::authenticate(&parts.headers, &state.options.api_key).is_ok(),
        user_agent: user_agent.unwrap_or_default(),
        body_length: 0,
        event_count: 0,
    };
    locked(&state.requests).push(request)
}

fn finish(state: &State, index: usize, answer: Result<Response<Full<Bytes>>, Rejection>) -> Response<Full<Bytes>> {
    let response = answer.unwrap_or_else(Rejection::into_response);
    if let Some(request) = locked(&state.requests).get_mut(index) {
        request.status = response.status().as_u16();
    }
    response
}

fn too_large() -> Rejection {
    Rejection::new(Code::InvalidArgument, "pkg/webmiddleware", "request_body_too_large", "request body too large")
        .with("limit", &BODY_LIMIT.to_string())
}
