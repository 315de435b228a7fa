//! The HTTP front: what callers of the function app see. 503 stands for a host that is gone.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderName};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::envelope::{
    HttpRequest, Sys, envelope, event_hub_admin_data, event_hub_admin_metadata, http_data, http_metadata,
    queue_admin_metadata, queue_data,
};
use super::function_json::{EventHubTrigger, Function, QueueTrigger, Trigger};
use super::invoker::Invoker;
use super::keys::{AuthLevel, Keys};
use super::output::HttpResponse;

/// Larger bodies are refused with 413, unless an app setting says otherwise.
pub(super) fn most_body_bytes(settings: &BTreeMap<String, String>) -> usize {
    let given = settings.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT").and_then(|text| text.parse().ok());
    given.unwrap_or(100 * 1024 * 1024)
}

type Answer = Response<Full<Bytes>>;

/// Routes, keys, and who runs the functions.
#[derive(Debug)]
pub(super) struct Front {
    pub invoker: Arc<Invoker>,
    pub keys: Keys,
    pub route_prefix: String,
    pub most_body_bytes: usize,
}

impl Front {
    /// Accepts connections until the task ends, and with it all of them.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            drop(stream.set_nodelay(true));
            let front = self.clone();
            connections.spawn(async move {
                let service = hyper::service::service_fn(move |request| front.clone().answer(request));
                drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
            });
            while connections.try_join_next().is_some() {}
        }
    }

    /// The invocation runs to its end even if the caller hangs up.
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let (parts, body) = request.into_parts();
        if self.invoker.handler.is_given_up() {
            return Ok(empty(StatusCode::SERVICE_UNAVAILABLE));
        }
        let body = match Limited::new(body, self.most_body_bytes).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Ok(empty(StatusCode::PAYLOAD_TOO_LARGE)),
            Err(_) => return Ok(empty(StatusCode::BAD_REQUEST)),
        };
        let running = tokio::spawn(async move { self.route(parts, body).await });
        Ok(running.await.unwrap_or_else(|_| empty(StatusCode::INTERNAL_SERVER_ERROR)))
    }

    async fn route(self: Arc<Self>, parts: Parts, body: Bytes) -> Answer {
        let path = parts.uri.path().trim_matches('/');
        if let Some(name) = path.strip_prefix("admin/functions/") {
            return self.admin(&parts, name, &body);
        }
        let Some((function, params)) = self.matching(&parts.method, path) else {
            return empty(StatusCode::NOT_FOUND);
        };
        let Trigger::Http { binding, auth_level, .. } = &function.trigger else {
            return empty(StatusCode::NOT_FOUND);
        };
        if !self.keys.allow(*auth_level, presented_key(&parts).as_deref()) {
            return empty(StatusCode::UNAUTHORIZED);
        }
        let request = http_request(&parts, params, &body);
        let metadata = http_metadata(&request, &Sys::now(&function.name));
        let envelope = envelope(binding, http_data(&request), metadata);
        match self.invoker.invoke(function, Ok(envelope), 0).await {
            Ok(Some(response)) => written(response),
            Ok(None) => empty(StatusCode::NO_CONTENT),
            Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// The function whose route and methods fit. A wrong method is no match, hence 404 and not 405.
    fn matching(&self, method: &Method, path: &str) -> Option<(&Function, Map<String, Value>)> {
        let path = match self.route_prefix.trim_matches('/') {
            "" => path,
            prefix => {
                let (start, rest) = path.split_at_checked(prefix.len())?;
                (start.eq_ignore_ascii_case(prefix) && (rest.is_empty() || rest.starts_with('/'))).then_some(rest)?
            }
        };
        let found = self.invoker.functions.iter().filter_map(|function| {
            let Trigger::Http { methods, route, .. } = &function.trigger else { return None };
            let fits = methods.is_empty() || methods.iter().any(|name| name.eq_ignore_ascii_case(method.as_str()));
            let params = route.params(path).filter(|_| fits)?;
            Some((route.precedence(), function, params))
        });
        found.min_by_key(|(precedence, ..)| precedence.clone()).map(|(_, function, params)| (function, params))
    }

    /// `POST /admin/functions/<name>` with `{"input": "…"}`: 202 at once, the function runs by itself.
    fn admin(&self, parts: &Parts, name: &str, body: &Bytes) -> Answer {
        if !self.keys.allow(AuthLevel::Admin, presented_key(parts).as_deref()) {
            return empty(StatusCode::UNAUTHORIZED);
        }
        let Some(function) = self.invoker.function(name).filter(|_| parts.method == Method::POST) else {
            return empty(StatusCode::NOT_FOUND);
        };
        let input = serde_json::from_slice::<Value>(body).ok();
        let Some(input) = input.as_ref().and_then(|body| body.get("input")?.as_str()) else {
            return empty(StatusCode::BAD_REQUEST);
        };
        let Some(envelope) = admin_envelope(function, input) else {
            return empty(StatusCode::NOT_IMPLEMENTED);
        };
        let (invoker, name) = (self.invoker.clone(), name.to_owned());
        tokio::spawn(async move {
            if let Some(function) = invoker.function(&name) {
                drop(invoker.invoke(function, envelope, 0).await);
            }
        });
        empty(StatusCode::ACCEPTED)
    }
}

/// `None` for HTTP functions, whose admin calls the stand-in does not play.
fn admin_envelope(function: &Function, input: &str) -> Option<Result<Value, String>> {
    let sys = Sys::now(&function.name);
    match &function.trigger {
        Trigger::Http { .. } => None,
        Trigger::EventHub(EventHubTrigger { binding, cardinality, data_type, .. }) => {
            let data = event_hub_admin_data(input, *cardinality, *data_type);
            let metadata = event_hub_admin_metadata(input, *cardinality, *data_type, &sys);
            Some(data.map(|data| envelope(binding, data, metadata)))
        }
        Trigger::Queue(QueueTrigger { binding, data_type, .. }) => {
            let data = queue_data(input.as_bytes(), *data_type);
            Some(Ok(envelope(binding, data, queue_admin_metadata(input, *data_type, &sys))))
        }
    }
}

fn presented_key(parts: &Parts) -> Option<String> {
    let header = parts.headers.get("x-functions-key").and_then(|value| value.to_str().ok());
    header.map(str::to_owned).or_else(|| query(parts).find(|(name, _)| name == "code").map(|(_, value)| value))
}

fn query(parts: &Parts) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned()
}

