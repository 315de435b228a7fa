//! What happens to a device, for its history.

use std::fmt;

use super::super::fault::Name;
use super::super::queues::Queue;
use super::asks::Asks;
use crate::tts::Server;

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Note {
    /// The hub sent an event.
    Sent(u32, Asks),
    /// The handler was told the twin.
    Read,
    Set {
        server: Server,
        is_new: bool,
        is_answered: bool,
    },
    Gone {
        server: Server,
        is_answered: bool,
    },
    /// The downlink of an event, if it is one's.
    Downlink {
        event: Option<u32>,
        is_replace: bool,
        is_answered: bool,
    },
    /// An event goes into a queue.
    Queued(u32, Queue),
    Met(Name),
    Joined,
    Taken(u32),
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answered = |is_answered: &bool| if *is_answered { "answered" } else { "not answered" };
        match self {
            Self::Sent(number, asks) => write!(formatter, "hub event {number}: {}", listed(asks)),
            Self::Read => formatter.write_str("twin read"),
            Self::Set { server, is_new: true, is_answered } => {
                write!(formatter, "created at {server:?}, {}", answered(is_answered))
            }
            Self::Set { server, is_new: false, is_answered } => {
                write!(formatter, "written at {server:?}, {}", answered(is_answered))
            }
            Self::Gone { server, is_answered } => write!(formatter, "deleted at {server:?}, {}", answered(is_answered)),
            Self::Downlink { event, is_replace, is_answered } => {
                let operation = if *is_replace { "replaces the queue" } else { "pushed" };
                write!(formatter, "downlink of hub event {event:?} {operation}, {}", answered(is_answered))
            }
            Self::Queued(event, queue) => write!(formatter, "hub event {event} goes into queue {}", queue.name()),
            Self::Met(fault) => write!(formatter, "met fault: {fault}"),
            Self::Joined => formatter.write_str("the device joined"),
            Self::Taken(event) => write!(formatter, "the device took the downlink of hub event {event}"),
        }
    }
}

fn listed(asks: &Asks) -> String {
    let downlink = asks.downlink.map(|wanted| format!("downlink {} of version {}", wanted.number, wanted.version));
    let parts = [
        asks.is_creation.then(|| "created".to_owned()),
        asks.is_deletion.then(|| "deleted".to_owned()),
        asks.tags.then(|| "tags".to_owned()),
        (asks.changes_downlink && downlink.is_none()).then(|| "no downlink any more".to_owned()),
        downlink,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
