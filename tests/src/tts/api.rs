//! The list of routes below `/api/v3`.

use hyper::Method;
use hyper::http::request::Parts;

use super::rejection::{Code, Rejection};
use super::server::{Accepted, State};
use super::{auth, packages};

/// What is accepted of one request.
pub(super) fn answer(state: &State, parts: &Parts, body: &[u8]) -> Result<Accepted, Rejection> {
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

fn submit(state: &State, parts: &Parts, application_id: &str, body: &[u8]) -> Result<Accepted, Rejection> {
    let options = &state.options;
    auth::authorize(&parts.headers, &options.api_key, &options.application_id, application_id)?;
    packages::submit(application_id, body).map(Accepted)
}
