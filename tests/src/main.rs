//! `cargo run --bin local`: the whole system on this machine, shown by one uplink and one twin change.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use local::iot_hub::DeviceToCloudMessage;
use local::stage::{StageOptions, stage};
use local::storage_queue::Queues;
use local::system::{Options, StartError, System, WEBHOOK_SECRET};
use local::tts::messages::Device;
use local::tts::{self, Delivery, SubmittedEvent};
use serde_json::{Value, json};

/// Longest a message may take from one end to the other.
const ARRIVAL: Duration = Duration::from_secs(10);

/// Starts IoT Hub, The Things Stack and Functions host stand-ins around the real handler, moves one uplink and one
/// twin change through, then stays up. Needs no account and no internet.
#[derive(Parser)]
struct Arguments {
    /// Move both messages, check that they arrived, and exit with 0 or 1. Takes any free ports.
    #[arg(long)]
    once: bool,
    /// Port of the Functions host, where webhooks arrive.
    #[arg(long, default_value_t = 7071)]
    functions_port: u16,
    /// Port of the IoT Hub stand-in's HTTPS API.
    #[arg(long, default_value_t = 8443)]
    iot_hub_port: u16,
    /// Port of The Things Stack stand-in's HTTP API.
    #[arg(long, default_value_t = 1885)]
    tts_port: u16,
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
            tts: tts::Options { port: port(self.tts_port), ..tts::Options::default() },
            retry_time_scale: 1.0,
            queues: Queues::in_memory(),
            release: self.release,
            settings: [("TTS_DELIVERY".to_owned(), "package".to_owned())].into(),
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

fn with_causes(reason: &dyn Error) -> String {
    let mut text = reason.to_string();
    let mut source = reason.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn advice(reason: &StartError) -> &'static str {
    match reason {
        StartError::IotHub(_) | StartError::Tts(_) | StartError::Host(_) => {
            "\nIf a port is taken, choose others with --functions-port, --iot-hub-port and --tts-port."
        }
        StartError::Stage(_) | StartError::Tls(_) | StartError::Io(_) => "",
    }
}

/// One message each way.
async fn walk(system: &System) -> Result<(), String> {
    let device = Device::new(system.tts.application_id(), "sensor-1");
    let uplink = device.uplink(2, 17, &[1, 2, 3]);
    println!("\n1. An uplink: The Things Stack → webhook → handler → IoT Hub");
    let delivery = system.tts.send(&system.webhook, &uplink).await;
    let Delivery::Answered { url, status: 200, body } = delivery else {
        return Err(format!("the webhook was not delivered: {delivery:?}"));
    };
    println!("   POST {url} → 200 {body}");
    let messages = system.iot_hub.wait_for_messages(1, ARRIVAL).await?;
    show_message(&messages[0]);
    check_message(&messages[0], &uplink)?;
    println!("   The device was created on first sight; the registry now has {:?}", system.iot_hub.devices());

    println!("\n2. A twin change: IoT Hub → Event Hub → handler → The Things Stack");
    let desired = json!({"decodedPayload": {"led": "on"}});
    println!("   desired properties of sensor-1 := {desired}");
    let patch = json!({"properties": {"desired": desired}});
    system.iot_hub.patch_twin("sensor-1", patch).map_err(|reason| format!("the twin was not changed: {reason:?}"))?;
    // The device's creation was the first event.
    let events = system.tts.wait_for_submitted(2, ARRIVAL).await?;
    events.iter().for_each(show_event);
    check_events(&events, &desired)?;
    println!("\nBoth arrived.");
    Ok(())
}

fn show_message(message: &DeviceToCloudMessage) {
    println!("   IoT Hub has a device-to-cloud message of {}:", message.device_id);
    for (name, value) in &message.system_properties {
        println!("     system       {name} = {value}");
    }
    for (name, value) in &message.properties {
        println!("     application  {name} = {value}");
    }
    println!("     body         {}", String::from_utf8_lossy(&message.body));
}

fn show_event(event: &SubmittedEvent) {
    println!("   The Things Stack has an event of {}:", event.device_id);
    println!("     properties   {}", Value::Object(event.properties.clone()));
    println!("     body         {}", event.body);
}

fn check_message(message: &DeviceToCloudMessage, uplink: &Value) -> Result<(), String> {
    let body: Value =
        serde_json::from_slice(&message.body).map_err(|reason| format!("the body is not JSON: {reason}"))?;
    let same = |path: &str| body.pointer(path) == uplink.pointer(path);
    if message.device_id != "sensor-1" || !same("/uplink_message/frm_payload") || !same("/end_device_ids") {
        return Err(format!("IoT Hub has another message than the one sent, {body}"));
    }
    Ok(())
}

fn check_events(events: &[SubmittedEvent], desired: &Value) -> Result<(), String> {
    let op_types: Vec<_> = events.iter().map(|event| event.properties["opType"].as_str().unwrap_or_default()).collect();
    if op_types != ["createDeviceIdentity", "updateTwin"] {
        return Err(format!("The Things Stack has events {op_types:?}, expected the creation and the twin change"));
    }
    if events[1].body["properties"]["desired"]["decodedPayload"] != desired["decodedPayload"] {
        return Err(format!("the twin change arrived as {}", events[1].body));
    }
    Ok(())
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

/// Shows what arrives until Ctrl-C.
async fn stay_up(system: &System) {
    let (mut messages, mut events) = (system.iot_hub.messages().len(), system.tts.submitted().len());
    let long = Duration::from_secs(24 * 60 * 60);
    loop {
        tokio::select! {
            Ok(all) = system.iot_hub.wait_for_messages(messages + 1, long) => {
                all[messages..].iter().for_each(show_message);
                messages = all.len();
            }
            Ok(all) = system.tts.wait_for_submitted(events + 1, long) => {
                all[events..].iter().for_each(show_event);
                events = all.len();
            }
            _ = tokio::signal::ctrl_c() => return,
        }
    }
}
