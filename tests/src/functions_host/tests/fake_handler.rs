//! A handler that answers by script and prints what it gets.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The app setting with the script: function name → list of [`Step`].
pub(crate) const SCRIPT: &str = "FAKE_SCRIPT";
/// The test that is no test but the handler.
pub(crate) const TEST_NAME: &str = "functions_host::tests::fake_handler::run";
/// What comes before each request's JSON on stdout.
pub(crate) const REQUEST: &str = "REQUEST ";

/// What to do with one invocation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Step {
    status: u16,
    content_type: String,
    body: Value,
    /// Ends the process instead.
    exit: Option<i32>,
    /// Never answers.
    hang: bool,
}

impl Default for Step {
    fn default() -> Self {
        Self { status: 200, content_type: "application/json".to_owned(), body: json!({}), exit: None, hang: false }
    }
}

type Script = Arc<Mutex<HashMap<String, Vec<Step>>>>;

#[tokio::test]
#[ignore = "run by the host stand-in as its handler"]
#[expect(clippy::disallowed_methods, reason = "the fake handler is told by its environment what to do")]
async fn run() {
    let variable = |name: &str| std::env::var(name).ok();
    let script = variable(SCRIPT).map(|script| serde_json::from_str::<HashMap<String, Vec<Step>>>(&script).unwrap());
    let script = script.unwrap_or_default();
    if let Some(code) = script.get("start").and_then(|steps| steps[0].exit) {
        eprintln_line("ends before it listens");
        std::process::exit(code);
    }
    if script.get("start").is_some_and(|steps| steps[0].hang) {
        std::future::pending::<()>().await;
    }
    let mut names: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
    names.sort();
    print_line(&format!("ENVIRONMENT {}", json!(names)));
    let port: u16 = variable("FUNCTIONS_CUSTOMHANDLER_PORT").unwrap().parse().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let script = Script::new(Mutex::new(script));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let script = script.clone();
        let service = hyper::service::service_fn(move |request| answer(script.clone(), request));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(script: Script, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let function = parts.uri.path().trim_start_matches('/').to_owned();
    if function.is_empty() {
        return Ok(Response::default());
    }
    let headers: Vec<_> = parts.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    let headers: HashMap<_, _> = headers.into_iter().collect();
    let text = String::from_utf8_lossy(&body);
    let body = serde_json::from_slice(&body).unwrap_or_else(|_| json!(text));
    let line = json!({"method": parts.method.as_str(), "path": parts.uri.path(), "headers": headers, "body": body});
    print_line(&format!("{REQUEST}{line}"));
    let step = next_step(&script, &function);
    if let Some(code) = step.exit {
        std::process::exit(code);
    }
    if step.hang {
        std::future::pending::<()>().await;
    }
    let body = step.body.as_str().map_or_else(|| step.body.to_string(), str::to_owned);
    Ok(Response::builder()
        .status(step.status)
        .header("content-type", step.content_type)
        .body(Full::from(body))
        .unwrap())
}

fn next_step(script: &Script, function: &str) -> Step {
    let mut script = script.lock().unwrap();
    let Some(steps) = script.get_mut(function) else { return Step::default() };
    if steps.len() > 1 { steps.remove(0) } else { steps[0].clone() }
}

fn print_line(line: &str) {
    writeln!(std::io::stdout(), "{line}").unwrap();
}

fn eprintln_line(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}
