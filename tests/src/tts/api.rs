//! The list of routes below `/api/v3`.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use hyper::{Method, Response};

use super::rejection::{Code, Rejection, response};
use super::server::State;
use super::{auth, packages};

/// Answers one request.
pub(super) fn answer(state: &State, parts: &Parts, body: &[u8]) -> Result<Response<Full<Bytes>>, Rejection> {
    let path = parts.uri.path().strip_prefix("/api/v3/").ok_or_else(Rejection::no_route)?;
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["as", "applications", application_id, "packages", "azureiothub", "events"]
            if state.options.package_enabled =>
        {
            require(&Method::POST, parts)?;
            submit(state, parts, application_id, body)
        }
        _ => Err(Rejection::no_route()),
    }
}

fn require(method: &Method, parts: &Parts) -> Result<(), Rejection> {
    if parts.method == *method { Ok(()) } else { Err(Rejection::bare(Code::Unimplemented, "Method Not Allowed")) }
}

fn submit(state: &State, parts: &Parts, application_id: &str, body: &[u8]) -> Result<Response<Full<Bytes>>, Rejection> {
    let options = &state.options;
    auth::authorize(&parts.headers, &options.api_key, &options.application_id, application_id)?;
    let events = packages::submit(application_id, body)?;
    state.submitted.send_modify(|submitted| submitted.extend(events));
    Ok(response(200, "{}".to_owned()))
}
