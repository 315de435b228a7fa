//! More twin updates than the hub's tier allows: some wait for redelivery, and none is begun in vain.

use std::time::Duration;

use local::iot_hub::{Effect, Fault, Operation};
use local::system::System;
use local::tts::Webhook;
use serde_json::Value;

use crate::support::{LIMIT, device, send, system_with, told};

/// Sends uplinks at once; how many were delivered whole.
async fn delivered_of(system: &System, uplinks: impl Iterator<Item = Value>) -> usize {
    let sending = uplinks.map(|uplink| {
        let webhook = Webhook { timeout: LIMIT, ..system.webhook.clone() };
        let tts = system.tts.clone();
        tokio::spawn(async move { told(tts.send(&webhook, &uplink).await).status })
    });
    let mut delivered = 0;
    for sent in sending.collect::<Vec<_>>() {
        match sent.await.unwrap() {
            200 => delivered += 1,
            status => assert_eq!(status, 202),
        }
    }
    delivered
}

#[tokio::test]
async fn an_update_whose_turn_comes_too_late_to_succeed_takes_none() {
    let system = system_with(&[
        ("WEBHOOK_TWIN_TYPES", "all"),
        ("WEBHOOK_ANSWER_WITHIN_SECONDS", "8"),
        ("IOT_HUB_TWIN_UPDATES_PER_SECOND", "10"),
        ("AzureWebJobs.redeliver.Disabled", "true"),
    ])
    .await;
    (0..100).for_each(|number| system.iot_hub.create_device(&format!("sensor-{number}")).unwrap());
    system.iot_hub.inject(Fault::new(Operation::MqttTwinPatch, Effect::DelayAnswer(Duration::from_millis(500))));
    let uplinks = (0..100).map(|number| device(&format!("sensor-{number}")).uplink(2, 1, &[1]));
    let delivered = delivered_of(&system, uplinks).await;
    assert!((15..100).contains(&delivered), "{delivered}");
    assert_eq!(system.iot_hub.mqtt_calls(Operation::MqttTwinPatch), delivered, "every turn led to an update");
}

#[tokio::test]
async fn a_burst_of_one_device_does_not_pass_for_a_hub_that_is_down() {
    let system = system_with(&[("WEBHOOK_TWIN_TYPES", "all"), ("AzureWebJobs.redeliver.Disabled", "true")]).await;
    ["sensor-1", "sensor-2"].iter().for_each(|device_id| system.iot_hub.create_device(device_id).unwrap());
    let slow = Fault::new(Operation::MqttTwinPatch, Effect::DelayAnswer(Duration::from_millis(300)));
    system.iot_hub.inject(slow.for_device("sensor-1"));
    let uplink = device("sensor-1").uplink(2, 1, &[1]);
    let delivered = delivered_of(&system, (0..40).map(|_| uplink.clone())).await;
    assert!((1..40).contains(&delivered), "{delivered}");
    assert_eq!(send(&system, &device("sensor-2").uplink(2, 1, &[1])).await.status, 200);
}
