//! `cargo run --bin iot-hub`: the IoT Hub stand-in alone, for programs that use the official Azure SDKs.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod control;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use local::causes::with_causes;
use local::event_hub::EventHub;
use local::iot_hub::{IotHub, Options, StartError};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Partitions nobody reads from.
const PARTITIONS: usize = 1;

/// Starts the IoT Hub stand-in with the provisioning service, prints one line of JSON that says how to reach it, and
/// stays up.
#[derive(Parser)]
struct Arguments {
    /// Port of the HTTPS APIs; the SDKs know no other than 443.
    #[arg(long, default_value_t = 443)]
    https_port: u16,
    /// Port of MQTT; most SDKs know no other than 8883.
    #[arg(long, default_value_t = 8883)]
    mqtt_port: u16,
    /// Port of the stand-in's own API: what arrived, and what a service would send over AMQP. 0 is any free one.
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// Where to write the root certificate that clients have to trust.
    #[arg(long, default_value = "target/iot-hub-ca.pem")]
    ca_file: PathBuf,
    /// End when standard input does.
    #[arg(long)]
    until_stdin_ends: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{}{}", with_causes(&*reason), advice(&*reason));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let options = Options {
        https_port: arguments.https_port,
        mqtt_port: arguments.mqtt_port,
        ..Options::new(EventHub::new("hub-events", PARTITIONS))?
    };
    let hub = IotHub::start(options).await?;
    if let Some(folder) = arguments.ca_file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&arguments.ca_file, hub.ca_pem())?;
    let listener = TcpListener::bind(("127.0.0.1", arguments.control_port)).await?;
    println!("{}", description(&hub, arguments, listener.local_addr()?.port()));
    tokio::select! {
        () = control::serve(listener, hub.clone()) => {}
        () = end_of_stdin(), if arguments.until_stdin_ends => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    hub.stop().await;
    Ok(())
}

fn description(hub: &IotHub, arguments: &Arguments, control_port: u16) -> Value {
    json!({
        "hostName": hub.host_name(),
        "connectionString": hub.connection_string("iothubowner"),
        "caFile": arguments.ca_file,
        "control": format!("http://127.0.0.1:{control_port}"),
        "idScope": hub.id_scope(),
        "groupKey": hub.enrollment_groups().first().map(|group| &group.primary_key),
    })
}

async fn end_of_stdin() {
    let (ended, end) = oneshot::channel::<()>();
    // Not one of the runtime's threads: it would wait for this one when it ends.
    std::thread::spawn(move || {
        // A broken standard input has ended, too.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(ended);
    });
    let _ = end.await;
}

fn advice(reason: &(dyn Error + 'static)) -> &'static str {
    match reason.downcast_ref() {
        Some(StartError::Port { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            "\nPorts below 1024 are reserved on this machine; to allow this one:\n\
             sudo sysctl -w net.ipv4.ip_unprivileged_port_start=443"
        }
        Some(StartError::Port { .. } | StartError::Tls(_) | StartError::Condition { .. }) | None => "",
    }
}
