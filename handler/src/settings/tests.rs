//! Right and wrong environments.

use std::collections::BTreeMap;

use super::*;

const API_KEY: &str =
    "NNSXS.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA.BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

fn smallest() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        (
            "IOT_HUB_CONNECTION_STRING",
            "HostName=hub.azure-devices.net;SharedAccessKeyName=p;SharedAccessKey=MDEyMzQ1Njc4OWFiY2RlZg==".to_owned(),
        ),
        ("TTS_BASE_URL", "https://eu1.cloud.thethings.industries".to_owned()),
        ("TTS_APPLICATION_ID", "plant-a".to_owned()),
        ("TTS_API_KEY", API_KEY.to_owned()),
    ])
}

fn keyless() -> BTreeMap<&'static str, String> {
    let mut values = smallest();
    values.remove("IOT_HUB_CONNECTION_STRING");
    let keyless = [
        ("IOT_HUB_HOST_NAME", "hub.azure-devices.net"),
        ("IOT_HUB_DEVICE_POLICY_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
        ("AZURE_CLIENT_ID", "00000000-0000-0000-0000-000000000000"),
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:41000/msi/token"),
        ("IDENTITY_HEADER", "hunter2"),
    ];
    values.extend(keyless.map(|(name, value)| (name, value.to_owned())));
    values
}

fn read(values: &BTreeMap<&'static str, String>) -> Result<Settings, Problems> {
    Settings::from_lookup(|name| values.get(name).cloned())
}

fn with(name: &'static str, value: &str) -> Result<Settings, Problems> {
    let mut values = smallest();
    values.insert(name, value.to_owned());
    read(&values)
}

