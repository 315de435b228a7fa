//! Where a storage account's queues are, and what opens them.

use url::Url;

use crate::http::is_https_or_loopback;
use crate::secret::Secret;

/// The queues of one storage account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Where they are, without a slash at the end; emulators have the account's name as the path.
    pub queue_endpoint: Url,
    /// What opens them.
    pub credential: Credential,
}

/// What opens a storage account.
#[derive(Debug, Clone)]
pub enum Credential {
    /// One of the account's two keys.
    SharedKey {
        /// The account's name.
        account_name: String,
        /// The key, base64.
        key: Secret,
    },
    /// A query string that was signed beforehand.
    SharedAccessSignature(Secret),
    /// Whoever is signed in to the Azure CLI.
    AzureLogin,
}

impl Account {
    /// The account of that name in Azure's public cloud, opened by the Azure CLI's login.
    ///
    /// # Errors
    /// A sentence with what is expected.
    pub fn from_name(name: &str) -> Result<Self, String> {
        if !is_account_name(name) {
            return Err("it is not an account's name, expected 3 to 24 lower-case letters and digits".to_owned());
        }
        Self::from_queue_service_uri(&format!("https://{name}.queue.core.windows.net"))
    }

    /// The account at that address, opened by the Azure CLI's login.
    ///
    /// # Errors
    /// A sentence with what is expected.
    pub fn from_queue_service_uri(uri: &str) -> Result<Self, String> {
        Ok(Self { queue_endpoint: endpoint(uri, "the address")?, credential: Credential::AzureLogin })
    }
}

pub(super) fn is_account_name(name: &str) -> bool {
    (3..=24).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// An endpoint's address. Not shown when it is wrong: a shared access signature may hang on it.
pub(super) fn endpoint(text: &str, what: &str) -> Result<Url, String> {
    let expected = "expected something like https://account.queue.core.windows.net";
    let mut url = Url::parse(text).map_err(|reason| format!("{what} is not a URL ({reason}), {expected}"))?;
    if !is_https_or_loopback(&url) {
        return Err(format!("{what} is not https, but keys travel over TLS only (http is for loopback); {expected}"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{what} has a user, query or fragment; {expected}"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_without_a_key_is_opened_by_the_azure_login() {
        let account = Account::from_name("plant").unwrap();
        assert_eq!(account.queue_endpoint.as_str(), "https://plant.queue.core.windows.net/");
        assert!(matches!(account.credential, Credential::AzureLogin));
        assert!(Account::from_name("Plant_A").unwrap_err().contains("3 to 24"));
        assert!(Account::from_queue_service_uri("http://plant.example").unwrap_err().contains("over TLS only"));
    }
}
