//! Settings, sample, SETTINGS.md and function.json list the same names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{NAMES, Settings};

/// Settings of the Functions host itself that a run on one's own machine needs.
const OF_THE_LOCAL_HOST: [&str; 8] = [
    "FUNCTIONS_WORKER_RUNTIME",
    "AzureWebJobsStorage",
    "PARKED_QUEUE_NAME",
    "DEAD_LETTER_QUEUE_NAME",
    "AzureWebJobs.hub_events.Disabled",
    "EVENT_HUB",
    "EVENT_HUB_NAME",
    "EVENT_HUB_CONSUMER_GROUP",
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn json(path: &str) -> Value {
    let text = std::fs::read_to_string(repository().join(path)).expect("the file is in the repository");
    serde_json::from_str(&text).expect("the file is JSON")
}

fn sample() -> Value {
    json("local.settings.sample.json")["Values"].clone()
}

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_sample_lists_every_setting_and_those_of_the_local_host() {
    let listed = sample().as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(listed, set(NAMES.into_iter().chain(OF_THE_LOCAL_HOST)));
}

#[test]
fn the_samples_values_are_right() {
    let sample = sample();
    let settings = Settings::from_lookup(|name| sample[name].as_str().map(str::to_owned));
    assert!(settings.is_ok(), "{}", settings.unwrap_err());
}

#[test]
fn the_sample_filled_in_for_keyless_access_is_right_too() {
    let sample = sample();
    let settings = Settings::from_lookup(|name| {
        let value = match name {
            "IOT_HUB_CONNECTION_STRING" => "",
            "IOT_HUB_HOST_NAME" => "my-hub.azure-devices.net",
            "IOT_HUB_DEVICE_POLICY_KEY" => "c2FtcGxlLXNhbXBsZS1zYW1wbGU=",
            "AZURE_CLIENT_ID" => "00000000-0000-0000-0000-000000000000",
            "IDENTITY_ENDPOINT" => "http://127.0.0.1:41000/msi/token",
            "IDENTITY_HEADER" => "sample",
            _ => sample[name].as_str()?,
        };
        Some(value.to_owned())
    });
    assert!(settings.is_ok_and(|settings| settings.iot_hub_access.client_id.is_some()));
}

#[test]
fn the_document_describes_every_setting() {
    let path = repository().join("handler/SETTINGS.md");
    let document = std::fs::read_to_string(path).expect("SETTINGS.md is in the repository");
    let described = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(name, _)| name);
    let described: BTreeSet<_> =
        described.filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')).map(str::to_owned).collect();
    let host: BTreeSet<_> = set(OF_THE_LOCAL_HOST);
    assert_eq!(described.difference(&host).cloned().collect::<BTreeSet<_>>(), set(NAMES));
}

#[test]
fn every_name_a_function_json_refers_to_is_a_setting_of_the_host() {
    let mut referred = BTreeSet::new();
    for folder in std::fs::read_dir(repository().join("functions")).expect("functions/ is in the repository") {
        let name = folder.expect("readable").file_name().into_string().expect("function names are ASCII");
        let function = json(&format!("functions/{name}/function.json"));
        for binding in function["bindings"].as_array().unwrap() {
            for (key, value) in binding.as_object().unwrap() {
                let Some(value) = value.as_str() else { continue };
                if key == "connection" {
                    referred.insert(value.to_owned());
                }
                referred.extend(value.split('%').skip(1).step_by(2).map(str::to_owned));
            }
        }
    }
    let expected = [
        "AzureWebJobsStorage",
        "DEAD_LETTER_QUEUE_NAME",
        "EVENT_HUB",
        "EVENT_HUB_CONSUMER_GROUP",
        "EVENT_HUB_NAME",
        "PARKED_QUEUE_NAME",
    ];
    assert_eq!(referred, set(expected));
    assert!(referred.is_subset(&set(OF_THE_LOCAL_HOST)));
}
