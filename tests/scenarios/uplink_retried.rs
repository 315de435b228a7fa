//! Journey 1: IoT Hub's bad days.

use std::time::Duration;

use local::iot_hub::{Effect, Fault, Operation};

use crate::support::{device, items, messages, send, sends, system, system_with};

#[tokio::test]
async fn a_hiccup_of_iot_hub_is_retried_while_the_things_stack_waits() {
    let send_fault = |effect| Fault::new(Operation::DeviceSend, effect);
    for (name, fault) in [
        ("500", Fault::server_error(Operation::DeviceSend)),
        ("503", Fault::unavailable(Operation::DeviceSend)),
        ("connection reset", send_fault(Effect::ResetBefore)),
    ] {
        let system = system().await;
        system.iot_hub.create_device("sensor-1").unwrap();
        system.iot_hub.inject(fault.times(2));
        let told = send(&system, &device("sensor-1").uplink(2, 17, &[1])).await;
        assert_eq!(told.status, 200, "{name}: {told:?}");
        assert_eq!((messages(&system, 1).await.len(), sends(&system)), (1, 3), "{name}");
    }
}

#[tokio::test]
async fn a_connection_reset_after_iot_hub_accepted_leaves_two_messages_with_one_id() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::new(Operation::DeviceSend, Effect::ResetAfterAccepting).times(1));
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 17, &[1])).await.status, 200);
    let arrived = messages(&system, 2).await;
    assert_eq!(arrived[0].system_properties["message-id"], arrived[1].system_properties["message-id"]);
}

#[tokio::test]
async fn a_throttled_hub_is_not_asked_again_within_the_request() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::throttled(Operation::DeviceSend));
    let told = send(&system, &device("sensor-1").uplink(2, 17, &[1])).await;
    assert_eq!((told.status, sends(&system)), (202, 1), "{told:?}");
    assert!(told.reason().contains("Wait 10 seconds"), "{told:?}");
}

#[tokio::test]
async fn when_the_daily_quota_is_used_up_messages_wait_for_midnight_utc() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::quota_exceeded(Operation::DeviceSend));
    let told = send(&system, &device("sensor-1").uplink(2, 17, &[1])).await;
    assert_eq!((told.status, sends(&system)), (202, 1), "{told:?}");
    assert!(told.reason().contains("IotHubQuotaExceeded"), "{told:?}");
    let item = items(&system, "parked").remove(0);
    assert!(item["not_before"].as_str().unwrap().ends_with("T00:00:00Z"), "{item:#}");
}

#[tokio::test]
async fn a_hub_slower_than_the_time_budget_is_answered_in_time() {
    let mut system = system_with(&[("WEBHOOK_ANSWER_WITHIN_SECONDS", "1")]).await;
    system.webhook.timeout = Duration::from_secs(3);
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::new(Operation::DeviceSend, Effect::Delay(Duration::from_secs(30))));
    let told = send(&system, &device("sensor-1").uplink(2, 17, &[1])).await;
    assert_eq!(told.status, 202, "{told:?}");
    assert!(told.reason().contains("timed out"), "{told:?}");
}

#[tokio::test]
async fn a_failure_is_logged_once_with_the_invocation_the_trace_and_the_device_and_without_secrets() {
    let system = system().await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.inject(Fault::throttled(Operation::DeviceSend));
    send(&system, &device("sensor-1").uplink(2, 17, &[1])).await;
    let line = system.host.wait_for_log(|line| line.contains("throttled"), crate::support::LIMIT).await.unwrap();
    let line: serde_json::Value = serde_json::from_str(&line.text).expect("log lines are JSON");
    assert_eq!((line["level"].as_str(), line["kind"].as_str()), (Some("ERROR"), Some("unavailable")));
    assert_eq!(line["device_id"], "sensor-1");
    let invocation = system.host.invocations().pop().unwrap();
    assert_eq!(line["span"]["invocation_id"].as_str(), Some(invocation.invocation_id.to_string().as_str()));
    assert!(line["span"]["traceparent"].as_str().unwrap().starts_with("00-"));
    let logs: Vec<_> = system.host.logs().into_iter().map(|line| line.text).collect();
    assert_eq!(logs.iter().filter(|line| line.contains("throttled")).count(), 1, "{logs:#?}");
    let key = system.iot_hub.connection_string("iothubowner").rsplit_once("SharedAccessKey=").unwrap().1.to_owned();
    for secret in [key.as_str(), system.tts.api_key(), local::system::WEBHOOK_SECRET, "SharedAccessSignature"] {
        assert!(!logs.iter().any(|line| line.contains(secret)), "a secret is in {logs:#?}");
    }
}
