//! The managed identity's token, which opens the hub's service side: kept, and renewed before it expires.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use reqwest::Client;
use reqwest::header::HeaderValue;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::Mutex as TurnMutex;
use tokio::time::{Instant, timeout_at};

use crate::circuit::Circuit;
use crate::error::{Error, OPERATOR, Peer, Retry, shortened};
use crate::http::with_causes;
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

/// How long a platform that is throttling is left alone; it does not say.
const THROTTLED: Duration = Duration::from_secs(10);

/// Longest message kept of an error, in bytes.
const MAX_MESSAGE: usize = 300;

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
            let token = timeout_at(deadline, self.ask()).await;
            token.unwrap_or_else(|_| Err(unavailable("its token endpoint timed out".to_owned(), Retry::Soon)))
        };
        let token = self.circuit.call(asked).await.and_then(|token| {
            let unusable = || unavailable("its token endpoint answered an unusable token".to_owned(), Retry::Soon);
            Token::new(&token, now).filter(|token| token.is_usable(now)).ok_or_else(unusable)
        });
        self.note(token)
    }

    async fn ask(&self) -> Result<AccessToken, Error> {
        let credential = self.credential.as_ref().map_err(|what| unavailable(what.clone(), Retry::After(OPERATOR)))?;
        credential.get_token(&[self.scope], None).await.map_err(|reason| self.failure(&reason))
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

    /// What the platform said, or what happened on the way there.
    fn failure(&self, reason: &azure_core::Error) -> Error {
        let Some((status, said)) = answer_in(reason) else {
            let is_unreadable = answered_unreadably(reason);
            let what = if is_unreadable { "it answered without a token".to_owned() } else { described(reason) };
            return unavailable(format!("its token endpoint failed: {what}"), Retry::Soon);
        };
        let client_id = &self.client_id;
        match status {
            400 => unavailable(
                format!(
                    "the platform has none with client id {client_id} for this function app (status 400 {said}); assign the \
                     user-assigned identity to the function app, and check AZURE_CLIENT_ID"
                ),
                Retry::After(OPERATOR),
            ),
            401 | 403 => unavailable(
                format!(
                    "its token endpoint does not accept IDENTITY_HEADER (status {status} {said}); restart the function app, \
                     and do not set IDENTITY_HEADER by hand"
                ),
                Retry::After(OPERATOR),
            ),
            429 => unavailable(format!("its token endpoint throttles ({said})"), Retry::After(THROTTLED)),
            _ => unavailable(format!("its token endpoint answered status {status} {said}"), Retry::Soon),
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

/// The SDK's errors, outermost first.
fn errors_in(reason: &azure_core::Error) -> impl Iterator<Item = &azure_core::Error> {
    let causes = std::iter::successors(Some(reason as &(dyn std::error::Error + 'static)), |error| error.source());
    causes.filter_map(|error| error.downcast_ref())
}

/// The platform's status and message, if it refused.
fn answer_in(reason: &azure_core::Error) -> Option<(u16, String)> {
    errors_in(reason).find_map(|error| match error.kind() {
        ErrorKind::HttpResponse { status, raw_response, .. } => {
            let body: &[u8] = raw_response.as_ref().map_or(&[], |response| response.body());
            Some((u16::from(*status), message_in(body)))
        }
        _ => None,
    })
}

/// A refusal's message, under whichever name the platform gives it.
fn message_in(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    let message = parsed
        .as_ref()
        .and_then(|it| ["message", "Message", "error_description"].into_iter().find_map(|name| it.get(name)?.as_str()));
    shortened(message.unwrap_or(&text), MAX_MESSAGE).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether there was an answer, and no token in it. It is not shown: it may hold one all the same.
fn answered_unreadably(reason: &azure_core::Error) -> bool {
    errors_in(reason).any(|error| matches!(error.kind(), ErrorKind::DataConversion))
}

/// What happened on the way to the platform, without the SDK's advice.
fn described(reason: &azure_core::Error) -> String {
    let innermost = errors_in(reason).last().unwrap_or(reason);
    shortened(&with_causes(innermost.to_string(), innermost), MAX_MESSAGE).replace('\n', " ")
}

fn asked_by_another() -> Error {
    let what = "another request for a token took all the time there was".to_owned();
    Error::NotAsked { peer: Peer::ManagedIdentity, what, wait: Duration::from_secs(1) }
}

fn unavailable(what: String, retry: Retry) -> Error {
    Error::Unavailable { peer: Peer::ManagedIdentity, what, retry }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use azure_core::credentials::TokenRequestOptions;
    use azure_core::http::RawResponse;
    use azure_core::http::headers::Headers;

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
    const LIMIT: Duration = Duration::from_secs(3);

    /// Gives tokens that are valid for so long, or refuses with a status and a body, or never answers.
    #[derive(Debug)]
    struct Platform {
        asked: AtomicUsize,
        answer: Mutex<Answer>,
    }

    #[derive(Debug, Clone)]
    enum Answer {
        ValidUntil(u64),
        Refused(u16, &'static str),
        Silence,
    }

    #[async_trait::async_trait]
    impl TokenCredential for Platform {
        async fn get_token(
            &self,
            scopes: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            assert_eq!(scopes, ["https://iothubs.azure.net/.default"]);
            let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            tokio::task::yield_now().await;
            let answer = self.answer.lock().unwrap().clone();
            match answer {
                Answer::ValidUntil(seconds) => {
                    Ok(AccessToken::new(format!("token-{number}"), NOW + Duration::from_secs(seconds)))
                }
                Answer::Refused(status, body) => {
                    let response = RawResponse::from_bytes(status.into(), Headers::new(), body);
                    let kind = ErrorKind::HttpResponse {
                        status: status.into(),
                        error_code: None,
                        raw_response: Some(Box::new(response)),
                    };
                    let inner = azure_core::Error::with_message(kind, "refused");
                    Err(azure_core::Error::with_error(ErrorKind::Credential, inner, "authentication failed"))
                }
                Answer::Silence => std::future::pending().await,
            }
        }
    }

    fn identity(answer: Answer) -> (ManagedIdentity, Arc<Platform>) {
        let platform = Arc::new(Platform { asked: AtomicUsize::new(0), answer: Mutex::new(answer) });
        (ManagedIdentity::with(Ok(Arc::clone(&platform) as _), "id-1", "hub.azure-devices.net"), platform)
    }

    async fn at(identity: &ManagedIdentity, seconds: u64) -> Result<String, String> {
        let header = identity.authorization_at(NOW + Duration::from_secs(seconds), LIMIT).await;
        header.map(|header| header.to_str().unwrap().to_owned()).map_err(|error| error.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_kept_until_five_minutes_before_its_expiry() {
        let (identity, platform) = identity(Answer::ValidUntil(3_600));
        assert_eq!(at(&identity, 0).await.unwrap(), "Bearer token-1");
        assert_eq!(at(&identity, 3_299).await.unwrap(), "Bearer token-1");
        *platform.answer.lock().unwrap() = Answer::ValidUntil(7_200);
        assert_eq!(at(&identity, 3_300).await.unwrap(), "Bearer token-2");
        assert_eq!(at(&identity, 6_899).await.unwrap(), "Bearer token-2");
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_need_a_token_ask_for_it_once() {
        let (identity, platform) = identity(Answer::ValidUntil(3_600));
        let all = (0..50).map(|_| at(&identity, 0));
        for header in futures_util::future::join_all(all).await {
            assert_eq!(header.unwrap(), "Bearer token-1");
        }
        assert_eq!(platform.asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_platform_is_down_the_present_token_goes_on_and_the_renewal_is_tried_now_and_then() {
        for failure in [Answer::Refused(503, "busy"), Answer::Silence] {
            let (identity, platform) = identity(Answer::ValidUntil(3_600));
            at(&identity, 0).await.unwrap();
            *platform.answer.lock().unwrap() = failure;
            let began = Instant::now();
            for seconds in 3_300..3_360 {
                assert_eq!(at(&identity, seconds).await.unwrap(), "Bearer token-1");
            }
            assert!(began.elapsed() <= RENEWAL_LIMIT * 2, "{:?}", began.elapsed());
            assert_eq!(platform.asked.load(Ordering::Relaxed), 3);
            assert!(at(&identity, 3_590).await.is_err(), "it is not used up to its last second");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_token_given_again_is_not_asked_for_at_every_request() {
        let (identity, platform) = identity(Answer::ValidUntil(3_600));
        for seconds in [0, 3_300, 3_301, 3_329] {
            at(&identity, seconds).await.unwrap();
        }
        assert_eq!(platform.asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_identity_that_is_not_there_is_explained_and_not_asked_for_during_a_minute() {
        let body = r#"{"statusCode":400,"message":"No identity\nfound","correlationId":"1"}"#;
        let (identity, platform) = identity(Answer::Refused(400, body));
        let error = identity.authorization_at(NOW, LIMIT).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("none with client id id-1") && text.contains("(status 400 No identity found)"), "{text}");
        assert!(text.contains("assign the user-assigned identity") && error.is_transient(), "{text}");
        assert_eq!(at(&identity, 1).await.unwrap_err(), text);
        assert_eq!(platform.asked.load(Ordering::Relaxed), 1);
        *platform.answer.lock().unwrap() = Answer::ValidUntil(3_600);
        tokio::time::advance(OPERATOR).await;
        assert_eq!(at(&identity, 61).await.unwrap(), "Bearer token-2");
    }

    #[tokio::test(start_paused = true)]
    async fn a_hiccup_of_the_platform_is_worth_another_try_at_once_and_five_in_a_row_are_not() {
        let (identity, _) = identity(Answer::Refused(500, "oops"));
        for _ in 0..5 {
            assert!(identity.authorization_at(NOW, LIMIT).await.unwrap_err().is_worth_retrying_now());
        }
        let error = identity.authorization_at(NOW, LIMIT).await.unwrap_err();
        assert!(!error.is_worth_retrying_now() && error.to_string().contains("not asked"), "{error}");
        assert!(!error.says_something_about(Peer::IotHub), "the hub is not to blame");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_expired_on_arrival_is_not_believed() {
        let (identity, _) = identity(Answer::ValidUntil(5));
        assert!(at(&identity, 0).await.unwrap_err().contains("unusable token"));
    }

    #[test]
    fn no_token_is_shown() {
        let token = Token::new(&AccessToken::new("hunter2", NOW + RENEWAL), NOW).unwrap();
        assert!(!format!("{token:?}").contains("hunter2"), "{token:?}");
    }

    #[test]
    fn the_scope_is_the_clouds() {
        assert_eq!(scope_of("Hub.Azure-Devices.us"), "https://iothubs.azure.us/.default");
        assert_eq!(scope_of("hub.azure-devices.net"), "https://iothubs.azure.net/.default");
    }
}
