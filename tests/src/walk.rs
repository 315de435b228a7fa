//! The walk that `cargo run --bin local` shows: a device's life, told by both sides.

use std::time::Duration;

use local::iot_hub::DeviceToCloudMessage;
use local::system::System;
use local::tts::messages::Device;
use local::tts::{Delivery, Request, Server};
use serde_json::{Value, json};

/// Longest a step may take from one end to the other.
const ARRIVAL: Duration = Duration::from_secs(10);

/// The device that is shown.
const DEVICE: &str = "sensor-1";

/// Its life, from creation to deletion.
///
/// # Errors
/// A sentence that says what is not as it should be.
pub(crate) async fn walk(system: &System) -> Result<(), String> {
    creation(system).await?;
    uplink(system).await?;
    downlink(system).await?;
    deletion(system).await?;
    println!("\nAll arrived.");
    Ok(())
}

async fn creation(system: &System) -> Result<(), String> {
    println!("\n1. A device is created in IoT Hub, with tags → Event Hub → handler → The Things Stack");
    let ids = device(system).ids().clone();
    let tags = json!({"lorawan": {
        "devEui": ids.dev_eui, "joinEui": ids.join_eui, "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a", "appKey": "00112233445566778899AABBCCDDEEFF",
        "frequencyPlanId": "EU_863_870_TTN",
    }});
    println!("   {DEVICE}, tags {tags}");
    let created = system.iot_hub.create_device_with_twin(DEVICE, json!({"tags": tags}));
    created.map_err(|reason| format!("IoT Hub did not create it: {reason:?}"))?;
    let device = system.tts.wait_for_device(system.tts.application_id(), DEVICE, ARRIVAL).await?;
    for (server, shown) in [
        (Server::Identity, "/ids"),
        (Server::Join, "/root_keys"),
        (Server::Network, "/frequency_plan_id"),
        (Server::Application, "/ids/device_id"),
    ] {
        let held = device.at(server).and_then(|held| held.pointer(shown)).unwrap_or(&Value::Null);
        println!("   {:<12} has  {} = {held}", format!("{server:?}"), &shown[1..]);
    }
    let status = wait_for_status(system).await?;
    println!("   the twin says     tags.lorawanStatus = {status}");
    Ok(())
}

fn device(system: &System) -> Device {
    Device::new(system.tts.application_id(), DEVICE)
}

/// The status is written when the registration is complete.
async fn wait_for_status(system: &System) -> Result<Value, String> {
    let read = || system.iot_hub.twin(DEVICE).map(|twin| twin["tags"]["lorawanStatus"].clone()).unwrap_or_default();
    until(|| read()["state"] == "registered").await.map_err(|_| format!("tags.lorawanStatus is {}", read()))?;
    Ok(read())
}

async fn until(is_so: impl Fn() -> bool) -> Result<(), tokio::time::error::Elapsed> {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(ARRIVAL, wait).await
}

async fn uplink(system: &System) -> Result<(), String> {
    println!("\n2. The device joins and sends an uplink: The Things Stack → webhook → handler → IoT Hub");
    system.tts.start_session(system.tts.application_id(), DEVICE);
    println!("   reported properties before: {}", reported(system));
    let uplink = device(system).uplink(2, 17, &[1, 2, 3]);
    let delivery = system.tts.send(&system.webhook, &uplink).await;
    let Delivery::Answered { url, status: 200, body } = delivery else {
        return Err(format!("the webhook was not delivered: {delivery:?}"));
    };
    println!("   POST {url} → 200 {body}");
    let messages = system.iot_hub.wait_for_messages(1, ARRIVAL).await?;
    show_message(&messages[0]);
    let body: Value =
        serde_json::from_slice(&messages[0].body).map_err(|reason| format!("the body is not JSON: {reason}"))?;
    let same = |path: &str| body.pointer(path) == uplink.pointer(path);
    if messages[0].device_id != DEVICE || !same("/uplink_message/frm_payload") || !same("/end_device_ids") {
        return Err(format!("IoT Hub has another message than the one sent, {body}"));
    }
    println!("   reported properties after:  {}", reported(system));
    if reported(system)["decodedPayload"] != uplink["uplink_message"]["decoded_payload"] {
        return Err("the twin does not show the decoded payload".to_owned());
    }
    Ok(())
}

/// What the twin shows of the device, without metadata.
fn reported(system: &System) -> Value {
    let mut twin = system.iot_hub.twin(DEVICE).unwrap_or_default();
    let mut reported = twin["properties"]["reported"].take();
    if let Some(members) = reported.as_object_mut() {
        members.retain(|name, _| !name.starts_with('$'));
    }
    reported
}

async fn downlink(system: &System) -> Result<(), String> {
    println!("\n3. A desired property becomes a downlink: IoT Hub → Event Hub → handler → The Things Stack");
    let desired = json!({"rawDownlink": {"fPort": 15, "framePayload": "01FF"}});
    println!("   desired properties of {DEVICE} := {desired}");
    let changed = system.iot_hub.patch_twin(DEVICE, json!({"properties": {"desired": desired}}));
    changed.map_err(|reason| format!("the twin was not changed: {reason:?}"))?;
    let queue = system.tts.wait_for_downlinks(system.tts.application_id(), DEVICE, 1, ARRIVAL).await?;
    println!("   The Things Stack's queue has {}", queue[0]);
    if (&queue[0]["f_port"], &queue[0]["frm_payload"]) != (&json!(15), &json!("Af8=")) {
        return Err(format!("the downlink arrived as {}", queue[0]));
    }
    Ok(())
}

async fn deletion(system: &System) -> Result<(), String> {
    println!("\n4. The device is deleted in IoT Hub → Event Hub → handler → The Things Stack");
    system.iot_hub.delete_device(DEVICE).map_err(|reason| format!("IoT Hub did not delete it: {reason:?}"))?;
    system.tts.wait_for_no_device(system.tts.application_id(), DEVICE, ARRIVAL).await?;
    let is_answered = || system.tts.requests().iter().all(|request| request.status != 0);
    until(is_answered).await.map_err(|_| "a call of The Things Stack's API is not answered".to_owned())?;
    println!("   It is gone from all four servers. The calls of The Things Stack's API in all this:");
    system.tts.requests().iter().for_each(show_request);
    Ok(())
}

/// A device-to-cloud message with all its properties.
pub(crate) fn show_message(message: &DeviceToCloudMessage) {
    println!("   IoT Hub has a device-to-cloud message of {}:", message.device_id);
    for (name, value) in &message.system_properties {
        println!("     system       {name} = {value}");
    }
    for (name, value) in &message.properties {
        println!("     application  {name} = {value}");
    }
    println!("     body         {}", String::from_utf8_lossy(&message.body));
}

/// A call of The Things Stack's API.
pub(crate) fn show_request(request: &Request) {
    println!("     {:<6} {} → {}", request.method, request.path, request.status);
}
