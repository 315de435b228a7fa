//! What telemetry and a twin update cost beside the official Node SDK that connects for each uplink:
//! `cargo bench -p local --bench twins [-- <rounds> <uplinks per round>]`. It prints the bars and asserts none.
//!
//! `cargo bench -p local --bench twins -- two-hosts [<uplinks> <devices>]` sends the uplinks of the same devices through
//! two handlers and says whether messages are missing and whether twins show the newest.

#[path = "twins/hub.rs"]
mod hub;
#[path = "relay/load.rs"]
mod load;
#[path = "relay/process.rs"]
mod process;
#[path = "twins/two_hosts.rs"]
mod two_hosts;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use local::stage::{StageOptions, stage};
use local::tts::messages::Device;

use hub::{Hub, device_id};
use load::{Load, envelope_of, median};
use process::Process;

/// The SDK takes so many fewer uplinks in a round: it is slower by more than that.
const SDK_SHARE: usize = 10;

/// What either side does before it is measured.
const WARM_UP: usize = 300;

type Failure = Box<dyn Error + Send + Sync>;

/// How uplinks come.
struct Pattern {
    name: &'static str,
    bar: &'static str,
    /// Devices that take turns; at least as many as connections, so that no device has two uplinks at once.
    devices: usize,
    connections: usize,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (is_two_hosts, numbers) = match arguments.split_first() {
        Some((first, rest)) if first == "two-hosts" => (true, rest),
        _ => (false, arguments.as_slice()),
    };
    let number = |index: usize, default| numbers.get(index).map_or(Ok(default), |text| text.parse());
    let report = match is_two_hosts {
        true => runtime.block_on(two_hosts::run(number(0, 10_000)?, number(1, 200)?))?,
        false => runtime.block_on(measure(number(0, 5)?, number(1, 2_000)?))?,
    };
    std::io::stdout().write_all(report.as_bytes())?;
    Ok(())
}

async fn measure(rounds: usize, uplinks: usize) -> Result<String, Failure> {
    let staged =
        tokio::task::spawn_blocking(|| stage(&StageOptions { release: true, ..StageOptions::default() })).await??;
    let hub = Hub::start(uplinks.max(WARM_UP)).await?;
    let handler = handler(&staged.handler, &hub).await?;
    let sdk = sdk(&hub).await;
    let cold = Pattern { name: "cold: one uplink per device", bar: "≤ 1/20", devices: uplinks, connections: 32 };
    let burst = Pattern { name: "bursts: eight devices", bar: "≤ 1/50", devices: 8, connections: 8 };
    let mut report = format!("CPU per uplink with its twin update, user + system, {uplinks} uplinks a round\n");
    if let Err(reason) = &sdk {
        writeln!(report, "official Node SDK: not measured: {reason}")?;
    }
    let warm_up = Pattern { devices: WARM_UP, ..cold };
    run(&hub, &handler, &warm_up, WARM_UP).await?;
    if let Ok(sdk) = &sdk {
        run(&hub, sdk, &warm_up, WARM_UP).await?;
    }
    for pattern in [cold, burst] {
        compare(&hub, &handler, sdk.as_ref().ok(), (&pattern, rounds, uplinks), &mut report).await?;
    }
    let megabytes = handler.resident_bytes()? as f64 / 1_000_000.0;
    let start = handler.first_answer.as_secs_f64() * 1_000.0;
    writeln!(report, "handler: resident after load {megabytes:.1} MB, start to first answer {start:.1} ms")?;
    Ok(report)
}

/// What one round of one side cost and did.
struct Cost {
    micros: f64,
    per_second: f64,
    connects: usize,
    resumed: usize,
}

