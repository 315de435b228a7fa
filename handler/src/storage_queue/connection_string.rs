//! Connection strings of a storage account.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::account::{Account, Credential, endpoint, is_account_name};
use crate::secret::Secret;

/// Azurite's account, the same on every machine.
const DEVELOPMENT_ACCOUNT: &str = "devstoreaccount1";
/// Its key, published in Azurite's documentation.
const DEVELOPMENT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Its queues.
const DEVELOPMENT_QUEUES: &str = "http://127.0.0.1:10001/devstoreaccount1";

const EXPECTED: &str = "expected UseDevelopmentStorage=true, or AccountName=…;AccountKey=…;EndpointSuffix=…, or QueueEndpoint=…;SharedAccessSignature=…";

impl Account {
    /// Reads a connection string as the portal shows it; names of its parts are case-insensitive.
    ///
    /// # Errors
    /// A sentence with what was found and what is expected, without any value.
    pub fn from_connection_string(text: &str) -> Result<Self, String> {
        let parts = Parts::read(text)?;
        if parts.is_development {
            return Ok(Self {
                queue_endpoint: endpoint(DEVELOPMENT_QUEUES, "the development account")?,
                credential: Credential::SharedKey {
                    account_name: DEVELOPMENT_ACCOUNT.to_owned(),
                    key: Secret::new(DEVELOPMENT_KEY),
                },
            });
        }
        Ok(Self { queue_endpoint: parts.queue_endpoint()?, credential: parts.credential()? })
    }
}

/// The parts of a connection string that matter to queues.
#[derive(Default)]
struct Parts<'a> {
    is_development: bool,
    protocol: Option<&'a str>,
    account_name: Option<&'a str>,
    account_key: Option<&'a str>,
    endpoint_suffix: Option<&'a str>,
    queue_endpoint: Option<&'a str>,
    shared_access_signature: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Result<Self, String> {
        let mut parts = Self::default();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part
                .split_once('=')
                .ok_or("found a part without `=`, expected `name=value` parts joined by `;`".to_owned())?;
            let (name, value) = (name.trim(), value.trim());
            let slot = match name.to_ascii_lowercase().as_str() {
                "usedevelopmentstorage" if value.eq_ignore_ascii_case("true") => {
                    parts.is_development = true;
                    continue;
                }
                "defaultendpointsprotocol" => &mut parts.protocol,
                "accountname" => &mut parts.account_name,
                "accountkey" => &mut parts.account_key,
                "endpointsuffix" => &mut parts.endpoint_suffix,
                "queueendpoint" => &mut parts.queue_endpoint,
                "sharedaccesssignature" => &mut parts.shared_access_signature,
                other if other.ends_with("endpoint") => continue,
                _ => return Err(format!("found an unknown part, {EXPECTED}")),
            };
            if slot.replace(value).is_some() {
                return Err(format!("found {name} twice, expected it once"));
            }
        }
        Ok(parts)
    }

    fn queue_endpoint(&self) -> Result<Url, String> {
        if let Some(queue_endpoint) = self.queue_endpoint {
            return endpoint(queue_endpoint, "QueueEndpoint");
        }
        let name = self.account_name.ok_or(format!("AccountName is missing, {EXPECTED}"))?;
        if !is_account_name(name) {
            return Err("AccountName is not one, expected 3 to 24 lower-case letters and digits".to_owned());
        }
        let protocol = self.protocol.unwrap_or("https");
        let suffix = self.endpoint_suffix.unwrap_or("core.windows.net");
        endpoint(&format!("{protocol}://{name}.queue.{suffix}"), "DefaultEndpointsProtocol or EndpointSuffix")
    }

    fn credential(&self) -> Result<Credential, String> {
        match (self.account_key, self.shared_access_signature) {
            (Some(key), None) => {
                let account_name = self.account_name.ok_or(format!("AccountName is missing, {EXPECTED}"))?;
                let is_key = STANDARD.decode(key).is_ok_and(|bytes| !bytes.is_empty());
                let key = is_key
                    .then(|| Secret::new(key))
                    .ok_or("AccountKey is not base64, expected the key exactly as Azure shows it".to_owned())?;
                Ok(Credential::SharedKey { account_name: account_name.to_owned(), key })
            }
            (None, Some(signature)) => shared_access_signature(signature),
            (None, None) => Err(format!("AccountKey is missing, {EXPECTED}")),
            (Some(_), Some(_)) => Err("found AccountKey and SharedAccessSignature, expected one of them".to_owned()),
        }
    }
}

