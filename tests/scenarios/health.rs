//! What an operator can ask the handler.

use local::iot_hub::{Fault, Operation};
use local::system::System;
use serde_json::Value;

use crate::support::{device, send, system};

async fn health(system: &System, key: &str) -> (u16, Value) {
    let request =
        reqwest::Client::new().get(format!("{}/api/health", system.host.url())).header("x-functions-key", key);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
}

#[tokio::test]
async fn health_shows_the_version_and_how_each_peer_last_answered_this_instance() {
    let system = system().await;
    let (status, report) = health(&system, system.host.function_key()).await;
    assert_eq!((status, report["status"].as_str()), (200, Some("ok")));
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert!(report["scope"].as_str().unwrap().starts_with("this instance only"));
    assert_eq!(
        report["peers"]["iot_hub"],
        serde_json::json!({"last_success": null, "last_failure": null, "circuit": "closed"})
    );
    send(&system, &device("sensor-1").uplink(2, 1, &[1])).await;
    system.iot_hub.inject(Fault::throttled(Operation::DeviceSend));
    send(&system, &device("sensor-1").uplink(2, 2, &[1])).await;
    let (_, report) = health(&system, system.host.function_key()).await;
    let iot_hub = &report["peers"]["iot_hub"];
    assert!(iot_hub["last_success"].as_str().unwrap().ends_with('Z'), "{report}");
    assert!(iot_hub["last_failure"]["what"].as_str().unwrap().contains("throttled"), "{report}");
}

#[tokio::test]
async fn health_needs_the_function_key_and_shows_no_secret() {
    let system = system().await;
    assert_eq!(health(&system, "guess").await.0, 401);
    let (_, report) = health(&system, system.host.function_key()).await;
    let report = report.to_string();
    let key = system.iot_hub.connection_string("iothubowner").rsplit_once("SharedAccessKey=").unwrap().1.to_owned();
    for secret in [key.as_str(), system.tts.api_key(), local::system::WEBHOOK_SECRET] {
        assert!(!report.contains(secret), "{report}");
    }
}
