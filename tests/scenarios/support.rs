//! The system under test, and what scenarios ask it.

use std::path::PathBuf;
use std::time::Duration;

use local::iot_hub::{DeviceToCloudMessage, Operation};
use local::stage::{StageOptions, stage};
use local::system::{Options, System};
use local::tts::messages::Device;
use local::tts::{Delivery, Webhook};
use serde_json::Value;
use tokio::sync::OnceCell;

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

/// A whole system.
pub(crate) async fn start(options: Options) -> System {
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

/// The items that lie in a queue.
pub(crate) fn items(system: &System, queue_name: &str) -> Vec<Value> {
    let texts = system.host.output_messages(queue_name);
    texts.iter().map(|text| serde_json::from_str(text).expect("items are JSON")).collect()
}
