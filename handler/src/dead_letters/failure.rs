//! How a command ends.

use std::io;

use crate::settings::Problems;
use crate::storage_queue::QueueError;

/// sysexits: wrong usage or settings.
const EX_USAGE: u8 = 64;
/// sysexits: an input is not there.
const EX_NOINPUT: u8 = 66;

/// A command that ran to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    SomeFailed,
    SomeNotFound,
}

impl Outcome {
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::SomeFailed => 1,
            Self::SomeNotFound => EX_NOINPUT,
        }
    }
}

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{0}")]
    Settings(Problems),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Start(String),
    #[error("queue {queue}: {error}")]
    Queue { queue: String, error: QueueError },
    #[error(
        "found no message {id} in queue {queue}; it was delivered or deleted meanwhile, or is hidden while somebody has received it; `handler dead-letters list --queue {queue}` shows what is there"
    )]
    NoSuchMessage { id: String, queue: String },
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    pub(super) fn queue(name: &str, error: QueueError) -> Self {
        Self::Queue { queue: name.to_owned(), error }
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Usage(_) => EX_USAGE,
            Self::Start(_) | Self::Queue { .. } | Self::Output(_) => 1,
            Self::NoSuchMessage { .. } => EX_NOINPUT,
        }
    }
}
