//! What could not be delivered is seen and put right from a terminal, against the real storage emulator.

use std::process::{Command, Output};
use std::time::Duration;

use local::azurite::{Azurite, AzuriteError};
use local::storage_queue::Queues;
use local::system::Options;
use serde_json::{Value, json};

use crate::support::{device, messages, script_root, send, start};

/// The emulator; or, on a machine that is no CI machine and has no Node or reaches no registry, a note and nothing.
#[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "only CI insists on Azurite")]
async fn azurite() -> Option<Azurite> {
    match Azurite::start().await {
        Err(error @ (AzuriteError::Missing { .. } | AzuriteError::Install { .. }))
            if std::env::var_os("CI").is_none() =>
        {
            eprintln!("skipped: {error}");
            None
        }
        other => Some(other.unwrap()),
    }
}

/// What a command said, and how it ended.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|reason| panic!("{reason}: {self:?}"))
    }
}

/// Runs `handler dead-letters …` with that storage account.
async fn dead_letters(account: &str, arguments: &str) -> Said {
    let mut command = Command::new(script_root().await.join("handler"));
    command.arg("dead-letters").args(arguments.split(' ')).env_clear().env("AzureWebJobsStorage", account);
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let [out, err] = [stdout, stderr].map(|said| String::from_utf8(said).unwrap());
    Said { code: status.code(), out, err }
}

/// Puts items as the Functions host does, in base64; every seventh is of the same device.
async fn put_items(queues: &Queues, queue_name: &str, count: usize) {
    for number in 0..count {
        let item = json!({
            "kind": "uplink", "reason": "IoT Hub refused: it is disabled", "error": "refused",
            "first_seen": "2026-11-21T10:00:00Z", "attempts": 3, "not_before": "2099-01-01T00:00:00Z",
            "device_id": format!("sensor-{}", number % 7), "original": {"message": {"f_cnt": number}},
        });
        queues.put_creating(queue_name, &base64(&item.to_string())).await.unwrap();
    }
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// All messages of a queue that anybody could get now.
async fn visible(queues: &Queues, queue_name: &str) -> usize {
    let mut count = 0;
    loop {
        match queues.get(queue_name, 32, Duration::from_mins(1)).await.unwrap().len() {
            0 => return count,
            got => count += got,
        }
    }
}

#[tokio::test]
async fn a_message_of_a_disabled_device_is_delivered_once_the_device_is_enabled_and_the_dead_letter_retried() {
    let Some(azurite) = azurite().await else { return };
    let account = azurite.connection_string();
    let system = start(Options { queues: azurite.queues().unwrap(), ..Options::default() }).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    system.iot_hub.set_device_enabled("sensor-1", false).unwrap();
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 17, &[1])).await.body["status"], "dead-lettered");

    let listed = dead_letters(&account, "list").await;
    assert!(listed.code == Some(0) && listed.out.contains("\n1 message in queue dead-letter.\n"), "{listed:?}");
    assert!(listed.out.contains("uplink  sensor-1"), "{listed:?}");
    let id = dead_letters(&account, "list --json").await.json()["messages"][0]["id"].as_str().unwrap().to_owned();
    let shown = dead_letters(&account, &format!("show {id}")).await.json();
    assert_eq!(shown["item"]["original"]["message"]["uplink_message"]["f_cnt"], 17);

    system.iot_hub.set_device_enabled("sensor-1", true).unwrap();
    let foretold = dead_letters(&account, &format!("retry {id}")).await;
    assert!(foretold.out.contains("Nothing is changed yet: --yes does it."), "{foretold:?}");
    let retried = dead_letters(&account, &format!("retry {id} --yes")).await;
    assert!(
        retried.code == Some(0) && retried.out.contains(&format!("retried {id}: uplink of sensor-1")),
        "{retried:?}"
    );

    let message = messages(&system, 1).await.remove(0);
    assert_eq!((message.device_id.as_str(), message.properties["redelivered"].as_str()), ("sensor-1", "true"));
    assert_eq!(dead_letters(&account, "list --json").await.json()["total"], 0);
}

#[tokio::test]
async fn every_message_of_a_long_queue_is_listed_and_none_stays_hidden() {
    let Some(azurite) = azurite().await else { return };
    let queues = azurite.queues().unwrap();
    put_items(&queues, "parked-poison", 70).await;
    let listed = dead_letters(&azurite.connection_string(), "list --queue parked-poison --json").await.json();
    assert_eq!((&listed["total"], &listed["hidden"]), (&json!(70), &json!(0)));
    assert_eq!(listed["messages"].as_array().unwrap().len(), 70);
    assert_eq!(visible(&queues, "parked-poison").await, 70);
}

#[tokio::test]
async fn all_items_of_one_device_are_retried_afresh_and_the_others_stay_visible() {
    let Some(azurite) = azurite().await else { return };
    let (queues, account) = (azurite.queues().unwrap(), azurite.connection_string());
    put_items(&queues, "dead-letter", 70).await;
    let retried = dead_letters(&account, "retry --all --device sensor-3 --yes").await;
    let total = "10 put from queue dead-letter into queue parked, 0 skipped, 0 failed.\n";
    assert!(retried.code == Some(0) && retried.out.ends_with(total), "{retried:?}");
    let parked = dead_letters(&account, "list --queue parked --json").await.json();
    let afresh =
        |item: &Value| item["attempts"] == 0 && item["not_before"].is_null() && item["device_id"] == "sensor-3";
    assert!(parked["messages"].as_array().unwrap().iter().all(afresh), "{parked:#}");
    assert_eq!((&parked["total"], visible(&queues, "dead-letter").await), (&json!(10), 60));
}

#[tokio::test]
async fn a_dead_letter_is_deleted_only_when_told_so_and_an_unknown_one_is_named() {
    let Some(azurite) = azurite().await else { return };
    let (queues, account) = (azurite.queues().unwrap(), azurite.connection_string());
    put_items(&queues, "dead-letter", 2).await;
    let id = dead_letters(&account, "list --json").await.json()["messages"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(dead_letters(&account, &format!("delete {id}")).await.code, Some(0));
    assert_eq!(queues.approximate_count("dead-letter").await.unwrap(), 2);
    assert_eq!(dead_letters(&account, &format!("delete {id} --yes")).await.code, Some(0));
    let again = dead_letters(&account, &format!("delete {id} --yes")).await;
    assert!(again.code == Some(66) && again.out.contains(&format!("found no message {id}")), "{again:?}");
    assert_eq!(visible(&queues, "dead-letter").await, 1);
}

#[tokio::test]
async fn a_wrong_key_and_missing_settings_are_explained_without_showing_the_key() {
    let missing = dead_letters("", "list").await;
    assert!(missing.code == Some(64) && missing.err.starts_with("AzureWebJobsStorage: it is not set"), "{missing:?}");
    let Some(azurite) = azurite().await else { return };
    let account = azurite.connection_string().replace("AccountKey=Eby8", "AccountKey=AAAA");
    let refused = dead_letters(&account, "list").await;
    assert!(refused.code == Some(1) && refused.err.contains("does not let us in (403"), "{refused:?}");
    assert!(!refused.err.contains("vdM02xNOcqFl"), "{refused:?}");
}
