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

#[tokio::test]
async fn check_config_knows_both_ways_to_open_iot_hub_and_names_what_is_missing_or_too_much() {
    let others = [
        ("TTS_BASE_URL", "https://eu1.cloud.thethings.industries"),
        ("TTS_APPLICATION_ID", "plant-a"),
        ("TTS_API_KEY", "NNSXS.AAAA.BBBB"),
    ];
    let keyless = [
        ("IOT_HUB_HOST_NAME", "my-hub.azure-devices.net"),
        ("IOT_HUB_DEVICE_POLICY_KEY", "aHVudGVyMi1odW50ZXIyLWh1bnRlcjI="),
        ("AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000000"),
    ];
    let platform = [("IDENTITY_ENDPOINT", "http://127.0.0.1:41000/msi/token"), ("IDENTITY_HEADER", "hunter2")];
    let string =
        [("IOT_HUB_CONNECTION_STRING", "HostName=h;SharedAccessKeyName=p;SharedAccessKey=aHVudGVyMi1odW50ZXIyLWg=")];
    for (settings, expected) in [
        ([&keyless[..], &platform].concat(), None),
        ([&keyless[..], &platform, &string].concat(), Some("IOT_HUB_CONNECTION_STRING: it is set, and so is keyless")),
        ([&keyless[..1], &platform].concat(), Some("IOT_HUB_DEVICE_POLICY_KEY: it is not set, nor is AZURE_CLIENT_ID")),
        (keyless.to_vec(), Some("IDENTITY_ENDPOINT: it or IDENTITY_HEADER is not set")),
        (platform.to_vec(), Some("IOT_HUB_CONNECTION_STRING: it is not set, and there is no default")),
    ] {
        let (code, report) = check_config(&[&others[..], &settings].concat()).await;
        let problems = report["settings_problems"].as_array().unwrap();
        assert_eq!((code, problems.len()), if expected.is_some() { (Some(64), 1) } else { (Some(0), 0) }, "{report:#}");
        assert!(expected.is_none_or(|expected| problems[0].as_str().unwrap().starts_with(expected)), "{report:#}");
        assert!(!report.to_string().contains("hunter2") && !report.to_string().contains("aHVudGVy"), "{report:#}");
    }
}

#[tokio::test]
async fn a_misspelt_setting_is_a_problem_and_not_a_default() {
    let system = system_with(&[("WEBHOOK_SECRET", "hunter2-long-enough")]).await;
    let told = send(&system, &device("sensor-1").uplink(2, 1, &[1])).await;
    assert!(told.status == 503 && told.reason().contains("WEBHOOK_SECRET"), "{told:?}");
    let expected = "WEBHOOK_SECRET: found a setting that there is not, expected perhaps WEBHOOK_SECRETS";
    system.host.wait_for_log(|line| line.contains(expected), LIMIT).await.unwrap();
    let (code, report) = check_config(&[("WEBHOOK_SECRET", "hunter2-long-enough"), ("TTS_DELIVERYS", "")]).await;
    let problems = report["settings_problems"].to_string();
    assert!(code == Some(64) && problems.contains(expected), "{report:#}");
    assert!(!problems.contains("hunter2") && !problems.contains("DELIVERYS"), "an empty value is an absent one");
}
