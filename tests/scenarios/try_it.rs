//! What the README tells a stranger to try.

use std::process::{Command, Stdio};

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