fn shared_access_signature(text: &str) -> Result<Credential, String> {
    let text = text.trim_start_matches('?');
    let has_signature = text.split('&').any(|parameter| parameter.starts_with("sig=") && parameter.len() > 4);
    let is_query = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    (has_signature && is_query)
        .then(|| Credential::SharedAccessSignature(Secret::new(text)))
        .ok_or("SharedAccessSignature is not one, expected a query string like sv=…&ss=q&sig=…".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    #[test]
    fn a_connection_string_is_read_in_every_form_azure_hands_out() {
        for (text, endpoint, account) in [
            ("UseDevelopmentStorage=true".to_owned(), "http://127.0.0.1:10001/devstoreaccount1", "devstoreaccount1"),
            (
                format!(
                    "DefaultEndpointsProtocol=https;AccountName=plant;AccountKey={KEY};EndpointSuffix=core.windows.net"
                ),
                "https://plant.queue.core.windows.net/",
                "plant",
            ),
            (format!("accountkey={KEY}; accountname=plant;"), "https://plant.queue.core.windows.net/", "plant"),
            (
                format!("AccountName=plant;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn"),
                "https://plant.queue.core.chinacloudapi.cn/",
                "plant",
            ),
            (
                format!(
                    "DefaultEndpointsProtocol=http;AccountName=a;AccountKey={KEY};BlobEndpoint=http://x;QueueEndpoint=http://localhost:7/a/;"
                ),
                "http://localhost:7/a",
                "a",
            ),
        ] {
            let parsed = Account::from_connection_string(&text).unwrap();
            assert_eq!(parsed.queue_endpoint.as_str(), endpoint, "{text}");
            assert!(matches!(parsed.credential, Credential::SharedKey { account_name, .. } if account_name == account));
        }
    }

    #[test]
    fn a_shared_access_signature_is_taken_with_and_without_its_question_mark() {
        for mark in ["", "?"] {
            let text = format!(
                "QueueEndpoint=https://plant.queue.core.windows.net/;SharedAccessSignature={mark}sv=1&sig=a%2B"
            );
            let parsed = Account::from_connection_string(&text).unwrap();
            assert!(
                matches!(parsed.credential, Credential::SharedAccessSignature(sas) if sas.expose() == "sv=1&sig=a%2B")
            );
        }
    }

    #[test]
    fn a_wrong_connection_string_is_explained_without_showing_it() {
        for (text, reason) in [
            ("", "AccountName is missing"),
            ("hunter2", "without `=`"),
            ("UseDevelopmentStorage=hunter2", "unknown part"),
            ("AccountName=plant;Key=hunter2", "unknown part"),
            ("AccountName=plant", "AccountKey is missing"),
            ("AccountName=plant;AccountName=plant", "AccountName twice"),
            ("AccountName=plant;AccountKey=hunter2", "not base64"),
            ("AccountName=plant;AccountKey=", "not base64"),
            ("AccountName=hunter2/;AccountKey=AAAA", "AccountName is not one"),
            ("QueueEndpoint=https://h;AccountKey=AAAA", "AccountName is missing"),
            ("QueueEndpoint=hunter2;SharedAccessSignature=sig=1", "not a URL"),
            ("QueueEndpoint=https://h?sig=hunter2;SharedAccessSignature=sig=1", "has a user, query or fragment"),
            ("QueueEndpoint=http://h.example;SharedAccessSignature=sig=hunter2", "over TLS only"),
            ("DefaultEndpointsProtocol=http;AccountName=plant;AccountKey=AAAA", "over TLS only"),
            ("QueueEndpoint=https://h;SharedAccessSignature=hunter2", "SharedAccessSignature is not one"),
            ("QueueEndpoint=https://h;SharedAccessSignature=sig=hun ter2", "SharedAccessSignature is not one"),
            ("QueueEndpoint=https://h;AccountName=a;AccountKey=AAAA;SharedAccessSignature=sig=1", "one of them"),
        ] {
            let found = Account::from_connection_string(text).unwrap_err();
            assert!(found.contains(reason), "{text}: {found}");
            assert!(!found.contains("hun"), "{found}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(AccountName=|AccountKey=|QueueEndpoint=|http://|;|=|.){0,12}") {
            let _ = Account::from_connection_string(&text);
        }
    }
}
