//! The ordinary HTTP API, which every The Things Stack has: end devices at its four servers, and their downlink queues.

mod devices;
mod downlink;
mod end_device;
mod pace;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};
use url::Url;

use self::pace::{Key, Pace};
use super::error_body::ApiError;
use crate::circuit::Circuit;
use crate::error::{Error, OPERATOR, Peer, Retry};
use crate::http::{error_body, transport_failure};
use crate::record::PeerRecord;
use crate::secret::Secret;

pub(super) use self::pace::retry_after;

pub use devices::Creation;
pub use downlink::{ClassBC, Downlink, Enqueued, Gateway, Operation, Payload};
pub use end_device::{EndDevice, Field, VersionIds};

/// Longest one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One of the servers an end device is registered at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// Ids, names and addresses. It may live on another cluster than the other three.
    Identity,
    /// Root keys.
    Join,
    /// MAC settings.
    Network,
    /// Payload formatters, downlink queues.
    Application,
}

impl Server {
    /// Its name, as the documentation has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "Identity Server",
            Self::Join => "Join Server",
            Self::Network => "Network Server",
            Self::Application => "Application Server",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Identity => "",
            Self::Join => "/js",
            Self::Network => "/ns",
            Self::Application => "/as",
        }
    }
}

/// Servers that share an address.
#[derive(Debug)]
struct Cluster {
    base_url: Url,
    circuit: Circuit,
}

impl Cluster {
    fn new(base_url: &Url) -> Self {
        Self { base_url: base_url.clone(), circuit: Circuit::new(Peer::Tts) }
    }
}

/// A client for the API.
#[derive(Debug)]
pub struct Api {
    http: Client,
    identity: Cluster,
    cluster: Cluster,
    api_key: Secret,
    pace: Pace,
    /// Successes and failures, for `health`.
    pub record: PeerRecord,
}

/// What a server says to a request it read and understood.
#[derive(Debug)]
enum Answer {
    Done(Value),
    Refused(ApiError),
}

/// What an HTTP answer means.
enum Reading {
    Answer(Answer),
    /// The rate limit is used up for so long.
    TooEarly(Duration),
}

/// One request.
struct Call<'a> {
    server: Server,
    method: Method,
    /// Below the server's prefix.
    path: String,
    body: Option<&'a Value>,
}

impl Call<'_> {
    /// What its rate limit is kept for.
    fn key(&self) -> Key {
        let path = self.path.split_once('?').map_or(self.path.as_str(), |(path, _)| path);
        let mut hasher = DefaultHasher::new();
        (self.server.prefix(), path).hash(&mut hasher);
        Key(hasher.finish())
    }
}

impl Api {
    /// A client for a cluster; base URLs end in `/api/v3`.
    #[must_use]
    pub fn new(http: Client, base_url: &Url, identity_server_url: &Url, api_key: Secret) -> Self {
        Self {
            http,
            identity: Cluster::new(identity_server_url),
            cluster: Cluster::new(base_url),
            api_key,
            pace: Pace::default(),
            record: PeerRecord::default(),
        }
    }

    /// Both circuits' states, for `health`.
    #[must_use]
    pub fn circuit_report(&self) -> Value {
        json!({"identity_server": self.identity.circuit.report(), "cluster": self.cluster.circuit.report()})
    }

    /// The cluster's host name, which devices are registered under.
    fn host(&self) -> &str {
        self.cluster.base_url.host_str().unwrap_or_default()
    }

    /// Makes a call, at the pace the API allows, until `deadline`.
    async fn call(&self, call: Call<'_>, deadline: Instant) -> Result<Answer, Error> {
        let cluster = if call.server == Server::Identity { &self.identity } else { &self.cluster };
        let result = cluster.circuit.call(self.paced(cluster, &call, deadline)).await;
        match &result {
            Ok(_) => self.record.succeeded(),
            Err(error) => self.record.failed(&error.to_string()),
        }
        result
    }

    /// Repeats a request that came too early once it may come.
    async fn paced(&self, cluster: &Cluster, call: &Call<'_>, deadline: Instant) -> Result<Answer, Error> {
        let key = call.key();
        loop {
            self.pace.wait(key, deadline).await?;
            let response = timeout_at(deadline, self.send(cluster, call)).await;
            let response = response.map_err(|_| unavailable("timed out".to_owned(), Retry::Soon))??;
            self.pace.note(key, response.headers());
            match read(call.server, response).await? {
                Reading::TooEarly(wait) => self.pace.hold(key, wait),
                Reading::Answer(answer) => return Ok(answer),
            }
        }
    }

    async fn send(&self, cluster: &Cluster, call: &Call<'_>) -> Result<Response, Error> {
        let url = format!("{}{}{}", cluster.base_url, call.server.prefix(), call.path);
        let mut request = self.http.request(call.method.clone(), url);
        request = request.timeout(TIMEOUT).bearer_auth(self.api_key.expose());
        if let Some(body) = call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        request.send().await.map_err(|reason| {
            unavailable(format!("{}: {}", call.server.name(), transport_failure(reason)), Retry::Soon)
        })
    }
}

/// What an answer means. Only 200 means that something was done.
async fn read(server: Server, response: Response) -> Result<Reading, Error> {
    let status = response.status().as_u16();
    if status == 200 {
        return match response.bytes().await.ok().and_then(|body| serde_json::from_slice(&body).ok()) {
            Some(body) => Ok(Reading::Answer(Answer::Done(body))),
            None => Err(unavailable(format!("{}: found a 200 whose body is not JSON", server.name()), Retry::Soon)),
        };
    }
    let wait = pace::retry_after(response.headers());
    let error = ApiError::read(status, &error_body(response).await);
    let unavailable = |retry, advice: &str| unavailable(format!("{}: {error}{advice}", server.name()), retry);
    let operator = Retry::After(OPERATOR);
    match status {
        _ if error.is_about_one_device() => Ok(Reading::Answer(Answer::Refused(error))),
        400 if error.is_about_the_token() => Err(unavailable(operator, "; TTS_API_KEY is not an API key")),
        401 => Err(unavailable(operator, "; check TTS_API_KEY")),
        403 => {
            let right = error.attribute("missing").unwrap_or_else(|| "a right for the application".to_owned());
            Err(unavailable(operator, &format!("; give TTS_API_KEY {right}")))
        }
        404 | 501 if error.has_no_details() => Err(unavailable(
            operator,
            "; there is no such server at this address, check TTS_BASE_URL and TTS_IDENTITY_SERVER_URL",
        )),
        429 if !error.is("downlink_queue_capacity") => Ok(Reading::TooEarly(wait)),
        409 if error.is_aborted() => Err(unavailable(Retry::Soon, "")),
        499 | 408 => Err(unavailable(Retry::Soon, "")),
        400..=498 => Ok(Reading::Answer(Answer::Refused(error))),
        // 5xx, and whatever the API does not document (a proxy's 302).
        _ => Err(unavailable(Retry::Soon, "")),
    }
}

fn unavailable(what: String, retry: Retry) -> Error {
    Error::Unavailable { peer: Peer::Tts, what, retry }
}