fn http_request(parts: &Parts, params: Map<String, Value>, body: &Bytes) -> HttpRequest {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let host = parts.headers.get(HOST).map(|host| text(host.as_bytes())).unwrap_or_default();
    let path_and_query = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let headers = parts.headers.iter().map(|(name, value)| (canonical(name), text(value.as_bytes())));
    HttpRequest {
        url: format!("http://{host}{path_and_query}"),
        method: parts.method.to_string(),
        query: query(parts).collect(),
        headers: headers.collect(),
        params,
        body: parts.headers.contains_key(CONTENT_LENGTH).then(|| body.to_vec()),
    }
}

/// `content-type` as `Content-Type`: the case in which the host and Go clients write names.
fn canonical(name: &HeaderName) -> String {
    let mut start = true;
    let capital = |character: char| {
        let written = if start { character.to_ascii_uppercase() } else { character };
        start = character == '-';
        written
    };
    name.as_str().chars().map(capital).collect()
}

fn written(response: HttpResponse) -> Answer {
    let mut answer = Response::builder().status(response.status);
    for (name, value) in &response.headers {
        if !["content-length", "transfer-encoding", "connection"].contains(&name.to_ascii_lowercase().as_str()) {
            answer = answer.header(name, value);
        }
    }
    answer.body(Full::from(response.body)).unwrap_or_else(|_| empty(StatusCode::INTERNAL_SERVER_ERROR))
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = status;
    answer
}
