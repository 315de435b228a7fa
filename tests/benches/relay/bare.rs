//! The bare relay: takes an invocation, posts one fixed body, answers. It reads nothing of what it gets.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use reqwest::Client;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::Failure;

/// The argument that makes this program the relay.
pub(crate) const COMMAND: &str = "bare-relay";

/// What the Functions host accepts as an answer.
const ANSWER: &str = r#"{"Outputs":{"res":{"statusCode":200,"headers":{"Content-Type":"application/json"},"body":"{}"}},"Logs":[],"ReturnValue":null}"#;

struct Relay {
    client: Client,
    url: String,
    body: Bytes,
}

/// Serves on the port the Functions host would name, on one thread as the handler does.
#[expect(clippy::disallowed_methods, reason = "the Functions host names the port this way")]
pub(crate) fn serve(arguments: &[String]) -> Result<(), Failure> {
    let [ca_file, sink_port, body_file] = arguments else { return Err("expected: CA file, port, body file".into()) };
    let relay = Relay {
        client: Client::builder().tls_backend_preconfigured(tls(ca_file)?).build()?,
        url: format!("https://localhost:{sink_port}/devices/sensor-1/messages/events?api-version=2021-04-12"),
        body: std::fs::read(body_file)?.into(),
    };
    let port: u16 = std::env::var("FUNCTIONS_CUSTOMHANDLER_PORT")?.parse()?;
    let router = Router::new().route("/uplink", post(forward)).with_state(Arc::new(relay));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        axum::serve(listener, router).await?;
        Ok(())
    })
}

async fn forward(State(relay): State<Arc<Relay>>, _envelope: Bytes) -> impl IntoResponse {
    let sent = relay.client.post(&relay.url).body(relay.body.clone()).send().await;
    let is_accepted = sent.is_ok_and(|answer| answer.status() == StatusCode::NO_CONTENT);
    let status = if is_accepted { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
    (status, [(header::CONTENT_TYPE, "application/json")], ANSWER)
}

fn tls(ca_file: &str) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file)?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
