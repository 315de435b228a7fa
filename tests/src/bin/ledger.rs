//! `cargo run --release --bin ledger`: proves on a run of any size that nothing acknowledged is lost.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::error::Error;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use local::ledger::{Delivery, Options, run};
use local::stage::{StageOptions, stage};
use local::system::StartError;

/// Sends uplinks and makes changes in IoT Hub while everything goes wrong that can, then makes up the books. Exits with
/// 0 only if everything acknowledged was delivered or is kept; else prints seed and history of what is not.
#[derive(Parser)]
struct Arguments {
    /// Webhook messages of The Things Stack.
    #[arg(long, default_value_t = 20_000)]
    uplinks: u32,
    /// Changes in IoT Hub, one event each.
    #[arg(long, default_value_t = 2_000)]
    events: u32,
    /// Devices that send and change.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    devices: u32,
    /// How the handler delivers changes.
    #[arg(long, default_value = "api", value_parser = delivery)]
    delivery: Delivery,
    /// Functions hosts that share webhooks and queues; the first one reads the Event Hub.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    hosts: u16,
    /// What is sent and goes wrong follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Several runs, one for each seed from the first to the last, e.g. `1..10`; the first breach ends them.
    #[arg(long, value_parser = seeds, conflicts_with = "seed")]
    seeds: Option<RangeInclusive<u64>>,
    /// Let nothing go wrong.
    #[arg(long)]
    calm: bool,
    /// Let the hub lose this uplink while it says that it has it, to see the books notice.
    #[arg(long)]
    lose: Option<u32>,
    /// Let The Things Stack lose this device's downlinks while it says that it has them.
    #[arg(long)]
    lose_downlinks_of: Option<u32>,
    /// Let the Network Server lose this device in the end.
    #[arg(long)]
    lose_registration_of: Option<u32>,
    /// Longest time for what is parked to be delivered once everything works again.
    #[arg(long, default_value_t = 300)]
    drain_seconds: u64,
    /// Say nothing until the end.
    #[arg(long)]
    quiet: bool,
    /// Run the handler as built for debugging.
    #[arg(long)]
    debug_handler: bool,
}

impl Arguments {
    fn options(&self, seed: u64) -> Options {
        Options {
            uplinks: self.uplinks,
            events: self.events,
            devices: self.devices,
            hosts: usize::from(self.hosts),
            seed,
            calm: self.calm,
            delivery: self.delivery,
            lose: self.lose,
            lose_downlinks_of: self.lose_downlinks_of,
            lose_registration_of: self.lose_registration_of,
            drain_limit: Duration::from_secs(self.drain_seconds),
            progress: (!self.quiet).then_some(|line| eprintln!("{line}")),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let script_root = match stage(&StageOptions { release: !arguments.debug_handler, ..StageOptions::default() }) {
        Ok(stage) => stage.script_root,
        Err(reason) => return failed(&reason),
    };
    for seed in arguments.seeds.clone().unwrap_or(arguments.seed..=arguments.seed) {
        match audit(&arguments, seed, script_root.clone()).await {
            Ok(true) => {}
            Ok(false) => return ExitCode::FAILURE,
            Err(reason) => return failed(&reason),
        }
    }
    ExitCode::SUCCESS
}

/// One run; says whether its books come out even.
async fn audit(arguments: &Arguments, seed: u64, script_root: PathBuf) -> Result<bool, StartError> {
    let report = run(arguments.options(seed), script_root).await?;
    println!("{report}");
    Ok(report.balance.is_even())
}

fn failed(reason: &dyn Error) -> ExitCode {
    let mut text = reason.to_string();
    let mut source = reason.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    eprintln!("{text}");
    ExitCode::FAILURE
}

fn delivery(text: &str) -> Result<Delivery, String> {
    let find = [Delivery::Api, Delivery::Package].into_iter().find(|delivery| delivery.name() == text);
    find.ok_or_else(|| "expected api or package".to_owned())
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once("..").ok_or("expected two seeds with .. in between")?;
    let seed = |text: &str| text.trim_start_matches('=').parse::<u64>().map_err(|error| format!("{text}: {error}"));
    Ok(seed(first)?..=seed(last)?)
}
