//! A system with one device, whose registration scenarios disturb.

use std::time::Duration;

use local::system::System;
use local::tts::{RegisteredDevice, Server};
use serde_json::json;

use crate::support::{LIMIT, all_events_handled, create_tagged, eventually, lorawan_status, lorawan_tags, system};

/// Longer than anything else takes that happens meanwhile.
pub(crate) const SLOW: Duration = Duration::from_secs(1);

/// A system with `sensor-1`, registered.
pub(crate) async fn with_sensor() -> System {
    let system = system().await;
    let mut tags = lorawan_tags();
    tags["name"] = json!("Roof");
    tags["supportsClassC"] = json!(true);
    create_tagged(&system, "sensor-1", &tags);
    lorawan_status(&system, "sensor-1", "registered").await;
    system
}

/// The same after its deletion, which was cut short: the Identity Server has it still.
pub(crate) async fn with_remains_of_sensor() -> System {
    let system = with_sensor().await;
    let identity = registered(&system).await.at(Server::Identity).unwrap().clone();
    system.iot_hub.delete_device("sensor-1").unwrap();
    all_events_handled(&system).await;
    system.tts.put_device(Server::Identity, "plant-a", "sensor-1", &identity);
    system
}

pub(crate) async fn registered(system: &System) -> RegisteredDevice {
    system.tts.wait_for_device("plant-a", "sensor-1", LIMIT).await.expect("the device is registered")
}

/// Waits until The Things Stack was asked this, `count` times.
pub(crate) async fn asked(system: &System, method: &str, path_end: &str, count: usize) {
    let is_it = |request: &local::tts::Request| request.method == method && request.path.ends_with(path_end);
    let is_asked = || system.tts.requests().iter().filter(|request| is_it(request)).count() >= count;
    assert!(eventually(|| is_asked().then_some(())).await.is_some(), "{method} {path_end}");
}
