//! The command `dead-letters`: what could not be delivered, seen and put right by a person.

mod change;
mod failure;
mod indented;
mod list;
mod queues;
mod retry;
mod row;
mod show;
mod table;
#[cfg(test)]
mod tests;
mod walk;

use std::io::{self, Write};

use clap::{Args, Subcommand};

use crate::http;
use crate::settings::StorageSettings;
use crate::storage_queue::QueueService;
use change::{Change, Job, Wanted};
use failure::{Failure, Outcome};
use queues::Queues;

/// What to do with messages that could not be delivered. The settings of the storage account and of the queues' names
/// are the function app's, taken from the environment.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Lists all messages of a queue.
    List(List),
    /// Shows one message whole, its original decompressed.
    Show(Show),
    /// Puts messages back into the queue `parked`, to be delivered again. Without --yes it only says what it would do.
    Retry(Retry),
    /// Deletes messages for good. Without --yes it only says what it would do.
    Delete(Delete),
}

#[derive(Debug, Args)]
struct In {
    /// The queue: dead-letter, parked, parked-poison (given up by the Functions host), or any queue's name.
    #[arg(long, default_value = "dead-letter")]
    queue: String,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    from: In,
    /// One JSON document instead of a table.
    #[arg(long)]
    json: bool,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The message's id as `list` shows it.
    id: String,
    #[command(flatten)]
    from: In,
}

/// Arguments of `retry`.
#[derive(Debug, Args)]
pub struct Retry {
    /// The messages' ids as `list` shows them.
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// All messages of the queue.
    #[arg(long)]
    all: bool,
    /// Of all, only those of this device.
    #[arg(long, requires = "all", conflicts_with = "ids")]
    device: Option<String>,
    #[command(flatten)]
    from: In,
    /// Does it.
    #[arg(long)]
    yes: bool,
}

/// Arguments of `delete`.
#[derive(Debug, Args)]
pub struct Delete {
    /// The messages' ids as `list` shows them.
    #[arg(required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    from: In,
    /// Does it.
    #[arg(long)]
    yes: bool,
}

/// Runs the command and returns its exit code: 0 done, 1 something failed, 64 wrong settings, 66 no such message.
pub fn run(command: Command) -> u8 {
    let outcome = start(command, &mut io::stdout());
    if let Err(failure) = &outcome {
        // Nobody can be told when stderr is gone as well; the exit code remains.
        let _ = writeln!(io::stderr(), "{failure}");
    }
    outcome.map_or_else(|failure| failure.exit_code(), Outcome::exit_code)
}

fn start(command: Command, out: &mut dyn Write) -> Result<Outcome, Failure> {
    let settings = StorageSettings::from_env().map_err(Failure::Settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|reason| Failure::Start(format!("cannot start the runtime: {reason}")))?;
    runtime.block_on(async {
        let tls = http::tls_config(Vec::new()).map_err(|reason| Failure::Start(reason.to_string()))?;
        let client = http::client(tls).map_err(|reason| Failure::Start(reason.to_string()))?;
        let service = QueueService::open(client, settings.account).await.map_err(Failure::Start)?;
        let (parked, dead_letter) = (settings.parked_queue_name, settings.dead_letter_queue_name);
        execute(command, &Queues::new(service, &parked, &dead_letter), out).await
    })
}

async fn execute(command: Command, queues: &Queues, out: &mut dyn Write) -> Result<Outcome, Failure> {
    match command {
        Command::List(List { from, json }) => list::list(&queues.named(&from.queue)?, json, out).await,
        Command::Show(Show { id, from }) => show::show(&queues.named(&from.queue)?, &id, out).await,
        Command::Retry(Retry { ids, all, device, from, yes }) => {
            let (queue, parked) = (queues.named(&from.queue)?, queues.parked());
            if queue.name == parked.name {
                return Err(Failure::Usage(format!(
                    "--queue: found {}, where messages are tried again anyway; expected the queue to take them from",
                    parked.name
                )));
            }
            let wanted = if all { Wanted::All { device } } else { Wanted::Ids(ids) };
            Job { change: Change::Retry { parked }, queue, wanted, is_real: yes }.run(out).await
        }
        Command::Delete(Delete { ids, from, yes }) => {
            let queue = queues.named(&from.queue)?;
            Job { change: Change::Delete, queue, wanted: Wanted::Ids(ids), is_real: yes }.run(out).await
        }
    }
}
