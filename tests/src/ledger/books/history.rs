//! What happened to each item, in order: small entries, so that a million items fit.

use std::fmt;

use super::super::api::Note;
use super::super::fault::Name;
use super::super::queues::Queue;

/// An uplink by its number, or a hub event by its place in the log of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Numbered by the run's plan.
    Uplink(u32),
    /// Numbered as the hub sent them.
    HubEvent(u32),
    /// Numbered from 0.
    Device(u32),
    /// Everything there is.
    System,
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uplink(number) => write!(formatter, "uplink {number}"),
            Self::HubEvent(number) => write!(formatter, "hub event {number}"),
            Self::Device(number) => write!(formatter, "device {number}"),
            Self::System => formatter.write_str("the system"),
        }
    }
}

/// What can happen to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum What {
    /// The webhook's request goes out.
    Sent,
    Answered(u16),
    TimedOut,
    /// The webhook's connection broke.
    Broken,
    /// The hub has it, or the hub sent it.
    InHub,
    /// A fault met a request with it.
    Met(Name),
    /// The package has it; the answer went out or did not.
    Applied {
        is_answered: bool,
    },
    /// It goes into a queue.
    Queued(Queue),
    /// Something about a device.
    Device(Note),
    /// The handler got a SIGKILL.
    Killed,
    /// The Things Stack started again.
    Restarted,
    /// Queues take nothing more, for so many puts or until faults end.
    QueuesFail,
}

impl What {
    /// Whether it can cost any item its way.
    fn is_grave(self) -> bool {
        matches!(self, Self::Killed | Self::QueuesFail | Self::Restarted)
    }
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent => formatter.write_str("webhook sent"),
            Self::Answered(status) => write!(formatter, "webhook answered {status}"),
            Self::TimedOut => formatter.write_str("webhook timed out"),
            Self::Broken => formatter.write_str("webhook's connection broke"),
            Self::InHub => formatter.write_str("in IoT Hub"),
            Self::Met(fault) => write!(formatter, "met fault: {fault}"),
            Self::Applied { is_answered: true } => formatter.write_str("applied by The Things Stack, answered 200"),
            Self::Applied { is_answered: false } => formatter.write_str("applied by The Things Stack, no answer"),
            Self::Device(note) => write!(formatter, "{note}"),
            Self::Killed => formatter.write_str("(the handler was killed)"),
            Self::Restarted => formatter.write_str("(The Things Stack was restarted)"),
            Self::QueuesFail => formatter.write_str("(queues begin to fail)"),
            Self::Queued(queue) => write!(formatter, "goes into queue {}", queue.name()),
        }
    }
}

/// So many milliseconds after an item's last entry belong to its history.
const SOON: u32 = 2_000;

/// All entries of a run.
#[derive(Debug, Default)]
pub(in crate::ledger) struct History(Vec<(Subject, u32, What)>);

impl History {
    /// Adds an entry, `milliseconds` after the run's start.
    pub(in crate::ledger) fn note(&mut self, subject: Subject, milliseconds: u32, what: What) {
        self.0.push((subject, milliseconds, what));
    }

    /// One line per entry about the item, with what could cost it its way meanwhile and soon after.
    pub(in crate::ledger) fn of(&self, subject: Subject) -> Vec<String> {
        let times = || self.0.iter().filter(|(of, ..)| *of == subject).map(|(_, at, _)| *at);
        let meanwhile = times().min().unwrap_or(0)..=times().max().unwrap_or(0).saturating_add(SOON);
        let is_told = |(of, at, what): &&(Subject, u32, What)| {
            *of == subject || (*of == Subject::System && meanwhile.contains(at) && what.is_grave())
        };
        let lines = self.0.iter().filter(is_told);
        lines.map(|(_, at, what)| format!("{:>9.3} s  {what}", f64::from(*at) / 1000.0)).collect()
    }
}
