//! Requests to the queues of one storage account.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, Method, RequestBuilder, Response};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::process::Command;
use url::Url;

use super::message::{messages_in, put_body};
use super::shared_key::{Unsigned, authorization};
use super::{Account, Credential, QueueError, QueueMessage, azure_login};
use crate::http::transport_failure;
use crate::secret::Secret;

/// Most messages the service hands out at once.
pub const PAGE: usize = 32;

/// The REST API's version; messages that never expire need 2017-07-29, logins 2017-11-09.
const API_VERSION: &str = "2023-11-03";

/// Longest single request.
const TIMEOUT: Duration = Duration::from_secs(30);

const XML: &str = "application/xml";

/// The queues of one storage account, with the door open.
#[derive(Debug)]
pub struct QueueService {
    http: Client,
    endpoint: Url,
    access: Access,
}

#[derive(Debug)]
enum Access {
    SharedKey { account_name: String, key: Secret },
    SharedAccessSignature(Secret),
    Bearer(Secret),
}

impl QueueService {
    /// Opens an account; a login is turned into a token here, once.
    ///
    /// # Errors
    /// A sentence if the Azure CLI gives no token.
    pub async fn open(http: Client, account: Account) -> Result<Arc<Self>, String> {
        Self::open_with(http, account, azure_login::az()).await
    }

    /// The same with `az` in the Azure CLI's place.
    pub(super) async fn open_with(http: Client, account: Account, az: Command) -> Result<Arc<Self>, String> {
        let access = match account.credential {
            Credential::SharedKey { account_name, key } => Access::SharedKey { account_name, key },
            Credential::SharedAccessSignature(signature) => Access::SharedAccessSignature(signature),
            Credential::AzureLogin => Access::Bearer(azure_login::token(az).await?),
        };
        Ok(Arc::new(Self { http, endpoint: account.queue_endpoint, access }))
    }

    /// One of its queues, whether it exists or not.
    #[must_use]
    pub fn queue(self: &Arc<Self>, name: &str) -> StorageQueue {
        StorageQueue { service: Arc::clone(self), name: name.into() }
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends one request. Only a success is `Ok`.
    async fn send(&self, method: Method, url: Url, body: String) -> Result<Response, QueueError> {
        let request = self.authorized(method, url, &body).timeout(TIMEOUT).body(body);
        let response = request.send().await.map_err(unavailable)?;
        if response.status().is_success() { Ok(response) } else { Err(QueueError::read(response).await) }
    }

    fn authorized(&self, method: Method, mut url: Url, body: &str) -> RequestBuilder {
        let date = http_date();
        let headers = [("x-ms-date", date.as_str()), ("x-ms-version", API_VERSION)];
        let content_type = if body.is_empty() { "" } else { XML };
        let authorization = match &self.access {
            Access::SharedKey { account_name, key } => {
                let content_length = body.len();
                let request =
                    Unsigned { method: method.as_str(), url: &url, content_type, content_length, headers: &headers };
                Some(authorization(account_name, key, &request))
            }
            Access::SharedAccessSignature(signature) => {
                let query = [url.query(), Some(signature.expose())].into_iter().flatten().collect::<Vec<_>>().join("&");
                url.set_query(Some(&query));
                None
            }
            Access::Bearer(token) => Some(format!("Bearer {}", token.expose())),
        };
        let mut request = self.http.request(method, url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if !content_type.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        match authorization {
            Some(authorization) => request.header(AUTHORIZATION, authorization),
            None => request,
        }
    }
}

/// One queue.
#[derive(Debug, Clone)]
pub struct StorageQueue {
    service: Arc<QueueService>,
    /// Its name.
    pub name: Arc<str>,
}

impl StorageQueue {
    /// Creates the queue; one that exists stays as it is.
    ///
    /// # Errors
    /// [`QueueError`] if there is none afterwards.
    pub async fn create(&self) -> Result<(), QueueError> {
        let url = self.service.url(&[&self.name], &[]);
        self.service.send(Method::PUT, url, String::new()).await.map(drop)
    }

    /// Puts a message that never expires.
    ///
    /// # Errors
    /// [`QueueError`] if it may not be there; after [`QueueError::Unavailable`] it may be there nevertheless.
    pub async fn put(&self, content: &str) -> Result<(), QueueError> {
        let url = self.service.url(&[&self.name, "messages"], &[("messagettl", "-1")]);
        self.service.send(Method::POST, url, put_body(content)).await.map(drop)
    }

    /// Receives up to [`PAGE`] messages and hides them from others for a while.
    ///
    /// # Errors
    /// [`QueueError`]; messages may be hidden nevertheless.
    pub async fn receive(&self, hidden_for: Duration) -> Result<Vec<QueueMessage>, QueueError> {
        let (count, seconds) = (PAGE.to_string(), hidden_for.as_secs().to_string());
        self.messages(&[("numofmessages", &count), ("visibilitytimeout", &seconds)]).await
    }

    /// Looks at up to [`PAGE`] messages and leaves them as they are.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn peek(&self) -> Result<Vec<QueueMessage>, QueueError> {
        self.messages(&[("peekonly", "true"), ("numofmessages", &PAGE.to_string())]).await
    }

    /// Deletes a received message.
    ///
    /// # Errors
    /// [`QueueError::NoMessage`] if the pop receipt is no longer the newest.
    pub async fn delete(&self, id: &str, pop_receipt: &str) -> Result<(), QueueError> {
        let url = self.service.url(&[&self.name, "messages", id], &[("popreceipt", pop_receipt)]);
        self.service.send(Method::DELETE, url, String::new()).await.map(drop)
    }

    /// Shows a received message to others again, unchanged.
    ///
    /// # Errors
    /// [`QueueError::NoMessage`] if the pop receipt is no longer the newest.
    pub async fn give_back(&self, id: &str, pop_receipt: &str) -> Result<(), QueueError> {
        let query = [("popreceipt", pop_receipt), ("visibilitytimeout", "0")];
        let url = self.service.url(&[&self.name, "messages", id], &query);
        self.service.send(Method::PUT, url, String::new()).await.map(drop)
    }

    /// How many messages there are, hidden ones included; never too few, possibly too many.
    ///
    /// # Errors
    /// [`QueueError`]
    pub async fn approximate_count(&self) -> Result<u64, QueueError> {
        let url = self.service.url(&[&self.name], &[("comp", "metadata")]);
        let response = self.service.send(Method::GET, url, String::new()).await?;
        let count = response.headers().get("x-ms-approximate-messages-count").and_then(|count| count.to_str().ok());
        count
            .and_then(|count| count.parse().ok())
            .ok_or_else(|| QueueError::Refused("it answered without x-ms-approximate-messages-count".to_owned()))
    }

    async fn messages(&self, query: &[(&str, &str)]) -> Result<Vec<QueueMessage>, QueueError> {
        let url = self.service.url(&[&self.name, "messages"], query);
        let response = self.service.send(Method::GET, url, String::new()).await?;
        let xml = response.bytes().await.map_err(unavailable)?;
        messages_in(&String::from_utf8_lossy(&xml)).map_err(QueueError::Refused)
    }
}

fn unavailable(reason: reqwest::Error) -> QueueError {
    QueueError::Unavailable(transport_failure(reason))
}

#[expect(clippy::disallowed_methods, reason = "a client; the signature below it takes the time as an argument")]
fn http_date() -> String {
    let now = OffsetDateTime::now_utc();
    now.format(&Rfc2822).expect("today's year has four digits").replace("+0000", "GMT")
}