/// Both sides by turns; each goes first every other round.
async fn compare(
    hub: &Hub,
    handler: &Process,
    sdk: Option<&Process>,
    (pattern, rounds, uplinks): (&Pattern, usize, usize),
    report: &mut String,
) -> Result<(), Failure> {
    writeln!(report, "\n{}", pattern.name)?;
    writeln!(
        report,
        "round  handler µs    SDK µs  SDK/handler  handler/s   SDK/s   connects resumed   SDK connects resumed"
    )?;
    let mut figures = Vec::new();
    for round in 0..rounds {
        let (mut own, mut theirs) = (None, None);
        for is_own in [round % 2 == 0, round % 2 != 0] {
            match (is_own, sdk) {
                (true, _) => own = Some(run(hub, handler, pattern, uplinks).await?),
                (false, Some(sdk)) => theirs = Some(run(hub, sdk, pattern, uplinks.div_ceil(SDK_SHARE)).await?),
                (false, None) => {}
            }
        }
        let nothing = || Cost { micros: f64::NAN, per_second: f64::NAN, connects: 0, resumed: 0 };
        let (own, theirs) = (own.unwrap_or_else(nothing), theirs.unwrap_or_else(nothing));
        let ratio = theirs.micros / own.micros;
        writeln!(
            report,
            "{round:5}  {:10.1}  {:8.1}  {ratio:11.1}  {:9.0}  {:6.0}  {:9} {:7}  {:13} {:7}",
            own.micros,
            theirs.micros,
            own.per_second,
            theirs.per_second,
            own.connects,
            own.resumed,
            theirs.connects,
            theirs.resumed
        )?;
        figures.push([own.micros, theirs.micros, ratio]);
    }
    let [own, theirs, ratio] = [0, 1, 2].map(|index| median(figures.iter().map(|figures| figures[index])));
    writeln!(report, "median {own:10.1}  {theirs:8.1}  {ratio:11.1}  = 1/{ratio:.1}, bar {}", pattern.bar)?;
    Ok(())
}

/// One round of one side, up to the end of its last connection. Every uplink has to arrive and to be reported.
async fn run(hub: &Hub, process: &Process, pattern: &Pattern, uplinks: usize) -> Result<Cost, Failure> {
    let envelopes = (0..uplinks).map(|number| {
        let device_id = device_id(number % pattern.devices);
        let f_cnt = u32::try_from(number / pattern.devices).unwrap_or(u32::MAX);
        envelope_of(&Device::new("plant-a", &device_id).uplink(2, f_cnt, &[1, 2, 3]), &device_id)
    });
    let load = Load::new(envelopes, pattern.connections);
    let connections = hub.iot_hub.mqtt_connections();
    let [messages, updates] = hub.taken();
    let cpu = process.cpu()?;
    let took = load.run(process.port, uplinks).await?;
    hub.deserted().await;
    let micros = (process.cpu()? - cpu).as_secs_f64() * 1e6 / uplinks as f64;
    if hub.taken() != [messages + uplinks, updates + uplinks] {
        return Err(format!("{:?} of {uplinks} messages and updates, from {messages}, {updates}", hub.taken()).into());
    }
    let now = hub.iot_hub.mqtt_connections();
    Ok(Cost {
        micros,
        per_second: uplinks as f64 / took.as_secs_f64(),
        connects: now.accepted - connections.accepted,
        resumed: now.resumed - connections.resumed,
    })
}

async fn handler(executable: &Path, hub: &Hub) -> Result<Process, Failure> {
    let mut command = Command::new(executable);
    command
        .env_clear()
        .env("IOT_HUB_CONNECTION_STRING", hub.iot_hub.connection_string("iothubowner"))
        .env("IOT_HUB_HTTPS_PORT", hub.iot_hub.https_port().to_string())
        .env("IOT_HUB_MQTT_PORT", hub.iot_hub.mqtt_port().to_string())
        .env("IOT_HUB_CA_FILE", hub.ca_file())
        .env("IOT_HUB_CONNECTION_IDLE_SECONDS", "1")
        .env("IOT_HUB_CONNECTIONS_PER_SECOND", "100000")
        .env("IOT_HUB_TWIN_UPDATES_PER_SECOND", "100000")
        .env("TTS_BASE_URL", "http://localhost:1/api/v3")
        .env("TTS_APPLICATION_ID", "plant-a")
        .env("TTS_API_KEY", "NNSXS.BENCH.BENCH")
        .env("WEBHOOK_TWIN_TYPES", "all");
    Process::start(command).await
}

/// The official SDK as installed for the checks of the stand-in.
async fn sdk(hub: &Hub) -> Result<Process, Failure> {
    if !hub.is_on_the_sdks_port() {
        return Err("it connects to port 8883, which is taken or not ours to take".into());
    }
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = package.join("sdk/node_modules");
    if !modules.is_dir() {
        return Err("`npm ci` in tests/sdk (or tests/sdk/run) installs it".into());
    }
    let mut command = Command::new("node");
    command
        .arg(package.join("benches/twins/sdk.js"))
        .arg(hub.devices_file())
        .env("NODE_PATH", modules)
        .env("NODE_EXTRA_CA_CERTS", hub.ca_file());
    Process::start(command).await.map_err(|reason| format!("no node: {reason}").into())
}
