//! The managed identity's token, which opens the hub's service side: kept, and renewed before it expires.

mod failure;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use reqwest::Client;
use reqwest::header::HeaderValue;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::Mutex as TurnMutex;
use tokio::time::{Instant, timeout_at};

use self::failure::failure;
use crate::circuit::Circuit;
use crate::error::{Error, OPERATOR, Peer, Retry};
use crate::record::PeerRecord;

/// How long before its expiry a token is renewed.
const RENEWAL: Duration = Duration::from_secs(5 * 60);

/// Pause between two renewals as long as the present token is of use. The platform keeps tokens, too, and may give the
/// same one again.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

/// Longest a renewal may take as long as the present token is of use.
const RENEWAL_LIMIT: Duration = Duration::from_secs(1);

/// A token so near its expiry is not used any more: a request takes its time, and clocks differ.
const MARGIN: Duration = Duration::from_secs(10);

/// The function app's user-assigned identity, as long as the process lives.
#[derive(Debug)]
pub(super) struct ManagedIdentity {
    /// The error is a sentence: the platform is none of those that have identities.
    credential: Result<Arc<dyn TokenCredential>, String>,
    client_id: String,
    scope: &'static str,
    state: Mutex<State>,
    /// Who holds it asks for a token.
    turn: TurnMutex<()>,
    circuit: Circuit,
    record: PeerRecord,
}

#[derive(Debug, Default)]
struct State {
    token: Option<Token>,
    /// What the platform will say again until then.
    refused: Option<(Instant, Error)>,
}

#[derive(Debug)]
struct Token {
    header: HeaderValue,
    expires_on: OffsetDateTime,
    renew_at: OffsetDateTime,
}

impl Token {
    fn new(token: &AccessToken, now: OffsetDateTime) -> Option<Self> {
        let mut header = HeaderValue::try_from(format!("Bearer {}", token.token.secret())).ok()?;
        header.set_sensitive(true);
        let renew_at = (token.expires_on - RENEWAL).max(now + RENEWAL_PAUSE);
        Some(Self { header, expires_on: token.expires_on, renew_at })
    }

    fn is_usable(&self, now: OffsetDateTime) -> bool {
        now + MARGIN < self.expires_on
    }
}

impl ManagedIdentity {
    /// The identity with this client id, for the hub of that name. `http` reaches the platform.
    pub(super) fn new(http: Client, client_id: &str, host_name: &str) -> Self {
        let options = ManagedIdentityCredentialOptions {
            user_assigned_id: Some(UserAssignedId::ClientId(client_id.to_owned())),
            client_options: ClientOptions {
                transport: Some(Transport::new(Arc::new(http))),
                retry: RetryOptions::none(),
                ..ClientOptions::default()
            },
        };
        let credential = ManagedIdentityCredential::new(Some(options));
        Self::with(credential.map(|it| it as _).map_err(|reason| reason.to_string()), client_id, host_name)
    }

    fn with(credential: Result<Arc<dyn TokenCredential>, String>, client_id: &str, host_name: &str) -> Self {
        Self {
            credential,
            client_id: client_id.to_owned(),
            scope: scope_of(host_name),
            state: Mutex::default(),
            turn: TurnMutex::default(),
            circuit: Circuit::new(Peer::ManagedIdentity),
            record: PeerRecord::default(),
        }
    }

    /// The `Authorization` header's value. Asks for a token if there is none of use, one request at a time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if there is no token within `limit`; the message that needs it may be fine.
    #[expect(clippy::disallowed_methods, reason = "a token's expiry is wall-clock time")]
    pub(super) async fn authorization(&self, limit: Duration) -> Result<HeaderValue, Error> {
        self.authorization_at(OffsetDateTime::now_utc(), limit).await
    }

    async fn authorization_at(&self, now: OffsetDateTime, limit: Duration) -> Result<HeaderValue, Error> {
        let Some((present, is_due)) = self.present(now) else {
            return self.renew(now, false, Instant::now() + limit).await;
        };
        if !is_due {
            return Ok(present);
        }
        let renewed = self.renew(now, true, Instant::now() + limit.min(RENEWAL_LIMIT)).await;
        Ok(renewed.unwrap_or(present))
    }

    /// The token of use, and whether it is due for renewal. That is said once in a while: others go on with the token.
    fn present(&self, now: OffsetDateTime) -> Option<(HeaderValue, bool)> {
        let mut state = self.state();
        let token = state.token.as_mut().filter(|token| token.is_usable(now))?;
        let is_due = token.renew_at <= now;
        if is_due {
            token.renew_at = now + RENEWAL_PAUSE;
        }
        Some((token.header.clone(), is_due))
    }

    async fn renew(&self, now: OffsetDateTime, has_present: bool, deadline: Instant) -> Result<HeaderValue, Error> {
        let _turn = timeout_at(deadline, self.turn.lock()).await.map_err(|_| asked_by_another())?;
        // Whoever had the turn before may have got one.
        if !has_present && let Some((header, _)) = self.present(now) {
            return Ok(header);
        }
        self.check_refused()?;
        let asked = async {
            let token = timeout_at(deadline, self.ask(now)).await;
            let timed_out = || unavailable("its token endpoint timed out".to_owned(), Retry::Soon);
            self.note(token.unwrap_or_else(|_| Err(timed_out())))
        };
        self.circuit.call(asked).await
    }

    async fn ask(&self, now: OffsetDateTime) -> Result<Token, Error> {
        let credential = self.credential.as_ref().map_err(|what| unavailable(what.clone(), Retry::After(OPERATOR)))?;
        let token = credential.get_token(&[self.scope], None).await;
        let token = token.map_err(|reason| failure(&reason, &self.client_id))?;
        let unusable = || unavailable("its token endpoint answered an unusable token".to_owned(), Retry::Soon);
        Token::new(&token, now).filter(|token| token.is_usable(now)).ok_or_else(unusable)
    }

    fn note(&self, token: Result<Token, Error>) -> Result<HeaderValue, Error> {
        let mut state = self.state();
        match token {
            Ok(token) => {
                self.record.succeeded();
                let header = token.header.clone();
                state.token = Some(token);
                Ok(header)
            }
            Err(error) => {
                self.record.failed(&error.to_string());
                if let Some(Retry::After(wait)) = error.retry() {
                    state.refused = Some((Instant::now() + wait, error.clone()));
                }
                Err(error)
            }
        }
    }

    fn check_refused(&self) -> Result<(), Error> {
        match &self.state().refused {
            Some((until, error)) if *until > Instant::now() => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// When tokens were last got and refused, for `health`.
    pub(super) fn report(&self) -> Value {
        self.record.report(&self.circuit.report())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What tokens for the hub are good for; the cloud for the US government has its own.
fn scope_of(host_name: &str) -> &'static str {
    match host_name.to_ascii_lowercase().ends_with(".azure-devices.us") {
        true => "https://iothubs.azure.us/.default",
        false => "https://iothubs.azure.net/.default",
    }
}

fn asked_by_another() -> Error {
    let what = "another request for a token took all the time there was".to_owned();
    Error::NotAsked { peer: Peer::ManagedIdentity, what, wait: Duration::from_secs(1) }
}

fn unavailable(what: String, retry: Retry) -> Error {
    Error::Unavailable { peer: Peer::ManagedIdentity, what, retry }
}
