//! What the hub says when it does not do as asked.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;

use crate::error::{Error, OPERATOR, Peer, Retry, shortened};
use crate::http::error_body;

/// The hub's advice when throttled; it sends no `Retry-After`.
const THROTTLED: Duration = Duration::from_secs(10);

/// Longest message kept of an error, in bytes.
const MAX_MESSAGE: usize = 500;

/// A status other than the one asked for, and why.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// `iothub-errorcode`, the reliable discriminator, e.g. `DeviceNotFound`; empty if a proxy answered.
    pub(super) code: String,
    message: String,
    retry_after: Option<Duration>,
}

/// The REST error envelope.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Envelope {
    message: String,
    exception_message: String,
}

impl Refusal {
    pub(super) async fn read(response: Response) -> Self {
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let code = header("iothub-errorcode").unwrap_or_default();
        let retry_after =
            header(RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        let status = response.status().as_u16();
        let envelope: Envelope = serde_json::from_str(&error_body(response).await).unwrap_or_default();
        let message = format!("{} {}", envelope.message, envelope.exception_message).trim().to_owned();
        let message = shortened(&message, MAX_MESSAGE).to_owned();
        Self { status, code, message, retry_after }
    }

    /// Whether the hub says that there is no such device. Another server's 404 says nothing about devices.
    pub(super) fn is_about_a_missing_device(&self) -> bool {
        self.status == 404 && self.code == "DeviceNotFound"
    }

    /// Whether our credential is what the hub does not like, rather than the request. It answers 401 for keys, tokens and
    /// missing roles, and 403 for an IP filter or local authentication switched off.
    pub(super) fn is_about_our_credential(&self) -> bool {
        let is_about_something_else = ["IotHubQuotaExceeded", "DeviceDisabled"].contains(&self.code.as_str());
        self.status == 401 || (self.status == 403 && !is_about_something_else)
    }

    /// The reason as one line for a person; the hub's tracking id is in it.
    pub(super) fn describe(&self) -> String {
        format!("status {} {} {}", self.status, self.code, self.message).trim_end().to_owned()
    }

    /// What this means for a request that was right in itself.
    pub(super) fn into_error(self) -> Error {
        let what = self.describe();
        let unavailable = |retry| Error::Unavailable { peer: Peer::IotHub, what: what.clone(), retry };
        match (self.status, self.code.as_str()) {
            (429, _) => unavailable(Retry::After(self.retry_after.unwrap_or(THROTTLED))),
            (403, "IotHubQuotaExceeded") => unavailable(Retry::NextDay),
            (403, "DeviceDisabled") => Error::Refused { peer: Peer::IotHub, what },
            // An IP filter, local authentication switched off: nothing the message can help.
            (401 | 403, _) => unavailable(Retry::After(OPERATOR)),
            (404 | 408, _) => unavailable(Retry::Soon),
            (400..=499, _) => Error::Refused { peer: Peer::IotHub, what },
            // 5xx, and whatever the API does not document (a proxy's 200 or 302).
            _ => unavailable(Retry::Soon),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_the_hub_does_not_like_is_told_apart_from_everything_else() {
        for (status, code, is_ours) in [
            (401, "IotHubUnauthorizedAccess", true),
            (401, "IotHubUnauthorized", true),
            (403, "", true),
            (403, "IotHubQuotaExceeded", false),
            (403, "DeviceDisabled", false),
            (404, "DeviceNotFound", false),
            (429, "ThrottlingBacklogTimeout", false),
            (500, "ServerError", false),
        ] {
            let refusal = Refusal { status, code: code.to_owned(), message: String::new(), retry_after: None };
            assert_eq!(refusal.is_about_our_credential(), is_ours, "{status} {code}");
        }
    }
}
