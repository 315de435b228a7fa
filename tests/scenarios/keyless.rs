//! IoT Hub's service side by a managed identity, and its devices' side by a policy that may do nothing else.

use std::time::{Duration, Instant};

use local::entra::{Entra, Fault};
use local::iot_hub::{Effect, Fault as HubFault, Operation, Role};
use local::system::{DEVICE_POLICY, Options, System};
use serde_json::{Value, json};

use crate::support::{
    LIMIT, create_tagged, device, lorawan_status, lorawan_tags, messages, queued, send, sends, start, tag,
};

async fn keyless_with(settings: &[(&str, &str)]) -> System {
    let mut options = Options { keyless: true, ..Options::default() };
    options.settings.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    start(options).await
}

fn entra(system: &System) -> &Entra {
    system.entra.as_ref().expect("a keyless system")
}

async fn health(system: &System) -> String {
    let answer = system.host.invoke_raw("health", b"{}".to_vec()).await;
    let answer: Value = serde_json::from_slice(&answer.body).expect("health is JSON");
    answer["Outputs"]["res"]["body"].as_str().expect("health has a body").to_owned()
}

/// Requests to twins' service side.
fn twin_calls(system: &System) -> usize {
    system.iot_hub.requests().iter().filter(|request| request.kind == Operation::Twin).count()
}

/// An uplink, a registration and a downlink of a new device.
async fn whole_journeys(system: &System) {
    let told = send(system, &device("sensor-1").uplink(2, 17, &[1])).await;
    assert_eq!(told.status, 200, "{told:?}");
    system.iot_hub.wait_for_reported("sensor-1", LIMIT, |twin| twin["lastSeenAt"].is_string()).await.unwrap();
    tag(system, "sensor-1", &lorawan_tags());
    lorawan_status(system, "sensor-1", "registered").await;
    assert!(system.tts.start_session("plant-a", "sensor-1"));
    let downlink = json!({"rawDownlink": {"fPort": 15, "framePayload": "01FF"}});
    system.iot_hub.patch_twin("sensor-1", json!({"properties": {"desired": downlink}})).unwrap();
    system.tts.wait_for_downlinks("plant-a", "sensor-1", 1, LIMIT).await.unwrap();
}

#[tokio::test]
async fn uplink_registration_and_downlink_work_without_a_key_that_opens_the_service_side() {
    let system = keyless_with(&[("WEBHOOK_TWIN_TYPES", "all")]).await;
    whole_journeys(&system).await;
    let refused: Vec<_> = system.iot_hub.requests().into_iter().filter(|it| it.kind != Operation::DeviceSend).collect();
    assert!(refused.iter().all(|request| request.refusal.is_none()), "{refused:#?}");
    let asked = entra(&system).requests();
    assert_eq!(asked.len(), 1, "the token is kept: {asked:?}");
    let client_id = format!("client_id={}", entra(&system).client_id());
    for parameter in ["api-version=2019-08-01", "resource=https%3A%2F%2Fiothubs.azure.net", client_id.as_str()] {
        assert!(asked[0].query.split('&').any(|given| given == parameter), "{asked:?}");
    }
    let health = health(&system).await;
    assert!(health.contains("managed_identity"), "{health}");
}

#[tokio::test]
async fn a_token_near_its_expiry_is_not_used_any_more_and_no_message_is_refused_meanwhile() {
    let system = keyless_with(&[("IOT_HUB_REGISTRY_CALLS_PER_MINUTE", "100000")]).await;
    // The last ten seconds of a token are not used.
    entra(&system).set_lifetime(Duration::from_secs(12));
    let limit = Instant::now() + LIMIT;
    for number in 0.. {
        let told = send(&system, &device(&format!("sensor-{number}")).uplink(2, 1, &[1])).await;
        assert_eq!(told.status, 200, "{told:?}");
        if entra(&system).tokens().len() > 1 {
            break;
        }
        assert!(Instant::now() < limit, "{:?}", entra(&system).requests());
    }
    let registry: Vec<_> = system.iot_hub.requests().into_iter().filter(|it| it.kind == Operation::Registry).collect();
    assert!(registry.iter().all(|request| request.status == Some(200)), "{registry:#?}");
}

