//! The token over time, and a platform that does not do as asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use azure_core::credentials::TokenRequestOptions;
use azure_core::http::RawResponse;
use azure_core::http::headers::Headers;

use azure_core::error::ErrorKind;

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
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
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
