//! What can go wrong with a queue.

/// Why an operation on a queue failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// The service refused.
    #[error("{status} {code}")]
    Service {
        /// The HTTP status.
        status: u16,
        /// The service's own name for it, e.g. `QueueNotFound`.
        code: String,
    },
    /// The service did not answer, or not as it should.
    #[error("no answer from the storage account: {0}")]
    NoAnswer(String),
    /// Not a connection string of a storage account.
    #[error("connection string: {0}")]
    ConnectionString(String),
}

impl QueueError {
    pub(super) fn service(status: u16, code: &str) -> Self {
        Self::Service { status, code: code.to_owned() }
    }

    /// The service's own name for the error; empty when the service did not say one.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Service { code, .. } => code,
            Self::NoAnswer(_) | Self::ConnectionString(_) => "",
        }
    }
}
