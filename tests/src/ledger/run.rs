//! One run from start to balance.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use time::OffsetDateTime;
use tokio::task::JoinSet;

use super::api::BothSides;
use super::books::Books;
use super::drain::drain;
use super::fault::ANSWER_WITHIN;
use super::plan::Plan;
use super::report::Report;
use super::secrets::Secrets;
use super::traffic::Traffic;
use super::uplink::{Sender, device_id};
use super::watcher::{HUB_EVENTS, Watcher};
use super::{Delivery, Options, fault};
use crate::storage_queue::Queues;
use crate::system::{self, POLICY, StartError, System, WEBHOOK_SECRET, Watch};
use crate::tts::{self, RateLimit, Server};

/// A second takes so long in the queues: five minutes of hiding take three seconds.
const QUEUE_TIME_SCALE: f64 = 0.01;

/// A second takes so long between the tries of a batch.
const RETRY_TIME_SCALE: f64 = 0.01;

/// The handler's budget when nothing goes wrong, just below what The Things Stack waits.
const MOST_ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Logs are watched so long.
const LONGEST_RUN: Duration = Duration::from_hours(24);

/// Requests of one method that one server of The Things Stack takes.
const RATE_LIMIT: RateLimit = RateLimit { count: 300, per: Duration::from_secs(1) };

/// Downlinks that one device's queue takes.
const QUEUE_CAPACITY: usize = 6;

/// Requests, invocations and log lines kept.
const HISTORY: usize = 20_000;

/// Runs everything against the handler staged in `script_root`.
///
/// # Errors
/// When the system does not start.
pub async fn run(options: Options, script_root: PathBuf) -> Result<Report, StartError> {
    let books = Arc::new(Books::new(&options));
    let last_try = last_try(&script_root);
    let system = Arc::new(System::start_staged(system_options(&options, &books), script_root).await?);
    let sender = sender(&options, &system);
    books.guard(all_secrets(&sender.secrets, &system));
    let began = Instant::now();
    let mut watcher = Watcher::new(&books, &system, options.progress, last_try);
    let mut traffic = Traffic::new(books.clone(), system.clone(), sender);
    let mut logs = watch_logs(&books, &system);
    tokio::select! {
        () = traffic.drive(Plan::new(&options)) => {}
        never = watcher.watch() => match never {},
    }
    fault::clear(&system);
    let driven = began.elapsed();
    let life = (options.delivery == Delivery::Api).then_some(&traffic.life);
    let is_drained = drain(&mut watcher, &books, life, options.drain_limit).await;
    if let Some(device) = options.lose_registration_of {
        system.tts.remove_device(Server::Network, system.tts.application_id(), &device_id(device));
    }
    logs.shutdown().await;
    let restarts = watcher.restarts();
    check_restarts(&books, restarts, traffic.kills);
    watcher.look_at_everything().await;
    let report = Report {
        balance: books.balance(|device| both_sides(&system, device), watcher.held()),
        injected: Report::named(&traffic.injected),
        batches_given_up: watcher.batches_given_up(),
        options,
        restarts,
        is_drained,
        driven,
        took: began.elapsed(),
    };
    drop((traffic, watcher));
    stop(system).await;
    Ok(report)
}

fn check_restarts(books: &Books, restarts: usize, kills: usize) {
    if restarts != kills {
        books.breach("ended", format!("{restarts} restarts of the handler, but it was killed {kills} times"));
    }
}

fn both_sides(system: &System, device: u32) -> BothSides {
    let (id, tts) = (device_id(device), &system.tts);
    BothSides { twin: system.iot_hub.twin(&id), device: tts.device(tts.application_id(), &id) }
}

async fn stop(system: Arc<System>) {
    if let Some(system) = Arc::into_inner(system) {
        system.stop_hosts().await;
    }
}

fn system_options(options: &Options, books: &Arc<Books>) -> system::Options {
    // A busy machine is no fault.
    let answer_within = if options.calm { MOST_ANSWER_WITHIN } else { ANSWER_WITHIN };
    let settings = [
        ("WEBHOOK_ANSWER_WITHIN_SECONDS", answer_within.as_secs().to_string()),
        ("IOT_HUB_REGISTRY_CALLS_PER_MINUTE", "100000".to_owned()),
        ("TTS_DELIVERY", options.delivery.name().to_owned()),
        ("WEBHOOK_TWIN_TYPES", "none".to_owned()),
    ];
    let tts = tts::Options {
        rate_limit: (!options.calm).then_some(RATE_LIMIT),
        downlink_queue_capacity: QUEUE_CAPACITY,
        ..tts::Options::default()
    };
    system::Options {
        tts,
        settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        retry_time_scale: RETRY_TIME_SCALE,
        queues: Queues::in_memory_observed(QUEUE_TIME_SCALE, books.clone()),
        restart_limit: usize::MAX,
        further_hosts: options.hosts.saturating_sub(1),
        watch: Watch {
            event_hub: Some(books.clone()),
            iot_hub: Some(books.clone()),
            tts: Some(books.clone()),
            history: HISTORY,
        },
        ..system::Options::default()
    }
}

#[expect(clippy::disallowed_methods, reason = "messages are received now")]
fn sender(options: &Options, system: &System) -> Sender {
    Sender {
        seed: options.seed,
        devices: options.devices,
        application_id: system.tts.application_id().to_owned(),
        secrets: Secrets::new(options.seed),
        began: OffsetDateTime::now_utc(),
    }
}

fn all_secrets(keys: &Secrets, system: &System) -> Secrets {
    let mut secrets = keys.clone();
    secrets.add("the API key", system.tts.api_key());
    secrets.add("the webhook secret", WEBHOOK_SECRET);
    secrets.add("the function key", system.host.function_key());
    let connection_string = system.iot_hub.connection_string(POLICY);
    if let Some((_, key)) = connection_string.split_once("SharedAccessKey=") {
        secrets.add("the SAS key", key);
    }
    secrets
}

/// Looks for secrets in every line the handlers write.
fn watch_logs(books: &Arc<Books>, system: &Arc<System>) -> JoinSet<()> {
    let mut logs = JoinSet::new();
    for index in 0..=system.further.len() {
        let (books, system) = (books.clone(), system.clone());
        logs.spawn(async move {
            let Some((host, _)) = system.hosts().nth(index) else { return };
            if let Ok(line) = host.wait_for_log(|line| books.has_secret(line), LONGEST_RUN).await {
                books.inspect("the handler's log", &line.text);
            }
        });
    }
    logs
}

/// The number of a batch's last retry; there is none if `hub_events` is tried for ever.
fn last_try(script_root: &Path) -> u32 {
    let text = std::fs::read(script_root.join(HUB_EVENTS).join("function.json")).unwrap_or_default();
    let function: Value = serde_json::from_slice(&text).unwrap_or_default();
    let count = function["retry"]["maxRetryCount"].as_i64().unwrap_or(0);
    u32::try_from(count).unwrap_or(u32::MAX)
}
