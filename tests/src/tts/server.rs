//! The HTTP server: accepts, reads, records, and lets faults strike before the API answers.

use std::sync::Arc;
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
use tokio::task::JoinSet;

use super::api::{self, Accepted};
use super::fault::{Interference, Outcome, Subject};
use super::rejection::{Code, Rejection, response};
use super::route::{self, Route, Server, Target};
use super::state::{Request, State, locked};
use super::{auth, deeds, packages, registry};

const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Which servers answer at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// All of them.
    Whole,
    /// All but the identity server: it is another cluster's.
    WithoutIdentity,
    /// Only the identity server.
    Identity,
}

impl Port {
    fn has(self, server: Server) -> bool {
        match self {
            Self::Whole => true,
            Self::WithoutIdentity => server != Server::Identity,
            Self::Identity => server == Server::Identity,
        }
    }
}

/// The connection is to end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("reset")]
struct Reset;

/// Serves until it is aborted; its connections end with it.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>, port: Port) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve_connection(stream, Arc::clone(&state), port));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, state: Arc<State>, port: Port) {
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { answer(&state, port, request).await }
    });
    // An error here is the client's end of the connection, or a reset as ordered.
    let _ = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(state: &State, port: Port, request: hyper::Request<Incoming>) -> Result<Response<Full<Bytes>>, Reset> {
    let arrived = Instant::now();
    let (parts, body) = request.into_parts();
    let index = record(state, &parts);
    let body = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Ok(finish(state, index, Err(too_large()))),
        Err(_) => return Err(Reset),
    };
    let server = route::split(parts.uri.path()).map(|(server, _)| server).filter(|server| port.has(*server));
    let quota = server.and_then(|_| locked(&state.limiter).take(parts.uri.path(), Instant::now()));
    if let Some(refusal) = quota.and_then(|quota| quota.refusal()) {
        return Ok(finish(state, index, Err(refusal)));
    }
    let devices = devices(&parts, &body);
    if let Some(request) = locked(&state.requests).get_mut(index) {
        (request.body_length, request.event_count) = (body.len(), event_count(&parts, &devices));
    }
    let subject = Subject { server, method: parts.method.as_str(), path: parts.uri.path(), devices: &devices };
    let interference = locked(&state.faults).meet(&subject);
    if let (false, Some(observer)) = (interference.met.is_empty(), &state.options.observer) {
        observer.spoiled(&body, &interference.met);
    }
    tokio::time::sleep(interference.delay).await;
    let answer = || if server.is_some() { api::answer(state, &parts, &body) } else { Err(Rejection::no_route()) };
    let mut response = interfered(state, index, arrived, interference, answer)?;
    quota.into_iter().for_each(|quota| quota.show(&mut response));
    Ok(response)
}

/// The devices a request is about.
fn devices(parts: &Parts, body: &[u8]) -> Vec<String> {
    match Route::of(parts.uri.path()) {
        Some(Route { target: Target::Events(_), .. }) => packages::device_ids(body),
        Some(Route { target: Target::Devices(_), .. }) => {
            let device = registry::body::parse(body).unwrap_or_default();
            device["end_device"]["ids"]["device_id"].as_str().map(str::to_owned).into_iter().collect()
        }
        Some(route) => route.device_id().map(str::to_owned).into_iter().collect(),
        None => Vec::new(),
    }
}

fn event_count(parts: &Parts, devices: &[String]) -> usize {
    let is_batch = parts.uri.path().ends_with("/packages/azureiothub/events");
    if is_batch { devices.len() } else { 0 }
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
    let answer = accepted.map(|Accepted { answer, deed }| {
        deeds::tell(state, deed, is_answered, arrived);
        response(200, answer.to_string())
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
