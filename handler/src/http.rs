//! HTTPS over one TLS configuration: a client for all peers, and a bare one for messages.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use reqwest::{Client, ClientBuilder, Response};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

/// What we call ourselves to peers.
pub const OUR_NAME: &str = concat!("tts-azure-iot-hub/", env!("CARGO_PKG_VERSION"));

/// Longest connection set-up. Includes TLS but for [`BareClient`], where a message's own time limit ends that.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How often a silent peer is asked whether it is still there.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);

/// How long an idle connection is kept for the next message.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How much of a peer's error body is read, in bytes.
const MAX_ERROR_BODY: usize = 16 * 1024;

/// Reads certificates to trust beside the platform's.
///
/// # Errors
/// A sentence that says what is wrong with the file.
pub fn read_ca_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = std::fs::read(path).map_err(|reason| format!("cannot read it: {reason}"))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("found no certificate in it, expected PEM".to_owned()),
        Ok(certificates) => match certificates.iter().try_for_each(|root| RootCertStore::empty().add(root.clone())) {
            Ok(()) => Ok(certificates),
            Err(reason) => Err(format!("found a certificate in it that is no usable root: {reason}")),
        },
        Err(reason) => Err(format!("found no readable PEM in it: {reason}")),
    }
}

/// Whether keys may travel to `url`: over TLS, or without leaving the machine.
#[must_use]
pub fn is_https_or_loopback(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}

/// TLS 1.2 and 1.3 with the platform's roots and `extra_roots`.
///
/// # Errors
/// When an extra root is not a certificate the TLS library can use.
pub fn tls_config(extra_roots: Vec<CertificateDer<'static>>) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    // A platform without roots shows as "unknown issuer" at the first connection; an extra root may be all it needs.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for root in extra_roots {
        roots.add(root)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// All HTTP clients, over one TLS configuration.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For all peers.
    pub http: Client,
    /// For messages.
    pub bare: BareClient,
    /// For the platform the handler runs on, which no proxy stands in front of.
    pub platform: Client,
}

impl Clients {
    /// Builds them.
    ///
    /// # Errors
    /// When one cannot be built.
    pub fn new(tls: ClientConfig) -> Result<Self, reqwest::Error> {
        let platform = builder(tls.clone()).no_proxy().build()?;
        Ok(Self { http: client(tls.clone())?, bare: bare_client(tls), platform })
    }
}

/// The client: HTTP/1.1, kept-alive connections, no redirects (no peer has a reason to send one).
///
/// # Errors
/// When the client cannot be built.
pub fn client(tls: ClientConfig) -> Result<Client, reqwest::Error> {
    builder(tls).build()
}

fn builder(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .user_agent(OUR_NAME)
}

/// Sends messages: HTTP/1.1 over kept-alive connections, nothing else. To be ready for redirects and retries,
/// [`client`] parses the URL twice and copies all headers three times; with one request per uplink that costs more than
/// the request itself. It knows no proxies either.
pub type BareClient = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Builds the client for messages, over the same TLS configuration.
#[must_use]
pub fn bare_client(tls: ClientConfig) -> BareClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.set_keepalive(Some(PROBE_INTERVAL));
    tcp.set_keepalive_interval(Some(PROBE_INTERVAL));
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().wrap_connector(tcp);
    hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_timer(TokioTimer::new())
        .build(connector)
}

/// What went wrong below HTTP, with its causes and without the URL.
#[must_use]
pub fn transport_failure(reason: reqwest::Error) -> String {
    let reason = reason.without_url();
    match reason.is_timeout() {
        true => with_causes("timed out".to_owned(), &reason),
        false => with_causes(reason.to_string(), &reason),
    }
}

/// The text, and behind it what caused `reason`.
#[must_use]
pub fn with_causes(mut text: String, reason: &dyn std::error::Error) -> String {
    let mut source = reason.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

/// The beginning of an error's body as text; empty if it cannot be read.
pub async fn error_body(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= MAX_ERROR_BODY {
            body.truncate(MAX_ERROR_BODY);
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_pem_that_is_no_certificate_is_found_out_before_it_is_used() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n").unwrap();
        assert!(read_ca_file(file.path()).unwrap_err().contains("no usable root"));
    }
}
