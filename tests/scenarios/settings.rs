//! Wrong settings are all named at once and never leave a dead process under the host.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{LIMIT, device, script_root, send, system, system_with};

async fn check_config(settings: &[(&str, &str)]) -> (Option<i32>, Value) {
    let handler = script_root().await.join("handler");
    let mut command = Command::new(handler);
    command.arg("check-config").env_clear().envs(settings.iter().copied());
    let Output { status, stdout, .. } = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    (status.code(), serde_json::from_slice(&stdout).expect("the report is JSON"))
}

#[tokio::test]
async fn wrong_settings_leave_a_handler_that_listens_and_tells_every_caller_all_of_them() {
    let system = system_with(&[
        ("TTS_API_KEY", "@Microsoft.KeyVault(SecretUri=https://vault/secrets/key)"),
        ("TTS_DELIVERY", "events"),
        ("IOT_HUB_CONNECTION_STRING", "HostName=hub;DeviceId=d;SharedAccessKey=c2VjcmV0LXNlY3JldA=="),
        ("WEBHOOK_MESSAGE_TYPES", "all,uplink_message"),
    ])
    .await;
    let told = send(&system, &device("sensor-1").uplink(2, 1, &[1])).await;
    assert_eq!(told.status, 503);
    for name in ["IOT_HUB_CONNECTION_STRING", "TTS_API_KEY", "TTS_DELIVERY", "WEBHOOK_MESSAGE_TYPES"] {
        assert!(told.reason().contains(name), "{told:?}");
    }
    let health = system.host.invoke_raw("health", b"{}".to_vec()).await;
    let health = String::from_utf8(health.body).unwrap();
    for expected in [
        "IOT_HUB_CONNECTION_STRING: found a device's connection string",
        "TTS_API_KEY: its Key Vault reference is not resolved",
        "expected api (every The Things Stack), or package",
        "WEBHOOK_MESSAGE_TYPES: found all beside 1 others, which contradicts",
    ] {
        assert!(health.contains(expected), "{health}");
        system.host.wait_for_log(|line| line.contains(expected), LIMIT).await.unwrap();
    }
    assert!(!health.contains("c2VjcmV0"), "{health}");
    assert_eq!(system.host.handler_starts(), 1);
}

#[tokio::test]
async fn hub_events_fail_while_settings_are_wrong_so_that_the_host_retries_them() {
    let system = system_with(&[("TTS_API_KEY", "")]).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    let invocations = system.host.wait_for_invocations("hub_events", 1, LIMIT).await.unwrap();
    assert_eq!((invocations[0].succeeded, invocations[0].status), (false, Some(503)));
}

#[tokio::test]
async fn check_config_prints_every_problem_and_exits_64_or_0() {
    let (code, report) = check_config(&[("IOT_HUB_HTTPS_PORT", "0")]).await;
    assert_eq!(code, Some(64));
    assert_eq!(report["status"], "misconfigured");
    assert_eq!(report["settings_problems"].as_array().unwrap().len(), 5, "{report:#}");
    let system = system().await;
    let (code, report) = check_config(&[
        ("IOT_HUB_CONNECTION_STRING", &system.iot_hub.connection_string("iothubowner")),
        ("TTS_BASE_URL", &system.tts.base_url()),
        ("TTS_APPLICATION_ID", "plant-a"),
        ("TTS_API_KEY", system.tts.api_key()),
    ])
    .await;
    assert_eq!((code, report["status"].as_str()), (Some(0), Some("ok")), "{report:#}");
}
