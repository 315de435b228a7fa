//! The token endpoint: `GET /msi/token`, version 2019-08-01.

use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use url::form_urlencoded;
use uuid::Uuid;

use super::{Fault, IOT_HUB_AUDIENCE, Request, State};

const API_VERSION: &str = "2019-08-01";

/// The resources this platform gives tokens for.
const RESOURCES: [&str; 2] = [IOT_HUB_AUDIENCE, "https://vault.azure.net"];

/// The connection is to end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("reset")]
struct Reset;

/// Serves until it is aborted; its connections end with it.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(serve_connection(stream, state.clone()));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve_connection(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(|request| answer(&state, request));
    // An error here is the client's end of the connection, or a reset as ordered.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(state: &State, request: hyper::Request<Incoming>) -> Result<Response<Full<Bytes>>, Reset> {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let (number, fault) = arrived(state, query);
    let (status, body) = match fault {
        Some(Fault::Reset) => return Err(Reset),
        Some(Fault::Silence) => return std::future::pending().await,
        Some(Fault::Status(status, message)) => (status, refusal(status, message).to_string()),
        Some(Fault::Body(body)) => (200, body.to_owned()),
        None => match token(state, request.uri(), request.headers()) {
            Ok(body) => (200, body.to_string()),
            Err((status, message)) => (status, refusal(status, message).to_string()),
        },
    };
    state.changing().requests[number].status = Some(status);
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Notes the request; its number, and the fault that meets it.
fn arrived(state: &State, query: String) -> (usize, Option<Fault>) {
    let mut changing = state.changing();
    changing.requests.push(Request { query, status: None });
    let number = changing.requests.len() - 1;
    let fault = changing.fault.as_mut().filter(|(_, times)| *times > 0).map(|(fault, times)| {
        *times -= 1;
        fault.clone()
    });
    (number, fault)
}

fn refusal(status: u16, message: &str) -> Value {
    json!({"statusCode": status, "message": message, "correlationId": Uuid::new_v4().to_string()})
}

/// A new token, or why there is none.
fn token(state: &State, uri: &Uri, headers: &HeaderMap) -> Result<Value, (u16, &'static str)> {
    if uri.path() != "/msi/token" {
        return Err((404, "Not found."));
    }
    if headers.get("x-identity-header").and_then(|value| value.to_str().ok()) != Some(state.secret.as_str()) {
        return Err((401, "The identity header is missing or wrong."));
    }
    let parameters: Vec<_> = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).collect();
    let parameter = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref());
    if parameter("api-version") != Some(API_VERSION) {
        return Err((400, "The api-version is missing or not supported."));
    }
    let resource = parameter("resource").filter(|resource| RESOURCES.contains(&resource.trim_end_matches('/')));
    let resource = resource.ok_or((400, "The resource is missing or unknown."))?;
    let mut changing = state.changing();
    // Without a client id the platform looks for a system-assigned identity, which this app has none of.
    if !changing.is_assigned || parameter("client_id") != Some(state.client_id.as_str()) {
        return Err((400, "No User Assigned or Delegated Managed Identity found for specified ClientId."));
    }
    let now = now().unix_timestamp();
    let expires_on = now + i64::try_from(changing.lifetime.as_secs()).unwrap_or(i64::MAX / 2);
    let token = state.directory.issue(&state.principal_id, &state.client_id, resource, (now, expires_on));
    changing.tokens.push(token.clone());
    Ok(json!({
        "access_token": token, "expires_on": expires_on.to_string(), "resource": resource, "token_type": "Bearer",
        "client_id": state.client_id,
    }))
}

#[expect(clippy::disallowed_methods, reason = "tokens are valid in wall-clock time")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
