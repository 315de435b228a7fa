//! The system under test, and what scenarios ask it.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use local::iot_hub::{DeviceToCloudMessage, Operation};
use local::stage::{StageOptions, stage};
use local::system::{Options, System};
use local::tts::messages::Device;
use local::tts::{Delivery, Webhook};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Longest a condition may take to come true.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// The handler, built once for all scenarios.
pub(crate) async fn script_root() -> PathBuf {
    static SCRIPT_ROOT: OnceCell<PathBuf> = OnceCell::const_new();
    let staged = SCRIPT_ROOT.get_or_init(async || {
        let staged = tokio::task::spawn_blocking(|| stage(&StageOptions::default())).await;
        staged.expect("staging does not panic").expect("the handler builds").script_root
    });
    staged.await.clone()
}

/// A whole system with the usual settings.
pub(crate) async fn system() -> System {
    system_with(&[]).await
}

/// The setting that has hub events submitted to the vendor's package.
pub(crate) const PACKAGE: (&str, &str) = ("TTS_DELIVERY", "package");

/// A whole system that submits hub events to the vendor's package.
pub(crate) async fn package_system() -> System {
    system_with(&[PACKAGE]).await
}

/// A whole system with settings of its own on top of the usual; an empty value unsets one.
pub(crate) async fn system_with(settings: &[(&str, &str)]) -> System {
    let mut options = Options::default();
    options.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    start(options).await
}

/// A whole system. Twins are updated only where a scenario is about them.
pub(crate) async fn start(mut options: Options) -> System {
    options.settings.entry("WEBHOOK_TWIN_TYPES".to_owned()).or_insert_with(|| "none".to_owned());
    System::start_staged(options, script_root().await).await.expect("the system starts")
}

/// A device of the application the system knows.
pub(crate) fn device(device_id: &str) -> Device {
    Device::new("plant-a", device_id)
}

/// What a webhook's sender was told.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Told {
    /// The reason given, or nothing.
    pub(crate) fn reason(&self) -> &str {
        self.body["reason"].as_str().unwrap_or_default()
    }
}

/// Reads a delivery as what its sender was told.
pub(crate) fn told(delivery: Delivery) -> Told {
    match delivery {
        Delivery::Answered { status, body, .. } => {
            Told { status, body: serde_json::from_str(&body).unwrap_or(Value::Null) }
        }
        other @ (Delivery::Disabled | Delivery::TimedOut { .. } | Delivery::Failed { .. }) => {
            panic!("the webhook was not answered: {other:?}")
        }
    }
}

/// Sends a message through the system's webhook.
pub(crate) async fn send(system: &System, message: &Value) -> Told {
    told(system.tts.send(&system.webhook, message).await)
}

/// Sends exact text as the body of the system's webhook.
pub(crate) async fn send_text(system: &System, webhook: &Webhook, body: &[u8]) -> Told {
    let ids = device("sensor-1").ids().clone();
    told(system.tts.send_text(webhook, "uplink_message", &ids, body.to_vec()).await)
}

/// Messages IoT Hub has, once there are so many.
pub(crate) async fn messages(system: &System, count: usize) -> Vec<DeviceToCloudMessage> {
    system.iot_hub.wait_for_messages(count, LIMIT).await.expect("the messages arrive")
}

/// How often IoT Hub was asked to take a message.
pub(crate) fn sends(system: &System) -> usize {
    system.iot_hub.requests().iter().filter(|request| request.kind == Operation::DeviceSend).count()
}

/// A LoRaWAN device's tags in the vendor's schema.
pub(crate) fn lorawan_tags() -> Value {
    json!({
        "devEui": "70B3D57ED0000001", "joinEui": "70B3D57ED0FFFF00", "lorawanVersion": "1.0.3",
        "regionalParametersVersion": "1.0.3-a", "appKey": "00112233445566778899AABBCCDDEE01",
        "frequencyPlanId": "EU_863_870_TTN",
    })
}

/// A device in IoT Hub whose tags say that it is a LoRaWAN device.
pub(crate) fn create_tagged(system: &System, device_id: &str, lorawan: &Value) {
    let twin = json!({"tags": {"lorawan": lorawan}});
    system.iot_hub.create_device_with_twin(device_id, twin).expect("the hub takes the device");
}

/// Changes members of `tags.lorawan`.
pub(crate) fn tag(system: &System, device_id: &str, lorawan: &Value) {
    system.iot_hub.patch_twin(device_id, json!({"tags": {"lorawan": lorawan}})).expect("the hub takes the tags");
}

/// `tags.lorawanStatus`, once its state is as expected.
pub(crate) async fn lorawan_status(system: &System, device_id: &str, state: &str) -> Value {
    let status = || system.iot_hub.twin(device_id).map(|twin| twin["tags"]["lorawanStatus"].clone());
    let found = eventually(|| status().filter(|status| status["state"] == state)).await;
    found.unwrap_or_else(|| panic!("{device_id}: {:?}, expected {state}", status()))
}

/// What `look` finds, once it finds something; `None` if it does not within [`LIMIT`].
pub(crate) async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let limit = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() > limit {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The items of a queue, once there are so many.
pub(crate) async fn queued(system: &System, queue_name: &str, count: usize) -> Vec<Value> {
    let found = eventually(|| Some(items(system, queue_name)).filter(|items| items.len() >= count)).await;
    found.unwrap_or_else(|| panic!("{} of {count} in {queue_name}", items(system, queue_name).len()))
}

/// Waits until every event that the Event Hub has was handled.
pub(crate) async fn all_events_handled(system: &System) {
    let is_done =
        |partition| system.host.checkpoint("hub_events", partition) >= system.event_hub.next_sequence_number(partition);
    let done = eventually(|| (0..system.event_hub.partition_count()).all(is_done).then_some(())).await;
    assert!(done.is_some(), "events are left");
}

/// Puts an item into `parked`, as if its first try had failed.
pub(crate) async fn park_item(system: &System, item: &Value) {
    let text = STANDARD.encode(item.to_string());
    system.host.queues().put_creating("parked", &text).await.expect("the queue takes the item");
}

/// Parks an event of `sensor-1` as if it had failed before.
pub(crate) async fn park_event(system: &System, operation: &str, body: Value) {
    let properties =
        json!({"deviceId": "sensor-1", "opType": operation, "operationTimestamp": "2026-11-21T10:00:00.1234567Z"});
    let item = json!({
        "kind": "hub_event", "reason": "because", "error": "unavailable", "first_seen": "2026-11-21T10:00:00Z",
        "attempts": 1, "device_id": "sensor-1", "original": {"properties": properties, "body": body},
    });
    park_item(system, &item).await;
}

/// Waits until what was parked is done.
pub(crate) async fn nothing_is_parked(system: &System) {
    let is_empty = eventually(|| items(system, "parked").is_empty().then_some(())).await;
    assert!(is_empty.is_some(), "{:?}", items(system, "parked"));
}

/// The items that lie in a queue.
pub(crate) fn items(system: &System, queue_name: &str) -> Vec<Value> {
    let texts = system.host.output_messages(queue_name);
    texts.iter().map(|text| serde_json::from_str(text).expect("items are JSON")).collect()
}
