//! More twin updates than the hub's tier allows: some wait for redelivery, and none is begun in vain.

use std::time::Duration;

use local::iot_hub::{Effect, Fault, Operation};
use local::system::System;
use local::tts::Webhook;

use crate::support::{LIMIT, device, system_with, told};

/// Sends one uplink of each of so many devices at once; how many were delivered whole.
async fn delivered_of(system: &System, devices: usize) -> usize {
    let sending = (0..devices).map(|number| {
        let uplink = device(&format!("sensor-{number}")).uplink(2, 1, &[1]);
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
    let delivered = delivered_of(&system, 100).await;
    assert!((15..100).contains(&delivered), "{delivered}");
    assert_eq!(system.iot_hub.mqtt_calls(Operation::MqttTwinPatch), delivered, "every turn led to an update");
}