#[tokio::test]
async fn while_the_token_endpoint_is_down_known_devices_send_and_new_ones_are_parked_and_delivered_later() {
    let system = keyless_with(&[("WEBHOOK_ANSWER_WITHIN_SECONDS", "1")]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    for fault in [Fault::Reset, Fault::Status(500, "oops"), Fault::Body("{}")] {
        entra(&system).inject(fault, u32::MAX);
        assert_eq!(send(&system, &device("sensor-1").uplink(2, 1, &[1])).await.status, 200);
        let told = send(&system, &device("sensor-2").uplink(2, 1, &[1])).await;
        assert_eq!((told.status, told.body["status"].as_str()), (202, Some("parked")), "{told:?}");
        assert!(told.reason().contains("the managed identity is unavailable"), "{told:?}");
    }
    let report = health(&system).await;
    assert!(report.contains("the managed identity is unavailable: "), "{report}");
    assert_eq!(system.iot_hub.registry_calls(), 0);
    entra(&system).clear_fault();
    let late = messages(&system, 6).await;
    assert_eq!(late.iter().filter(|message| message.device_id == "sensor-2").count(), 3);
    assert_eq!(system.iot_hub.devices(), ["sensor-1", "sensor-2"]);
}

#[tokio::test]
async fn a_token_endpoint_that_is_silent_costs_no_answer() {
    let mut system = keyless_with(&[("WEBHOOK_ANSWER_WITHIN_SECONDS", "1")]).await;
    system.webhook.timeout = Duration::from_secs(3);
    entra(&system).inject(Fault::Silence, u32::MAX);
    let told = send(&system, &device("sensor-1").uplink(2, 1, &[1])).await;
    assert_eq!(told.status, 202, "{told:?}");
    assert!(told.reason().contains("timed out") || told.reason().contains("no time"), "{told:?}");
}

#[tokio::test]
async fn an_identity_that_is_not_assigned_is_named_with_what_to_do_and_parks_instead_of_dead_lettering() {
    let system = keyless_with(&[]).await;
    entra(&system).set_assigned(false);
    for number in 0..20 {
        let told = send(&system, &device(&format!("sensor-{number}")).uplink(2, 1, &[1])).await;
        assert_eq!((told.status, told.body["status"].as_str()), (202, Some("parked")), "{told:?}");
        for expected in [entra(&system).client_id(), "assign the user-assigned identity to the function app"] {
            assert!(told.reason().contains(expected), "{told:?}");
        }
    }
    assert_eq!(entra(&system).requests().len(), 1, "an operator has to act first");
    let report = health(&system).await;
    assert!(report.contains("check AZURE_CLIENT_ID"), "{report}");
}

#[tokio::test]
async fn a_missing_registry_role_is_named_and_costs_one_call() {
    let system = keyless_with(&[]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.remove_role(entra(&system).principal_id(), Role::RegistryContributor);
    for number in 2..20 {
        let told = send(&system, &device(&format!("sensor-{number}")).uplink(2, 1, &[1])).await;
        assert_eq!((told.status, told.body["status"].as_str()), (202, Some("parked")), "{told:?}");
        for expected in ["\"IoT Hub Registry Contributor\"", entra(&system).client_id(), "no assigned permissions"] {
            assert!(told.reason().contains(expected), "{told:?}");
        }
    }
    assert_eq!(system.iot_hub.registry_calls(), 1, "{:?}", system.iot_hub.requests());
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 1, &[1])).await.status, 200, "known devices go on");
    let report = health(&system).await;
    assert!(report.contains("IoT Hub Registry Contributor"), "{report}");
}

#[tokio::test]
async fn a_missing_twin_role_is_named_costs_one_call_and_parks_the_events() {
    let system = keyless_with(&[]).await;
    system.iot_hub.remove_role(entra(&system).principal_id(), Role::TwinContributor);
    for number in 1..=5 {
        create_tagged(&system, &format!("sensor-{number}"), &lorawan_tags());
    }
    let parked = queued(&system, "parked", 5).await;
    for item in parked {
        assert!(item["reason"].as_str().unwrap().contains("\"IoT Hub Twin Contributor\""), "{item:#}");
    }
    // As many as are under way at once, before the first of them is answered.
    assert!((1..=5).contains(&twin_calls(&system)), "{:?}", system.iot_hub.requests());
    let report = health(&system).await;
    assert!(report.contains("IoT Hub Twin Contributor"), "{report}");
    system.host.wait_for_log(|line| line.contains("IoT Hub Twin Contributor"), LIMIT).await.unwrap();
}

