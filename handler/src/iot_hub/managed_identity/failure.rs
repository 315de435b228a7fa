//! Why the platform gave no token, and what to do about it.

use std::time::Duration;

use azure_core::error::ErrorKind;
use serde_json::Value;

use super::unavailable;
use crate::error::{Error, OPERATOR, Retry, shortened};
use crate::http::with_causes;

/// How long a platform that throttles is left alone; it does not say.
const THROTTLED: Duration = Duration::from_secs(10);

/// Longest message kept of an error, in bytes.
const MAX_MESSAGE: usize = 300;

/// What the platform said, or what happened on the way there.
pub(super) fn failure(reason: &azure_core::Error, client_id: &str) -> Error {
    let Some((status, said)) = answer_in(reason) else {
        let what = match answered_unreadably(reason) {
            true => "it answered without a token".to_owned(),
            false => described(reason),
        };
        return unavailable(format!("its token endpoint failed: {what}"), Retry::Soon);
    };
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
        429 => unavailable(format!("its token endpoint throttles (status 429 {said})"), Retry::After(THROTTLED)),
        _ => unavailable(format!("its token endpoint answered status {status} {said}"), Retry::Soon),
    }
}

/// The SDK's errors, outermost first.
fn errors_in(reason: &azure_core::Error) -> impl Iterator<Item = &azure_core::Error> {
    let causes = std::iter::successors(Some(reason as &(dyn std::error::Error + 'static)), |error| error.source());
    causes.filter_map(|error| error.downcast_ref())
}

/// The platform's status and message, if it refused.
fn answer_in(reason: &azure_core::Error) -> Option<(u16, String)> {
    errors_in(reason).find_map(|error| {
        let ErrorKind::HttpResponse { status, raw_response, .. } = error.kind() else { return None };
        let body: &[u8] = raw_response.as_ref().map_or(&[], |response| response.body());
        Some((u16::from(*status), message_in(body)))
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
