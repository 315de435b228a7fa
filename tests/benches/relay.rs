//! What the handler costs beside a bare relay that gets the same bytes and sends the same body, and nothing else:
//! `cargo bench -p local --bench relay [-- <rounds> <uplinks per round>]`. It prints the bars and asserts none.

#[path = "relay/bare.rs"]
mod bare;
#[path = "relay/load.rs"]
mod load;
#[path = "relay/process.rs"]
mod process;
#[path = "relay/sink.rs"]
mod sink;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use local::stage::{StageOptions, stage};
use local::tls::CertificateAuthority;
use serde_json::Value;

use load::{Load, envelope_of, median};
use process::Process;
use sink::Sink;

/// How often the handler is started for the time to its first answer.
const STARTS: usize = 11;

/// What of invocations the host may have under way at once.
const CONNECTIONS: usize = 32;

/// Devices that take turns.
const DEVICES: usize = 1_000;

/// Shown beside the figures.
const BARS: [&str; 4] = ["≤ 1.25", "≤ 20 ms", "≤ 20 MB", "≤ 10 MB"];

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [first, rest @ ..] = arguments.as_slice()
        && first == bare::COMMAND
    {
        return bare::serve(rest);
    }
    let number = |index: usize, default| arguments.get(index).map_or(Ok(default), |text| text.parse());
    let (rounds, uplinks) = (number(0, 7)?, number(1, 20_000)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(measure(rounds, uplinks))?;
    std::io::stdout().write_all(report.as_bytes())?;
    Ok(())
}

async fn measure(rounds: usize, uplinks: usize) -> Result<String, Failure> {
    let staged = stage(&StageOptions { release: true, ..StageOptions::default() })?;
    let authority = CertificateAuthority::generate()?;
    let folder = tempfile::tempdir()?;
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem())?;
    let sink = Sink::start(&authority).await?;

    let mut starts = Vec::new();
    for _ in 1..STARTS {
        starts.push(handler(&staged.handler, &ca_file, sink.port()).await?.first_answer);
    }
    let handler = handler(&staged.handler, &ca_file, sink.port()).await?;
    starts.push(handler.first_answer);
    let uplink: Value = serde_json::from_str(include_str!("../fixtures/tts/uplink_message.json"))?;
    let envelopes = (0..DEVICES).map(|number| envelope_of(&uplink, &format!("sensor-{number:04}")));
    let load = Load::new(envelopes, CONNECTIONS);
    load.run(handler.port, 1).await?;
    let body_file = folder.path().join("body.json");
    std::fs::write(&body_file, sink.last_body())?;
    let relay = relay(&ca_file, sink.port(), &body_file).await?;
    let comparison = compare(&load, [&handler, &relay], rounds, uplinks).await?;

    let mut report = comparison;
    let start = median(starts.iter().map(Duration::as_secs_f64)) * 1_000.0;
    let megabytes = |bytes: u64| bytes as f64 / 1_000_000.0;
    let memory = megabytes(handler.resident_bytes()?);
    let size = megabytes(std::fs::metadata(&staged.handler)?.len());
    writeln!(report, "start to first answer   {start:8.1} ms   bar {}   (median of {STARTS})", BARS[1])?;
    writeln!(report, "resident after load     {memory:8.1} MB   bar {}", BARS[2])?;
    writeln!(report, "binary                  {size:8.1} MB   bar {}", BARS[3])?;
    Ok(report)
}

/// Both get the same load by turns, and each goes first every other round.
async fn compare(load: &Load, both: [&Process; 2], rounds: usize, uplinks: usize) -> Result<String, Failure> {
    for process in both {
        load.run(process.port, uplinks / 4).await?;
    }
    let mut report = format!("CPU per uplink, user + system, {uplinks} uplinks a round\n");
    writeln!(report, "round    handler µs  relay µs   ratio   handler/s   relay/s")?;
    let mut figures = Vec::new();
    for round in 0..rounds {
        let mut costs = [(0.0, 0.0); 2];
        for index in [round % 2, 1 - round % 2] {
            let before = both[index].cpu()?;
            let took = load.run(both[index].port, uplinks).await?;
            let micros = (both[index].cpu()? - before).as_secs_f64() * 1e6 / uplinks as f64;
            costs[index] = (micros, uplinks as f64 / took.as_secs_f64());
        }
        let [(handler, handler_rate), (relay, relay_rate)] = costs;
        let ratio = handler / relay;
        writeln!(
            report,
            "{round:5}    {handler:10.1}  {relay:8.1}  {ratio:6.2}  {handler_rate:10.0}  {relay_rate:8.0}"
        )?;
        figures.push((handler, relay, ratio));
    }
    let handler = median(figures.iter().map(|figures| figures.0));
    let relay = median(figures.iter().map(|figures| figures.1));
    let ratio = median(figures.iter().map(|figures| figures.2));
    writeln!(report, "median   {handler:10.1}  {relay:8.1}  {ratio:6.2}  bar {}", BARS[0])?;
    Ok(report)
}

async fn handler(executable: &Path, ca_file: &Path, hub_port: u16) -> Result<Process, Failure> {
    let mut command = Command::new(executable);
    let key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    command
        .env_clear()
        .env("IOT_HUB_CONNECTION_STRING", format!("HostName=localhost;SharedAccessKeyName=p;SharedAccessKey={key}"))
        .env("IOT_HUB_HTTPS_PORT", hub_port.to_string())
        .env("IOT_HUB_CA_FILE", ca_file)
        .env("TTS_BASE_URL", "http://localhost:1/api/v3")
        .env("TTS_APPLICATION_ID", "plant-a")
        .env("TTS_API_KEY", "NNSXS.BENCH.BENCH")
        .env("WEBHOOK_TWIN_TYPES", "none");
    Process::start(command).await
}

async fn relay(ca_file: &Path, sink_port: u16, body_file: &Path) -> Result<Process, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(bare::COMMAND).arg(ca_file).arg(sink_port.to_string()).arg(body_file);
    Process::start(command).await
}
