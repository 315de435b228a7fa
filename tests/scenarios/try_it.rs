//! What the documents tell a stranger to try.

use std::process::{Command, Stdio};

use local::system::Options;
use local::tts::Server;
use serde_json::{Value, json};

use crate::support::{LIMIT, create_tagged, lorawan_status, start};

/// Every port the system takes.
const FLAGS: [&str; 4] = ["--functions-port", "--iot-hub-port", "--iot-hub-mqtt-port", "--tts-port"];

async fn local(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.args(arguments).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), text)
}

#[tokio::test]
async fn one_command_walks_a_device_through_its_life_and_checks_itself() {
    for arguments in [&["--once"][..], &["--once", "--keyless"]] {
        let (code, text) = local(arguments).await;
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("All arrived."), "{text}");
    }
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_way_to_choose_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in FLAGS {
        // The other ports are any free ones, so that nothing else on the machine is in the way.
        let mut arguments: Vec<_> = FLAGS.iter().flat_map(|flag| [*flag, "0"]).collect();
        let position = arguments.iter().position(|argument| *argument == flag).unwrap();
        arguments[position + 1] = &port;
        let (code, text) = local(&arguments).await;
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(&port) && text.contains(flag), "{text}");
    }
}

/// The values in a document's blocks of JSON, each as the twin it is a part of.
fn twins(document: &str, wrap: impl Fn(Value) -> Value) -> Vec<Value> {
    let blocks = document.split("```json\n").skip(1).map(|block| block.split("```").next().unwrap());
    let text = blocks.collect::<String>().replace("<32 hex digits>", "00112233445566778899AABBCCDDEE01");
    serde_json::Deserializer::from_str(&text).into_iter::<Value>().map(|value| wrap(value.unwrap())).collect()
}

#[tokio::test]
async fn the_documents_tags_register_a_device_and_their_desired_properties_become_downlinks() {
    let of_a_twin = |value: Value| match value["devEui"].is_null() {
        true => json!({"properties": {"desired": value}}),
        false => json!({"tags": {"lorawan": value}}),
    };
    for twins in [
        twins(include_str!("../../README.md"), |twin| twin),
        twins(include_str!("../../handler/DEVICES.md"), of_a_twin),
    ] {
        let [tags, raw, decoded] = &twins[..] else { panic!("{twins:#?}") };
        let system = start(Options::default()).await;
        create_tagged(&system, "sensor-1", &tags["tags"]["lorawan"]);
        lorawan_status(&system, "sensor-1", "registered").await;
        let mut application =
            system.tts.device("plant-a", "sensor-1").unwrap().at(Server::Application).unwrap().clone();
        application["formatters"] = json!({"down_formatter": "FORMATTER_JAVASCRIPT"});
        system.tts.put_device(Server::Application, "plant-a", "sensor-1", &application);
        assert!(system.tts.start_session("plant-a", "sensor-1"));
        for (count, twin) in [(1, raw), (2, decoded)] {
            system.iot_hub.patch_twin("sensor-1", twin.clone()).unwrap();
            system.tts.wait_for_downlinks("plant-a", "sensor-1", count, LIMIT).await.unwrap();
        }
    }
}
