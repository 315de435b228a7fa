//! What a run shows: figures, whatever must not be with its history, and the balance as the last line.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::books::Balance;
use super::fault::Name;
use super::{Delivery, Options};

/// All that is known about a run at its end.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it consisted of.
    pub options: Options,
    /// How the books come out.
    pub balance: Balance,
    /// How often each fault was injected; most spoil several requests.
    pub injected: BTreeMap<&'static str, u64>,
    /// Batches of hub events that the host gave up, by reason.
    pub batches_given_up: BTreeMap<String, u64>,
    /// How often the handler was killed and started again.
    pub restarts: usize,
    /// Whether everything parked had its time; if not, the balance is right and shows less.
    pub is_drained: bool,
    /// Time for all messages and changes.
    pub driven: Duration,
    /// Time in all.
    pub took: Duration,
}

impl Report {
    /// Names of faults become text.
    pub(super) fn named(counts: &BTreeMap<Name, u64>) -> BTreeMap<&'static str, u64> {
        counts.iter().map(|(name, count)| (name.text(), *count)).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { options, balance, .. } = self;
        for breach in &balance.first_breaches {
            writeln!(formatter, "seed {}: {breach}", options.seed)?;
        }
        let Options { uplinks, events, devices, hosts, seed, delivery, .. } = options;
        writeln!(
            formatter,
            "seed {seed}: {uplinks} uplinks and {events} hub changes over {devices} devices, {hosts} hosts, by {}",
            delivery.name()
        )?;
        let seconds = self.driven.as_secs_f64();
        let rate = |count: u32| f64::from(count) / seconds;
        let drained = if self.is_drained { "drained" } else { "not drained" };
        writeln!(
            formatter,
            "  rates: {:.0} uplinks/s, {:.0} events/s over {seconds:.1} s; {:.1} s in all, {drained}",
            rate(*uplinks),
            rate(*events),
            self.took.as_secs_f64()
        )?;
        writeln!(formatter, "  answers: {}", listed(&balance.answers))?;
        writeln!(formatter, "  faults injected: {}", listed(&self.injected))?;
        writeln!(formatter, "  requests spoiled: {}", listed(&balance.met))?;
        let Balance { duplicate_messages, repeated_events, overtaken, raced_events, corrections, .. } = balance;
        writeln!(
            formatter,
            "  restarts: {}; duplicate messages: {duplicate_messages}; repeated events: {repeated_events}; overtaken \
             events: {overtaken}; raced events: {raced_events}; corrections: {corrections}",
            self.restarts
        )?;
        if *delivery == Delivery::Api {
            writeln!(formatter, "  {}", balance.downlinks)?;
        }
        writeln!(formatter, "  batches given up by the host: {}", listed(&self.batches_given_up))?;
        if !balance.is_even() {
            writeln!(formatter, "  BREACHES: {}", listed(&balance.breaches))?;
        }
        write!(formatter, "{balance}")
    }
}

fn listed<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    match counts.is_empty() {
        true => "none".to_owned(),
        false => counts.iter().map(|(name, count)| format!("{name} × {count}")).collect::<Vec<_>>().join(", "),
    }
}
