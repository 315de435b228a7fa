//! What telemetry and a twin update cost beside the official Node SDK that connects for each uplink:
//! `cargo bench -p local --bench twins [-- [tls13] <rounds> <uplinks per round>]`. It prints the bars and asserts none, but
//! fails if cold connections do not resume TLS sessions. Hubs speak TLS 1.2; `tls13` is for those that are ahead.
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
use std::time::Duration;

use local::stage::{StageOptions, stage};
use local::tts::messages::Device;

use hub::{Hub, device_id};
use load::{Load, envelope_of, median};
use process::Process;

/// The SDK takes so many fewer uplinks in a round: it is slower by more than that.
const SDK_SHARE: usize = 10;

/// So many of a hundred cold connections have to resume a session; those begun before there was one cannot.
const RESUMED_PERCENT: usize = 90;

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
    let (mode, numbers) = match arguments.split_first() {
        Some((first, rest)) if first.parse::<usize>().is_err() => (first.as_str(), rest),
        _ => ("", arguments.as_slice()),
    };
    let number = |index: usize, default| numbers.get(index).map_or(Ok(default), |text| text.parse());
    let report = match mode {
        "two-hosts" => runtime.block_on(two_hosts::run(number(0, 10_000)?, number(1, 200)?))?,
        "tls13" | "" => runtime.block_on(measure(number(0, 5)?, number(1, 2_000)?, mode == "tls13"))?,
        other => return Err(format!("found '{other}', expected two-hosts, tls13 or numbers").into()),
    };
    std::io::stdout().write_all(report.as_bytes())?;
    Ok(())
}

/// Who does the job.
struct Sides {
    handler: Process,
    /// The handler without twin updates: what is left of the cost if those cost nothing.
    telemetry: Process,
    sdk: Result<Process, Failure>,
}

async fn measure(rounds: usize, uplinks: usize, has_tls13: bool) -> Result<String, Failure> {
    let staged =
        tokio::task::spawn_blocking(|| stage(&StageOptions { release: true, ..StageOptions::default() })).await??;
    let hub = Hub::start(uplinks.max(WARM_UP), has_tls13).await?;
    let sides = Sides {
        handler: handler(&staged.handler, &hub, "all").await?,
        telemetry: handler(&staged.handler, &hub, "none").await?,
        sdk: sdk(&hub).await,
    };
    let cold = Pattern { name: "cold: one uplink per device", bar: "≤ 1/20", devices: uplinks, connections: 32 };
    let burst = Pattern { name: "bursts: eight devices", bar: "≤ 1/50", devices: 8, connections: 8 };
    let tls = if has_tls13 { "1.3" } else { "1.2" };
    let mut report = format!("CPU per uplink with its twin update, TLS {tls}, {uplinks} uplinks a round\n");
    let warm_up = Pattern { devices: WARM_UP, ..cold };
    run(&hub, &sides.handler, &warm_up, WARM_UP, 1).await?;
    run(&hub, &sides.telemetry, &warm_up, WARM_UP, 0).await?;
    if let Ok(sdk) = &sides.sdk {
        run(&hub, sdk, &warm_up, WARM_UP, 1).await?;
    }
    if let Err(reason) = &sides.sdk {
        writeln!(report, "official Node SDK: not measured: {reason}")?;
    }
    let [connects, resumed] = compare(&hub, &sides, (&cold, rounds, uplinks), &mut report).await?;
    if resumed * 100 < connects * RESUMED_PERCENT {
        return Err(format!("{report}\nonly {resumed} of {connects} connections resumed a TLS session").into());
    }
    compare(&hub, &sides, (&burst, rounds, uplinks), &mut report).await?;
    let megabytes = sides.handler.resident_bytes()? as f64 / 1_000_000.0;
    let start = sides.handler.first_answer.as_secs_f64() * 1_000.0;
    writeln!(report, "handler: resident after load {megabytes:.1} MB, start to first answer {start:.1} ms")?;
    Ok(report)
}

/// What one round of one side cost and did.
#[derive(Default)]
struct Cost {
    micros: f64,
    /// Part of it that the kernel took.
    system: f64,
    per_second: f64,
    connects: usize,
    resumed: usize,
}

/// One round of each side.
async fn side_by_side(
    hub: &Hub,
    sides: &Sides,
    pattern: &Pattern,
    uplinks: usize,
    is_handler_first: bool,
) -> Result<[Cost; 3], Failure> {
    let mut costs = [const { None }; 3];
    for side in if is_handler_first { [0, 1, 2] } else { [2, 1, 0] } {
        costs[side] = match (side, &sides.sdk) {
            (0, _) => Some(run(hub, &sides.handler, pattern, uplinks, 1).await?),
            (1, _) => Some(run(hub, &sides.telemetry, pattern, uplinks, 0).await?),
            (_, Ok(sdk)) => Some(run(hub, sdk, pattern, uplinks.div_ceil(SDK_SHARE), 1).await?),
            (_, Err(_)) => None,
        };
    }
    Ok(costs.map(Option::unwrap_or_default))
}

