//! Queues of a real storage account, by its REST API.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, StatusCode, Url};
use time::OffsetDateTime;

use super::connection_string;
use super::error::QueueError;
use super::message::{Message, PeekedMessage, PutOptions, Receipt};
use super::shared_key::{self, API_VERSION, SharedKey, http_date};
use super::xml::{self, http_time};

/// Longest an answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// An account somewhere else.
#[derive(Debug)]
pub(super) struct RestQueues {
    client: Client,
    endpoint: Url,
    key: SharedKey,
}

/// An accepted answer.
struct Answer {
    headers: HeaderMap,
    body: String,
}

impl RestQueues {
    pub(super) fn new(connection_string: &str) -> Result<Self, QueueError> {
        let (endpoint, key) = connection_string::parse(connection_string)?;
        let client = Client::builder().timeout(LIMIT).build().map_err(no_answer)?;
        Ok(Self { client, endpoint, key })
    }

    pub(super) async fn create(&self, queue: &str) -> Result<(), QueueError> {
        self.send(Method::PUT, &[queue], &[], String::new()).await.map(drop)
    }

    pub(super) async fn put(&self, queue: &str, text: &str, options: PutOptions) -> Result<Message, QueueError> {
        let delay = options.visibility_delay.as_secs().to_string();
        let life = match options.time_to_live {
            Duration::MAX => "-1".to_owned(),
            life => life.as_secs().to_string(),
        };
        let query = [("visibilitytimeout", delay.as_str()), ("messagettl", &life)];
        let answer = self.send(Method::POST, &[queue, "messages"], &query, xml::queue_message(text)).await?;
        let message = xml::messages(&answer.body)?.into_iter().next().ok_or_else(|| missing("QueueMessage"))?;
        Ok(Message { text: text.to_owned(), ..message.got()? })
    }

    pub(super) async fn get(&self, queue: &str, most: u32, timeout: Duration) -> Result<Vec<Message>, QueueError> {
        let (most, timeout) = (most.to_string(), timeout.as_secs().to_string());
        let query = [("numofmessages", most.as_str()), ("visibilitytimeout", &timeout)];
        let answer = self.send(Method::GET, &[queue, "messages"], &query, String::new()).await?;
        xml::messages(&answer.body)?.into_iter().map(xml::Fields::got).collect()
    }

    pub(super) async fn peek(&self, queue: &str, most: u32) -> Result<Vec<PeekedMessage>, QueueError> {
        let most = most.to_string();
        let query = [("numofmessages", most.as_str()), ("peekonly", "true")];
        let answer = self.send(Method::GET, &[queue, "messages"], &query, String::new()).await?;
        xml::messages(&answer.body)?.into_iter().map(xml::Fields::peeked).collect()
    }

    pub(super) async fn update(
        &self,
        queue: &str,
        id: &str,
        pop_receipt: &str,
        timeout: Duration,
    ) -> Result<Receipt, QueueError> {
        let timeout = timeout.as_secs().to_string();
        let query = [("popreceipt", pop_receipt), ("visibilitytimeout", &timeout)];
        let answer = self.send(Method::PUT, &[queue, "messages", id], &query, String::new()).await?;
        Ok(Receipt {
            pop_receipt: answer.header("x-ms-popreceipt")?.to_owned(),
            next_visible_time: http_time(answer.header("x-ms-time-next-visible")?)?,
        })
    }

    pub(super) async fn delete(&self, queue: &str, id: &str, pop_receipt: &str) -> Result<(), QueueError> {
        let query = [("popreceipt", pop_receipt)];
        self.send(Method::DELETE, &[queue, "messages", id], &query, String::new()).await.map(drop)
    }

    pub(super) async fn clear(&self, queue: &str) -> Result<(), QueueError> {
        self.send(Method::DELETE, &[queue, "messages"], &[], String::new()).await.map(drop)
    }

    pub(super) async fn approximate_count(&self, queue: &str) -> Result<usize, QueueError> {
        let answer = self.send(Method::GET, &[queue], &[("comp", "metadata")], String::new()).await?;
        let name = "x-ms-approximate-messages-count";
        answer.header(name)?.parse().map_err(|_| missing(name))
    }

    #[expect(clippy::disallowed_methods, reason = "a request is signed with the time it is sent")]
    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: String,
    ) -> Result<Answer, QueueError> {
        let url = self.url(path, query)?;
        let date = http_date(OffsetDateTime::now_utc());
        let authorization = self.key.authorization(method.as_str(), &url, &date, body.len());
        let mut request = self.client.request(method, url).header("x-ms-date", date);
        request = request.header("x-ms-version", API_VERSION).header(AUTHORIZATION, authorization);
        request = match body.len() {
            0 => request.header(CONTENT_LENGTH, 0),
            _ => request.header(CONTENT_TYPE, shared_key::CONTENT_TYPE).body(body),
        };
        let response = request.send().await.map_err(no_answer)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.map_err(no_answer)?;
        if status.is_success() { Ok(Answer { headers, body }) } else { Err(refusal(status, &headers, &body)) }
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, QueueError> {
        let mut url = self.endpoint.clone();
        let segments = url.path_segments_mut();
        segments.map_err(|()| QueueError::ConnectionString("no path".to_owned()))?.pop_if_empty().extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

impl Answer {
    fn header(&self, name: &str) -> Result<&str, QueueError> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).ok_or_else(|| missing(name))
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap, body: &str) -> QueueError {
    let code = headers.get("x-ms-error-code").and_then(|code| code.to_str().ok()).map(str::to_owned);
    QueueError::service(status.as_u16(), &code.or_else(|| xml::error_code(body)).unwrap_or_default())
}

fn missing(what: &str) -> QueueError {
    QueueError::NoAnswer(format!("the answer has no {what}"))
}

fn no_answer(error: reqwest::Error) -> QueueError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    QueueError::NoAnswer(text)
}
