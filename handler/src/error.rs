//! What can go wrong on a journey, and what follows from it: the caller's status, the retry verdict, the log level.

use std::fmt;
use std::time::Duration;

use tracing::Level;

/// Longest wait a peer can ask for; more is a mistake of the peer's, and would not fit a calendar.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A system the handler talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Azure IoT Hub.
    IotHub,
    /// The Things Stack.
    Tts,
    /// The function app's managed identity: the platform's endpoint that gives its tokens.
    ManagedIdentity,
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::IotHub => "IoT Hub",
            Self::Tts => "The Things Stack",
            Self::ManagedIdentity => "the managed identity",
        })
    }
}

/// At most `most_bytes` of a text, ending at a character, for what others write into our messages.
#[must_use]
pub fn shortened(text: &str, most_bytes: usize) -> &str {
    &text[..text.floor_char_boundary(most_bytes)]
}

/// How long what only an operator can mend is left alone.
pub const OPERATOR: Duration = Duration::from_secs(60);

/// When another try makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// A hiccup: within the same invocation.
    Soon,
    /// Within the same invocation too, though the peer has answered: it has yet to settle what is new about one device.
    Settling,
    /// Not before this long, hence not within the invocation.
    After(Duration),
    /// Not within the invocation; whenever a parked item comes again.
    Redelivery,
    /// Not before 00:00 UTC, when the daily quota begins anew.
    NextDay,
}

/// Why a message or an event did not arrive. `Display` says what was found, what was expected and what to do;
/// it never holds a secret or a payload.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The webhook secret is missing or wrong.
    #[error("{0}")]
    Unauthorized(String),
    /// Not what the sender should have sent.
    #[error("{0}")]
    Malformed(String),
    /// The body is in a format the handler does not read.
    #[error("{0}")]
    UnsupportedFormat(String),
    /// Larger than the limits allow, even trimmed.
    #[error("{0}")]
    TooLarge(String),
    /// The peer said no, for good.
    #[error("{peer} refused: {what}")]
    Refused {
        /// Who refused.
        peer: Peer,
        /// Its reason.
        what: String,
    },
    /// The peer takes it once something else has happened to this one device, e.g. once it has joined.
    #[error("{peer} does not take it yet: {what}")]
    NotYet {
        /// Who does not take it.
        peer: Peer,
        /// What is missing.
        what: String,
    },
    /// We did not ask, to keep to a limit or a time budget; this says nothing about the peer.
    #[error("{peer} was not asked: {what}")]
    NotAsked {
        /// Who was not asked.
        peer: Peer,
        /// Why not.
        what: String,
        /// When another try makes sense.
        wait: Duration,
    },
    /// The handler's own settings are wrong; the message may be fine.
    #[error("the handler's settings are wrong: {0}")]
    Misconfigured(String),
    /// The peer is out of reach, overloaded, or does not accept our credential; the message itself may be fine.
    #[error("{peer} is unavailable: {what}")]
    Unavailable {
        /// Who is unavailable.
        peer: Peer,
        /// What happened.
        what: String,
        /// When another try makes sense.
        retry: Retry,
    },
}

impl Error {
    /// The HTTP status a webhook's sender gets.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Unauthorized(_) => 401,
            Self::Malformed(_) => 400,
            Self::UnsupportedFormat(_) => 415,
            Self::TooLarge(_) => 413,
            Self::Refused { .. } => 422,
            Self::NotYet { .. } | Self::NotAsked { .. } | Self::Misconfigured(_) | Self::Unavailable { .. } => 503,
        }
    }

    /// Whether the same message may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.retry().is_some()
    }

    /// Whether another try within the same invocation makes sense.
    #[must_use]
    pub fn is_worth_retrying_now(&self) -> bool {
        matches!(self.retry(), Some(Retry::Soon | Retry::Settling))
    }

    /// Whether it looks as if the peer were down: no connection, a time-out, 5xx.
    #[must_use]
    pub fn may_mean_that_the_peer_is_down(&self) -> bool {
        self.retry() == Some(Retry::Soon)
    }

    /// When another try makes sense, at the latest in a day; `None` if it never does.
    #[must_use]
    pub fn retry(&self) -> Option<Retry> {
        match self {
            Self::NotYet { .. } => Some(Retry::Redelivery),
            Self::NotAsked { wait, .. } => Some(Retry::After(*wait.min(&LONGEST_WAIT))),
            Self::Misconfigured(_) => Some(Retry::After(OPERATOR)),
            Self::Unavailable { retry: Retry::After(wait), .. } => Some(Retry::After(*wait.min(&LONGEST_WAIT))),
            Self::Unavailable { retry, .. } => Some(*retry),
            Self::Unauthorized(_)
            | Self::Malformed(_)
            | Self::UnsupportedFormat(_)
            | Self::TooLarge(_)
            | Self::Refused { .. } => None,
        }
    }

    /// How loud the failure's one log line is.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Unauthorized(_) | Self::NotYet { .. } | Self::NotAsked { .. } => Level::WARN,
            Self::Malformed(_)
            | Self::UnsupportedFormat(_)
            | Self::TooLarge(_)
            | Self::Refused { .. }
            | Self::Misconfigured(_)
            | Self::Unavailable { .. } => Level::ERROR,
        }
    }

    /// Whether it concerns one device only, so that nothing else need wait for it.
    #[must_use]
    pub fn is_about_one_device(&self) -> bool {
        matches!(self, Self::NotYet { .. })
    }

    /// Whether it came from this peer, or from trying to reach it.
    #[must_use]
    pub fn says_something_about(&self, asked: Peer) -> bool {
        match self {
            Self::NotAsked { .. } => false,
            Self::Refused { peer, .. } | Self::NotYet { peer, .. } | Self::Unavailable { peer, .. } => *peer == asked,
            Self::Unauthorized(_)
            | Self::Malformed(_)
            | Self::UnsupportedFormat(_)
            | Self::TooLarge(_)
            | Self::Misconfigured(_) => true,
        }
    }

    /// A short stable word for logs, metrics and answers.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unauthorized(_) => "unauthorized",
            Self::Malformed(_) => "malformed",
            Self::UnsupportedFormat(_) => "unsupported_format",
            Self::TooLarge(_) => "too_large",
            Self::Refused { .. } => "refused",
            Self::NotYet { .. } => "not_yet",
            Self::NotAsked { .. } => "not_asked",
            Self::Misconfigured(_) => "misconfigured",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// The failure's one log line, written where the failure leaves the handler.
    pub fn log(&self, device_id: Option<&str>) {
        self.log_kept(device_id, None, None);
    }

    /// The same line, where the failure leaves with items for the queues: how many are parked and how many dead-lettered.
    pub fn log_kept(&self, device_id: Option<&str>, parked: Option<usize>, dead_lettered: Option<usize>) {
        let (kind, status) = (self.kind(), self.status());
        if self.level() == Level::WARN {
            tracing::warn!(kind, status, device_id, parked, dead_lettered, "{self}");
        } else {
            tracing::error!(kind, status, device_id, parked, dead_lettered, "{self}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peer_is_waited_for_longer_than_a_day() {
        let day = Duration::from_secs(86_400);
        for (asked, waited) in [(Duration::from_secs(10), Duration::from_secs(10)), (Duration::MAX, day)] {
            let error = Error::Unavailable { peer: Peer::Tts, what: "no".to_owned(), retry: Retry::After(asked) };
            assert_eq!(error.retry(), Some(Retry::After(waited)));
        }
    }
}
