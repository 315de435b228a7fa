//! Microsoft Entra ID and the Functions platform's token endpoint, as an app with one user-assigned identity sees them.

mod directory;
mod endpoint;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub use directory::Directory;

/// What tokens for IoT Hub are good for.
pub const IOT_HUB_AUDIENCE: &str = "https://iothubs.azure.net";

/// What the token endpoint does instead of giving a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This answer, in the platform's own envelope.
    Status(u16, &'static str),
    /// Another body than the platform's, with 200.
    Body(&'static str),
    /// The connection ends without an answer.
    Reset,
    /// The answer never comes.
    Silence,
}

/// What the token endpoint was asked, and what it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The query as sent.
    pub query: String,
    /// `None` while there is no answer, or if there never was one.
    pub status: Option<u16>,
}

/// A running token endpoint. Stops when dropped.
#[derive(Debug)]
pub struct Entra {
    /// Who knows tokens from fakes.
    pub directory: Arc<Directory>,
    state: Arc<State>,
    address: String,
    server: JoinHandle<()>,
}

/// The platform of one function app.
#[derive(Debug)]
struct State {
    directory: Arc<Directory>,
    /// What the app proves with that it is the app.
    secret: String,
    client_id: String,
    principal_id: String,
    changing: Mutex<Changing>,
}

#[derive(Debug)]
struct Changing {
    is_assigned: bool,
    lifetime: Duration,
    fault: Option<(Fault, u32)>,
    requests: Vec<Request>,
    tokens: Vec<String>,
}

impl State {
    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entra {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Entra {
    /// Starts the endpoint on any free port, for an app with one identity.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = format!("http://{}/msi/token", listener.local_addr()?);
        let directory = Arc::new(Directory::default());
        let state = Arc::new(State {
            directory: directory.clone(),
            secret: Uuid::new_v4().simple().to_string(),
            client_id: Uuid::new_v4().to_string(),
            principal_id: Uuid::new_v4().to_string(),
            changing: Mutex::new(Changing {
                is_assigned: true,
                lifetime: Duration::from_hours(24),
                fault: None,
                requests: Vec::new(),
                tokens: Vec::new(),
            }),
        });
        let server = tokio::spawn(endpoint::serve(listener, state.clone()));
        Ok(Self { directory, state, address, server })
    }

    /// `IDENTITY_ENDPOINT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.address
    }

    /// `IDENTITY_HEADER`.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.state.secret
    }

    /// What apps call the identity.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.state.client_id
    }

    /// What roles are assigned to.
    #[must_use]
    pub fn principal_id(&self) -> &str {
        &self.state.principal_id
    }

    /// Assigns the identity to the app, or takes it away.
    pub fn set_assigned(&self, is_assigned: bool) {
        self.state.changing().is_assigned = is_assigned;
    }

    /// How long tokens given from now on are valid; a day at first, as live.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.state.changing().lifetime = lifetime;
    }

    /// Spoils so many requests from now on.
    pub fn inject(&self, fault: Fault, times: u32) {
        self.state.changing().fault = Some((fault, times));
    }

    /// Ends the fault.
    pub fn clear_fault(&self) {
        self.state.changing().fault = None;
    }

    /// All requests, in the order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state.changing().requests.clone()
    }

    /// All tokens given so far.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        self.state.changing().tokens.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    async fn ask(entra: &Entra, query: &str, secret: Option<&str>) -> (u16, Value) {
        let mut request = reqwest::Client::new().get(format!("{}?{query}", entra.endpoint()));
        if let Some(secret) = secret {
            request = request.header("X-IDENTITY-HEADER", secret);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    fn query(entra: &Entra) -> String {
        format!("api-version=2019-08-01&resource=https%3A%2F%2Fiothubs.azure.net&client_id={}", entra.client_id())
    }

    #[tokio::test]
    async fn a_token_is_given_to_the_app_for_its_identity() {
        let entra = Entra::start().await.unwrap();
        let (status, answer) = ask(&entra, &query(&entra), Some(entra.secret())).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!((&answer["token_type"], &answer["resource"]), (&"Bearer".into(), &IOT_HUB_AUDIENCE.into()));
        let expires_on: i64 = answer["expires_on"].as_str().unwrap().parse().unwrap();
        let token = answer["access_token"].as_str().unwrap();
        let principal = entra.directory.principal_of(token, IOT_HUB_AUDIENCE, expires_on - 1);
        assert_eq!(principal, Ok(entra.principal_id().to_owned()));
        assert_eq!(entra.directory.principal_of(token, IOT_HUB_AUDIENCE, expires_on), Err("token expired"));
        assert_eq!(entra.tokens(), [token]);
    }

    #[tokio::test]
    async fn everything_about_a_request_is_checked() {
        let entra = Entra::start().await.unwrap();
        let right = query(&entra);
        for (query, secret, status) in [
            (right.clone(), None, 401),
            (right.clone(), Some("guess"), 401),
            (right.replace("2019-08-01", "2017-09-01"), Some(entra.secret()), 400),
            (right.replace("iothubs", "unknown"), Some(entra.secret()), 400),
            (right.replace(entra.client_id(), &Uuid::new_v4().to_string()), Some(entra.secret()), 400),
            (right.replace("client_id", "clientid"), Some(entra.secret()), 400),
        ] {
            let (found, answer) = ask(&entra, &query, secret).await;
            assert_eq!(found, status, "{query} {answer}");
        }
        entra.set_assigned(false);
        let (status, answer) = ask(&entra, &right, Some(entra.secret())).await;
        assert_eq!(status, 400);
        assert!(answer["message"].as_str().unwrap().contains("Managed Identity"), "{answer}");
        assert!(entra.tokens().is_empty());
    }

    #[tokio::test]
    async fn a_fault_spoils_as_many_requests_as_it_says() {
        let entra = Entra::start().await.unwrap();
        entra.inject(Fault::Status(500, "oops"), 1);
        assert_eq!(ask(&entra, &query(&entra), Some(entra.secret())).await.0, 500);
        assert_eq!(ask(&entra, &query(&entra), Some(entra.secret())).await.0, 200);
        assert_eq!(entra.requests().iter().map(|it| it.status).collect::<Vec<_>>(), [Some(500), Some(200)]);
    }
}
