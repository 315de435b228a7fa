//! A shared access policy's key, and the one token it keeps signed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::HeaderValue;

use super::Policy;
use super::sas;
use crate::secret::Secret;

/// How long a token is valid.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// How long before its expiry a token is replaced, so that one is never used across it.
const RENEWAL: Duration = Duration::from_secs(15 * 60);

/// Signs requests to the hub with a policy that covers the whole hub, hence every device.
#[derive(Debug)]
pub(super) struct Credential {
    host_name: String,
    policy_name: String,
    key: Secret,
    token: Mutex<Option<Token>>,
}

#[derive(Debug)]
struct Token {
    expiry: u64,
    header: HeaderValue,
}

impl Credential {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            host_name: policy.host_name.clone(),
            policy_name: policy.policy_name.clone(),
            key: policy.key.clone(),
            token: Mutex::new(None),
        }
    }

    /// The same token as text, for a password.
    pub(super) fn token(&self) -> String {
        self.authorization().to_str().map(str::to_owned).unwrap_or_default()
    }

    /// The `Authorization` header's value, signed anew when the present one nears its expiry.
    #[expect(clippy::disallowed_methods, reason = "a token's expiry is wall-clock time")]
    pub(super) fn authorization(&self) -> HeaderValue {
        self.authorization_at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    fn authorization_at(&self, now: Duration) -> HeaderValue {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        match &*token {
            Some(token) if token.expiry > (now + RENEWAL).as_secs() => token.header.clone(),
            _ => {
                let expiry = (now + LIFETIME).as_secs();
                let header = self.sign(expiry);
                *token = Some(Token { expiry, header: header.clone() });
                header
            }
        }
    }

    fn sign(&self, expiry: u64) -> HeaderValue {
        let token = sas::token(&self.host_name, &self.key, Some(&self.policy_name), expiry);
        let mut header = HeaderValue::try_from(token).expect("a percent-encoded token is a legal header value");
        header.set_sensitive(true);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_until_a_quarter_of_an_hour_before_its_expiry() {
        let text = "HostName=hub;SharedAccessKeyName=p;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg==";
        let credential = Credential::new(&Policy::from_connection_string(text).unwrap());
        let at = |seconds| credential.authorization_at(Duration::from_secs(seconds));
        let first = at(1_000);
        assert!(first.to_str().unwrap().contains("&se=4600&skn=p"));
        assert!(first.is_sensitive());
        assert_eq!(at(1_000 + 45 * 60 - 1), first);
        assert_ne!(at(1_000 + 45 * 60), first);
    }
}