#[test]
fn the_smallest_environment_is_enough_and_the_rest_has_defaults() {
    let settings = read(&smallest()).unwrap();
    assert_eq!(settings.iot_hub_access.policy.host_name, "hub.azure-devices.net");
    assert_eq!(settings.iot_hub_https_port, 443);
    assert_eq!(settings.webhook_message_types, MessageTypes::All);
    assert_eq!(settings.webhook_answer_within, Duration::from_secs(4));
    assert_eq!((settings.tts_delivery, settings.tts_on_device_deletion), (Delivery::Api, OnDeviceDeletion::Delete));
    assert_eq!(settings.tts_identity_server_url, settings.tts_base_url);
    assert!(settings.webhook_secrets.is_empty() && settings.iot_hub_extra_roots.is_empty());
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_documentation() {
    let problems =
        read(&BTreeMap::from([("IOT_HUB_HTTPS_PORT", "0".to_owned()), ("LOG_LEVEL", "loud".to_owned())])).unwrap_err();
    let names: Vec<_> = problems.iter().map(|problem| &*problem.name).collect();
    assert_eq!(
        names,
        [
            "IOT_HUB_CONNECTION_STRING",
            "IOT_HUB_HTTPS_PORT",
            "TTS_BASE_URL",
            "TTS_APPLICATION_ID",
            "TTS_API_KEY",
            "LOG_LEVEL"
        ]
    );
}

#[test]
fn several_applications_share_a_hub_under_a_template_that_tells_them_apart() {
    let mut values = smallest();
    values.insert("IOT_HUB_DEVICE_ID_TEMPLATE", "{application_id}.{device_id}".to_owned());
    values.insert("TTS_FURTHER_APPLICATION_IDS", "plant-b, plant-c".to_owned());
    let device_ids = read(&values).unwrap().device_ids;
    assert_eq!(device_ids.in_hub(Some("plant-c"), "sensor-1").unwrap(), "plant-c.sensor-1");
    assert!(device_ids.in_hub(Some("plant-d"), "sensor-1").is_err());
}

#[test]
fn a_wrong_value_is_a_problem_that_says_what_is_expected() {
    for (name, value, expected) in [
        ("IOT_HUB_CONNECTION_STRING", "hub.azure-devices.net", "expected `name=value` parts"),
        ("IOT_HUB_HTTPS_PORT", "https", "expected a port"),
        ("IOT_HUB_CA_FILE", "/nowhere/ca.pem", "cannot read it"),
        ("IOT_HUB_CA_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "found no certificate"),
        ("IOT_HUB_REGISTRY_CALLS_PER_MINUTE", "0", "at least 1"),
        ("TTS_BASE_URL", "eu1.cloud.thethings.industries", "not a URL"),
        ("TTS_BASE_URL", "http://eu1.cloud.thethings.industries", "over TLS only"),
        ("TTS_BASE_URL", "https://user:hunter2@eu1.cloud.thethings.industries", "found a user"),
        ("TTS_APPLICATION_ID", "Plant A", "expected 3 to 36"),
        ("TTS_API_KEY", "hunter2", "not an API key"),
        ("TTS_DELIVERY", "events", "expected api"),
        ("TTS_ON_DEVICE_DELETION", "ignore", "expected delete or keep"),
        ("TTS_IDENTITY_SERVER_URL", "eu1.cloud.thethings.industries", "not a URL"),
        ("TTS_FURTHER_APPLICATION_IDS", "plant-b", "expected a template with {application_id}"),
        ("TTS_FURTHER_APPLICATION_IDS", "plant-b,Plant C", "expected 3 to 36"),
        ("IOT_HUB_MQTT_PORT", "mqtt", "expected a port"),
        ("IOT_HUB_CONNECTION_IDLE_SECONDS", "31", "expected 0 to 30"),
        ("IOT_HUB_CONNECTIONS_PER_SECOND", "0", "expected a number from 1"),
        ("IOT_HUB_TWIN_UPDATES_PER_SECOND", "many", "expected a number from 1"),
        ("IOT_HUB_TWIN_UNCHANGED_SECONDS", "-1", "expected 0 to 86400"),
        ("IOT_HUB_TWIN_RADIO_STATE", "yes", "expected on or off"),
        ("IOT_HUB_TWIN_DECODED_PAYLOAD", "overwrite", "expected merge or replace"),
        ("WEBHOOK_TWIN_TYPES", "none,join_accept", "expected all, or some of"),
        ("IOT_HUB_DEVICE_ID_TEMPLATE", "{application_id}", "expected {device_id} once"),
        ("WEBHOOK_SECRETS", "hunter2-long-enough,hunter2", "secret 2 of 2 is too short"),
        ("WEBHOOK_MESSAGE_TYPES", "uplink", "expected all, or some of uplink_message"),
        ("WEBHOOK_MESSAGE_TYPES", "all,join_accept", "contradicts"),
        ("WEBHOOK_ANSWER_WITHIN_SECONDS", "30", "expected 1 to 9"),
        ("TTS_APPLICATION_ID", "NNSXS.hunter2.hunter2", "something that looks like a key"),
        ("TTS_BASE_URL", "NNSXS.hunter2.hunter2", "something that looks like a key"),
        ("LOG_LEVEL", "INFO!", "expected error, warn"),
    ] {
        let problems = with(name, value).unwrap_err();
        let text = problems.to_string();
        assert!(text.starts_with(&format!("{name}: ")) && text.contains(expected), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(problems.iter().count(), 1, "{text}");
    }
}

#[test]
fn no_key_or_secret_is_shown_whichever_setting_it_is_pasted_into() {
    let pasted = [
        "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=",
        "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4",
        "Zm9vYmFyYmF6cXV4:Zm9v",
        "Zm9vYmFyYmF6cXV4,Zm9vYmFyYmF6cXV5",
        "Zm9v bmFyYmF6 cXV4 Zm9v",
        "Zm9v/YmFy{device_id}",
    ];
    for (name, secret) in NAMES.iter().flat_map(|name| pasted.map(|secret| (*name, secret))) {
        for mut values in [smallest(), keyless()] {
            values.insert(name, secret.to_owned());
            if let Err(problems) = read(&values) {
                let text = problems.to_string();
                assert!(!text.to_lowercase().contains("zm9v"), "{name}: {text}");
            }
        }
    }
}

#[test]
fn a_policys_name_and_key_that_changed_places_are_named_and_not_shown() {
    let mut values = keyless();
    let key = values.insert("IOT_HUB_DEVICE_POLICY_KEY", "device-connect".to_owned()).unwrap();
    values.insert("IOT_HUB_DEVICE_POLICY_NAME", key);
    let text = read(&values).unwrap_err().to_string();
    assert!(text.contains("IOT_HUB_DEVICE_POLICY_NAME: found 44 characters (not shown"), "{text}");
    assert!(text.contains("IOT_HUB_DEVICE_POLICY_KEY: ") && !text.contains("MDEyM"), "{text}");
}

#[test]
fn an_unresolved_key_vault_reference_is_recognised_and_named() {
    for name in ["TTS_API_KEY", "IOT_HUB_CONNECTION_STRING", "WEBHOOK_SECRETS"] {
        let text = with(name, "@Microsoft.KeyVault(SecretUri=https://vault/secrets/x)").unwrap_err().to_string();
        assert!(text.starts_with(&format!("{name}: its Key Vault reference is not resolved")), "{text}");
    }
}

#[test]
fn an_empty_value_is_an_absent_one() {
    assert!(with("WEBHOOK_SECRETS", " ").unwrap().webhook_secrets.is_empty());
    assert!(with("TTS_API_KEY", "").unwrap_err().to_string().contains("not set"));
}

#[test]
fn the_base_url_ends_in_the_api_version_however_it_was_written() {
    for (given, expected) in [
        ("https://eu1.example", "https://eu1.example/api/v3"),
        ("https://eu1.example/", "https://eu1.example/api/v3"),
        ("https://eu1.example/api/v3", "https://eu1.example/api/v3"),
        ("https://eu1.example:8885/api/v3/", "https://eu1.example:8885/api/v3"),
        ("http://127.0.0.1:1885", "http://127.0.0.1:1885/api/v3"),
        ("http://[::1]:1885", "http://[::1]:1885/api/v3"),
        ("http://localhost:1885/api/v3", "http://localhost:1885/api/v3"),
    ] {
        assert_eq!(with("TTS_BASE_URL", given).unwrap().tts_base_url.as_str(), expected);
    }
}

#[test]
fn settings_show_no_secret() {
    let mut values = smallest();
    values.insert("WEBHOOK_SECRETS", "hunter2-long-enough".to_owned());
    let shown = format!("{:?}", read(&values).unwrap());
    for secret in ["hunter2", "MDEyMzQ1", "BBBBBBBB"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
