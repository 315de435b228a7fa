//! `cargo run --bin local`: the whole system on this machine, shown by a device's life from creation to deletion.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod walk;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use local::causes::with_causes;
use local::stage::{StageOptions, stage};
use local::storage_queue::Queues;
use local::system::{Options, StartError, System, WEBHOOK_SECRET};
use local::tts;
use serde_json::json;

use self::walk::{show_message, show_request, walk};

/// Starts IoT Hub, The Things Stack and Functions host stand-ins around the real handler, walks a device through its
/// life, then stays up. Needs no account and no internet.
#[derive(Parser)]
struct Arguments {
    /// Walk, check that everything arrived, and exit with 0 or 1. Takes any free ports.
    #[arg(long)]
    once: bool,
    /// Port of the Functions host, where webhooks arrive.
    #[arg(long, default_value_t = 7071)]
    functions_port: u16,
    /// Port of the IoT Hub stand-in's HTTPS API.
    #[arg(long, default_value_t = 8443)]
    iot_hub_port: u16,
    /// Port of the IoT Hub stand-in's MQTT device side.
    #[arg(long, default_value_t = 8883)]
    iot_hub_mqtt_port: u16,
    /// Port of The Things Stack stand-in's HTTP API.
    #[arg(long, default_value_t = 1885)]
    tts_port: u16,
    /// Open IoT Hub with a managed identity instead of a connection string.
    #[arg(long)]
    keyless: bool,
    /// Build and run the handler optimised.
    #[arg(long)]
    release: bool,
    /// Only build the handler and lay out the script root, for `func start --script-root`.
    #[arg(long, conflicts_with = "once")]
    stage: bool,
}

impl Arguments {
    fn options(&self) -> Options {
        let port = |port| if self.once { 0 } else { port };
        Options {
            functions_port: port(self.functions_port),
            iot_hub_port: port(self.iot_hub_port),
            iot_hub_mqtt_port: port(self.iot_hub_mqtt_port),
            tts: tts::Options { port: port(self.tts_port), ..tts::Options::default() },
            retry_time_scale: 1.0,
            queues: Queues::in_memory(),
            release: self.release,
            keyless: self.keyless,
            ..Options::default()
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.stage {
        return only_stage(arguments.release);
    }
    println!("Building the handler and starting the system …");
    let system = match System::start(arguments.options()).await {
        Ok(system) => system,
        Err(reason) => {
            eprintln!("{}{}", with_causes(&reason), advice(&reason));
            return ExitCode::FAILURE;
        }
    };
    if let Err(reason) = walk(&system).await {
        eprintln!("\nNot as it should be: {reason}");
        for line in system.host.logs() {
            eprintln!("handler: {}", line.text);
        }
        return ExitCode::FAILURE;
    }
    if !arguments.once {
        if let Err(reason) = describe(&system) {
            eprintln!("cannot write the root certificate: {reason}");
            return ExitCode::FAILURE;
        }
        stay_up(&system).await;
    }
    system.host.stop().await;
    ExitCode::SUCCESS
}

fn only_stage(release: bool) -> ExitCode {
    match stage(&StageOptions { release, ..StageOptions::default() }) {
        Ok(stage) => {
            println!("The script root is {}", stage.script_root.display());
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{}", with_causes(&reason));
            ExitCode::FAILURE
        }
    }
}

fn advice(reason: &StartError) -> &'static str {
    match reason {
        StartError::IotHub(_) | StartError::Tts(_) | StartError::Host(_) => {
            "\nIf a port is taken, choose others with --functions-port, --iot-hub-port, --iot-hub-mqtt-port and --tts-port."
        }
        StartError::Stage(_) | StartError::Tls(_) | StartError::Io(_) => "",
    }
}

/// Where everything is, and how to send something of one's own.
fn describe(system: &System) -> std::io::Result<()> {
    let ca_file = PathBuf::from("target").join("local-ca.pem");
    std::fs::create_dir_all("target")?;
    std::fs::copy(system.ca_file(), &ca_file)?;
    let (functions, key) = (system.host.url(), system.host.function_key());
    println!("\nThe system stays up until Ctrl-C.");
    println!("   Functions host    {functions}  (webhooks: {functions}/api/tts)");
    println!("   health            curl -s -H 'x-functions-key: {key}' {functions}/api/health");
    println!(
        "   IoT Hub           https://localhost:{}  (root certificate: {})",
        system.iot_hub.https_port(),
        ca_file.display()
    );
    println!("   IoT Hub, MQTT     mqtts://localhost:{}", system.iot_hub.mqtt_port());
    println!("   connection string {}", system.iot_hub.connection_string("iothubowner"));
    println!("   The Things Stack  {}", system.tts.base_url());
    println!("\nSend an uplink of your own:\n");
    println!(
        "curl -s -i {functions}/api/tts -H 'x-functions-key: {key}' -H 'X-Webhook-Secret: {WEBHOOK_SECRET}' -H 'Content-Type: application/json' -d '{}'\n",
        json!({
            "end_device_ids": {"device_id": "my-sensor", "application_ids": {"application_id": "plant-a"}},
            "received_at": "2026-11-21T10:00:00Z",
            "uplink_message": {"f_port": 1, "f_cnt": 1, "frm_payload": "AQID"},
        })
    );
    println!("A wrong X-Webhook-Secret answers 401 and says why; a wrong x-functions-key answers 401 with an empty");
    println!("body, as the Functions host does.");
    Ok(())
}

/// How often it is looked whether The Things Stack's API was called.
const LOOK: Duration = Duration::from_millis(100);

/// Shows what arrives until Ctrl-C.
async fn stay_up(system: &System) {
    let (mut messages, mut requests) = (system.iot_hub.messages().len(), system.tts.requests().len());
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            Ok(all) = system.iot_hub.wait_for_messages(messages + 1, Duration::MAX) => {
                all[messages..].iter().for_each(show_message);
                messages = all.len();
            }
            _ = look.tick() => {
                for request in system.tts.requests().iter().skip(requests).take_while(|request| request.status != 0) {
                    show_request(request);
                    requests += 1;
                }
            }
            _ = tokio::signal::ctrl_c() => return,
        }
    }
}
