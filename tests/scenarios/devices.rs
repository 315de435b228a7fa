//! Journey 1: devices IoT Hub does not know, or does not let send.

use std::sync::Arc;

use local::iot_hub::{Effect, Fault, Operation};
use local::system::System;
use tokio::sync::Semaphore;

use crate::support::{device, messages, send, sends, system, system_with};

#[tokio::test]
async fn a_device_is_created_on_first_sight() {
    let system = system().await;
    assert_eq!(send(&system, &device("sensor-1").message("join_accept")).await.status, 200);
    assert_eq!(system.iot_hub.devices(), ["sensor-1"]);
    assert_eq!(system.iot_hub.registry_calls(), 1);
    assert_eq!(messages(&system, 1).await[0].device_id, "sensor-1");
}

#[tokio::test]
async fn a_device_is_created_once_however_many_of_its_messages_come_first() {
    let system = system().await;
    let sent = (1..=10).map(|f_cnt| {
        let (tts, webhook, uplink) =
            (system.tts.clone(), system.webhook.clone(), device("sensor-1").uplink(2, f_cnt, &[1]));
        tokio::spawn(async move { tts.send(&webhook, &uplink).await.delivered() })
    });
    for delivered in sent.collect::<Vec<_>>() {
        assert!(delivered.await.unwrap());
    }
    assert_eq!(messages(&system, 10).await.len(), 10);
    // Two may be on their way to the registry before the first is back.
    assert!(system.iot_hub.registry_calls() <= 2, "{:?}", system.iot_hub.requests());
}

#[tokio::test]
async fn a_device_deleted_in_iot_hub_is_created_again_by_its_next_message() {
    let system = system().await;
    send(&system, &device("sensor-1").uplink(2, 1, &[1])).await;
    system.iot_hub.delete_device("sensor-1").unwrap();
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 2, &[1])).await.status, 200);
    assert_eq!(system.iot_hub.devices(), ["sensor-1"]);
}

#[tokio::test]
async fn messages_of_a_disabled_device_are_dead_lettered_and_soon_cost_no_registry_call() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.set_device_enabled("sensor-1", false).unwrap();
    let told = send(&system, &device("sensor-1").uplink(2, 1, &[1])).await;
    assert_eq!((told.status, told.body["status"].as_str()), (202, Some("dead-lettered")), "{told:?}");
    assert!(told.reason().contains("device sensor-1 is disabled"), "{told:?}");
    let registry_calls = system.iot_hub.registry_calls();
    assert!(registry_calls <= 2);
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 2, &[1])).await.status, 202);
    assert_eq!(system.iot_hub.registry_calls(), registry_calls);
    assert_eq!(send(&system, &device("sensor-2").uplink(2, 1, &[1])).await.status, 200, "others are not concerned");
    system.iot_hub.set_device_enabled("sensor-1", true).unwrap();
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 3, &[1])).await.status, 200, "it may send again at once");
}

/// Thirty-two at a time, so that the machine's speed does not look like IoT Hub's.
async fn send_from_a_thousand_devices(system: &System) {
    let turns = Arc::new(Semaphore::new(32));
    let sent = (0..1_000).map(|number| {
        let uplink = device(&format!("sensor-{number}")).uplink(2, 1, &[1]);
        let (tts, mut webhook) = (system.tts.clone(), system.webhook.clone());
        webhook.timeout = std::time::Duration::from_secs(30);
        let turns = Arc::clone(&turns);
        tokio::spawn(async move {
            let _turn = turns.acquire().await;
            tts.send(&webhook, &uplink).await.delivered()
        })
    });
    for delivered in sent.collect::<Vec<_>>() {
        assert!(delivered.await.unwrap(), "acknowledged, since it is parked");
    }
}

#[tokio::test]
async fn a_wrong_key_costs_a_thousand_devices_at_most_five_registry_calls() {
    let system = system().await;
    system.iot_hub.rotate_policy_key("iothubowner");
    send_from_a_thousand_devices(&system).await;
    assert!(system.iot_hub.registry_calls() <= 5, "{} registry calls", system.iot_hub.registry_calls());
    assert!(sends(&system) >= 1_000);
    let told = send(&system, &device("sensor-1").uplink(2, 2, &[1])).await;
    assert_eq!(told.status, 202, "{told:?}");
    assert!(told.reason().contains("check the key in IOT_HUB_CONNECTION_STRING"), "{told:?}");
}

#[tokio::test]
async fn a_policy_that_may_not_connect_devices_costs_a_thousand_devices_at_most_five_registry_calls() {
    let system = system().await;
    system.iot_hub.inject(local::iot_hub::Fault::unauthorized(Operation::DeviceSend));
    send_from_a_thousand_devices(&system).await;
    assert!(system.iot_hub.registry_calls() <= 5, "{} registry calls", system.iot_hub.registry_calls());
}

#[tokio::test]
async fn a_throttled_registry_delays_new_devices_and_not_known_ones() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(local::iot_hub::Fault::throttled(Operation::Registry));
    let told = send(&system, &device("sensor-2").uplink(2, 1, &[1])).await;
    assert_eq!((told.status, system.iot_hub.registry_calls()), (202, 1), "{told:?}");
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 1, &[1])).await.status, 200);
}

#[tokio::test]
async fn new_devices_that_iot_hub_does_not_know_everywhere_yet_do_not_stop_the_others() {
    let system =
        system_with(&[("WEBHOOK_ANSWER_WITHIN_SECONDS", "2"), ("AzureWebJobs.redeliver.Disabled", "true")]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    let (error_code, message) = ("DeviceNotFound", "Device not registered".to_owned());
    for number in 1..=5 {
        let device_id = format!("new-{number}");
        let effect = Effect::Status { status: 404, error_code, message: message.clone() };
        system.iot_hub.inject(Fault::new(Operation::DeviceSend, effect).for_device(&device_id));
        let told = send(&system, &device(&device_id).uplink(2, 1, &[1])).await;
        assert!(told.status == 202 && told.reason().contains("not known everywhere yet"), "{told:?}");
    }
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 1, &[1])).await.status, 200);
}