/// All sides by turns; the first and the last change places every other round. How many connections the handler made,
/// and how many of them resumed a session.
async fn compare(
    hub: &Hub,
    sides: &Sides,
    (pattern, rounds, uplinks): (&Pattern, usize, usize),
    report: &mut String,
) -> Result<[usize; 2], Failure> {
    writeln!(report, "\n{}", pattern.name)?;
    writeln!(
        report,
        "round  handler µs (system)  telemetry only     SDK µs  SDK/handler  handler/s  SDK/s  connects resumed"
    )?;
    let (mut figures, mut connects, mut resumed) = (Vec::new(), 0, 0);
    for round in 0..rounds {
        let [own, telemetry, theirs] = side_by_side(hub, sides, pattern, uplinks, round % 2 == 0).await?;
        let ratio = theirs.micros / own.micros;
        writeln!(
            report,
            "{round:5}  {:10.1} {:8.1}  {:14.1}  {:9.1}  {ratio:11.1}  {:9.0}  {:5.0}  {:8} {:7}",
            own.micros,
            own.system,
            telemetry.micros,
            theirs.micros,
            own.per_second,
            theirs.per_second,
            own.connects,
            own.resumed,
        )?;
        connects += own.connects;
        resumed += own.resumed;
        figures.push([own.micros, own.system, telemetry.micros, theirs.micros, ratio]);
    }
    let [own, system, telemetry, theirs, ratio] =
        [0, 1, 2, 3, 4].map(|index| median(figures.iter().map(|figures| figures[index])));
    writeln!(
        report,
        "median {own:10.1} {system:8.1}  {telemetry:14.1}  {theirs:9.1}  {ratio:11.1}  = 1/{ratio:.1}, bar {}",
        pattern.bar
    )?;
    Ok([connects, resumed])
}

/// One round of one side, up to the end of its last connection. Every uplink has to arrive, and to be reported so often.
async fn run(hub: &Hub, process: &Process, pattern: &Pattern, uplinks: usize, reports: usize) -> Result<Cost, Failure> {
    let envelopes = (0..uplinks).map(|number| {
        let device_id = device_id(number % pattern.devices);
        let f_cnt = u32::try_from(number / pattern.devices).unwrap_or(u32::MAX);
        envelope_of(&Device::new("plant-a", &device_id).uplink(2, f_cnt, &[1, 2, 3]), &device_id)
    });
    let load = Load::new(envelopes, pattern.connections);
    let connections = hub.iot_hub.mqtt_connections();
    let [messages, updates] = hub.taken();
    let [user, system] = process.cpu()?;
    let took = load.run(process.port, uplinks).await?;
    hub.deserted().await;
    let now = process.cpu()?;
    let micros = |cpu: Duration| cpu.as_secs_f64() * 1e6 / uplinks as f64;
    if hub.taken() != [messages + uplinks, updates + uplinks * reports] {
        return Err(format!("{:?} of {uplinks} messages and updates, from {messages}, {updates}", hub.taken()).into());
    }
    let made = hub.iot_hub.mqtt_connections();
    Ok(Cost {
        micros: micros(now[0] + now[1] - user - system),
        system: micros(now[1] - system),
        per_second: uplinks as f64 / took.as_secs_f64(),
        connects: made.accepted - connections.accepted,
        resumed: made.resumed - connections.resumed,
    })
}

async fn handler(executable: &Path, hub: &Hub, twin_types: &str) -> Result<Process, Failure> {
    let mut command = Command::new(executable);
    command
        .env_clear()
        .env("IOT_HUB_CONNECTION_STRING", hub.iot_hub.connection_string("iothubowner"))
        .env("IOT_HUB_HTTPS_PORT", hub.iot_hub.https_port().to_string())
        .env("IOT_HUB_MQTT_PORT", hub.iot_hub.mqtt_port().to_string())
        .env("IOT_HUB_CA_FILE", hub.ca_file())
        .env("IOT_HUB_CONNECTIONS_PER_SECOND", "100000")
        .env("IOT_HUB_TWIN_UPDATES_PER_SECOND", "100000")
        .env("TTS_BASE_URL", "http://localhost:1/api/v3")
        .env("TTS_APPLICATION_ID", "plant-a")
        .env("TTS_API_KEY", "NNSXS.BENCH.BENCH")
        .env("WEBHOOK_TWIN_TYPES", twin_types);
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
