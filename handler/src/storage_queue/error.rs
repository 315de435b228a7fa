//! What can go wrong between us and a storage queue.

use reqwest::{Response, StatusCode};

use super::message::failure_in;
use crate::http::error_body;

/// Why a queue did not do as told. Never holds a key, a signature or a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// There is no queue of that name in the account.
    #[error("there is no such queue")]
    NoQueue,
    /// The message was deleted meanwhile, or somebody else has received it.
    #[error("the message is no longer there, or somebody else has received it")]
    NoMessage,
    /// The credential does not open the queue.
    #[error(
        "the storage account does not let us in ({0}); check the key or signature in AzureWebJobsStorage, or, with the Azure CLI's login, that you have the role Storage Queue Data Contributor"
    )]
    NotAllowed(String),
    /// Another time may do.
    #[error("the storage account is unavailable: {0}")]
    Unavailable(String),
    /// No time will do.
    #[error("the storage account refused: {0}")]
    Refused(String),
}

impl QueueError {
    /// Reads an answer that is no success.
    pub(super) async fn read(response: Response) -> Self {
        let status = response.status();
        let header = response.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok()).map(str::to_owned);
        let (code, reason) = failure_in(&error_body(response).await);
        Self::new(status, header.or(code).unwrap_or_default(), &reason.unwrap_or_default())
    }

    fn new(status: StatusCode, code: String, reason: &str) -> Self {
        let what = [status.as_str(), &code, reason].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        let what = what.join(" ");
        match (status.as_u16(), code.as_str()) {
            (404, "QueueNotFound") => Self::NoQueue,
            (404, "MessageNotFound") | (400 | 404, "PopReceiptMismatch") => Self::NoMessage,
            (401 | 403, _) => Self::NotAllowed(what),
            (408 | 429 | 500..=599, _) => Self::Unavailable(what),
            _ => Self::Refused(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_becomes_what_a_caller_can_do_about_it() {
        let error =
            |status: u16, code: &str| QueueError::new(StatusCode::from_u16(status).unwrap(), code.into(), "So.");
        assert_eq!(error(404, "QueueNotFound"), QueueError::NoQueue);
        assert_eq!(error(404, "MessageNotFound"), QueueError::NoMessage);
        assert_eq!(error(400, "PopReceiptMismatch"), QueueError::NoMessage);
        assert_eq!(error(403, "AuthenticationFailed"), QueueError::NotAllowed("403 AuthenticationFailed So.".into()));
        assert_eq!(error(503, "ServerBusy"), QueueError::Unavailable("503 ServerBusy So.".into()));
        assert_eq!(error(404, ""), QueueError::Refused("404 So.".into()));
        assert_eq!(error(413, "RequestBodyTooLarge"), QueueError::Refused("413 RequestBodyTooLarge So.".into()));
    }
}