#[tokio::test]
async fn what_is_not_asked_for_want_of_a_role_does_not_pass_for_an_answer_of_the_hub() {
    let system = keyless_with(&[]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.remove_role(entra(&system).principal_id(), Role::TwinContributor);
    create_tagged(&system, "sensor-2", &lorawan_tags());
    queued(&system, "parked", 1).await;
    system.iot_hub.inject(HubFault::new(Operation::DeviceSend, Effect::ResetBefore));
    let failed = (1..=4).map(|f_cnt| {
        let (tts, webhook) = (system.tts.clone(), system.webhook.clone());
        tokio::spawn(async move { tts.send(&webhook, &device("sensor-1").uplink(2, f_cnt, &[1])).await.delivered() })
    });
    for parked in failed.collect::<Vec<_>>() {
        assert!(parked.await.unwrap());
    }
    create_tagged(&system, "sensor-3", &lorawan_tags());
    queued(&system, "parked", 6).await;
    assert!(!send(&system, &device("sensor-1").uplink(2, 5, &[1])).await.reason().contains("not asked"));
    let sixth = send(&system, &device("sensor-1").uplink(2, 6, &[1])).await;
    assert!(sixth.status == 202 && sixth.reason().contains("not asked"), "{sixth:?}");
}

#[tokio::test]
async fn a_wrong_key_of_the_device_policy_costs_at_most_five_registry_calls_and_is_named() {
    let system = keyless_with(&[]).await;
    system.iot_hub.rotate_policy_key(DEVICE_POLICY);
    let mut told = send(&system, &device("sensor-0").uplink(2, 1, &[1])).await;
    for number in 1..50 {
        told = send(&system, &device(&format!("sensor-{number}")).uplink(2, 1, &[1])).await;
        assert_eq!(told.status, 202, "{told:?}");
    }
    for expected in ["policy \"device-connect\" on its device side", "the key in IOT_HUB_DEVICE_POLICY_KEY"] {
        assert!(told.reason().contains(expected), "{told:?}");
    }
    assert!(system.iot_hub.registry_calls() <= 5, "{} registry calls", system.iot_hub.registry_calls());
    assert!(sends(&system) >= 50);
}

#[tokio::test]
async fn a_connection_string_whose_policy_may_only_connect_devices_says_which_rights_it_lacks() {
    let system = start(Options { policy: DEVICE_POLICY.to_owned(), ..Options::default() }).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 1, &[1])).await.status, 200);
    let told = send(&system, &device("sensor-2").uplink(2, 1, &[1])).await;
    assert_eq!(told.status, 202, "{told:?}");
    for expected in ["policy \"device-connect\" on its service side", "RegistryWrite", "IOT_HUB_CONNECTION_STRING"] {
        assert!(told.reason().contains(expected), "{told:?}");
    }
}

#[tokio::test]
async fn no_token_and_no_policy_key_enters_a_queue_a_log_or_health() {
    let system = keyless_with(&[("WEBHOOK_TWIN_TYPES", "all"), ("LOG_LEVEL", "trace")]).await;
    whole_journeys(&system).await;
    for fault in [Fault::Status(500, "oops"), Fault::Body("no token"), Fault::Reset] {
        entra(&system).inject(fault, 1);
        entra(&system).set_lifetime(Duration::from_secs(1));
        send(&system, &device("sensor-2").uplink(2, 1, &[1])).await;
    }
    system.iot_hub.remove_role(entra(&system).principal_id(), Role::RegistryContributor);
    send(&system, &device("sensor-3").uplink(2, 1, &[1])).await;
    system.iot_hub.rotate_policy_key(DEVICE_POLICY);
    send(&system, &device("sensor-1").uplink(2, 1, &[1])).await;
    queued(&system, "parked", 1).await;
    let logs = system.host.logs().into_iter().map(|line| line.text);
    let items = ["parked", "dead-letter"].into_iter().flat_map(|name| system.host.output_messages(name));
    let everything: Vec<_> = logs.chain(items).chain([health(&system).await]).collect();
    let mut secrets = entra(&system).tokens();
    assert!(!secrets.is_empty());
    secrets.extend([entra(&system).secret().to_owned(), system.iot_hub.policy_key(DEVICE_POLICY)]);
    for secret in secrets {
        let found: Vec<_> = everything.iter().filter(|text| text.contains(&secret)).collect();
        assert!(found.is_empty(), "{secret} is in {found:#?}");
    }
}
