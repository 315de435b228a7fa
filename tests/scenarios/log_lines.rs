//! The log lines that an operator's pictures and alerts are made of.

use std::collections::BTreeSet;

use local::iot_hub::{Effect, Fault, Operation};
use local::system::{Options, System};
use serde_json::{Value, json};

use crate::support::{LIMIT, create_tagged, device, lorawan_status, lorawan_tags, messages, queued, send, start};

const WORKBOOK: &str = include_str!("../../infra/workbook.json");
const ALERTS: &str = include_str!("../../infra/modules/log-alerts.bicep");

/// The members of a log line that queries read: `line.<name>`.
fn read_by(queries: &str) -> BTreeSet<&str> {
    let names = queries.split("line.").skip(1);
    names.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap()).collect()
}

async fn line(system: &System, part: &str) -> Value {
    let line = system.host.wait_for_log(|line| line.contains(part), LIMIT).await.unwrap();
    serde_json::from_str(&line.text).expect("log lines are JSON")
}

fn fate(version: u64) -> Value {
    let mut message = device("sensor-1").uplink(2, 1, &[1]);
    let mut downlink = json!({"correlation_ids": [format!("azure:desired:{version}")]});
    downlink["f_port"] = json!(15);
    message.as_object_mut().unwrap().remove("uplink_message");
    message["downlink_ack"] = downlink;
    message
}

/// IoT Hub is out of reach for five messages.
async fn an_outage(system: &System) {
    system.iot_hub.inject(Fault::new(Operation::DeviceSend, Effect::ResetBefore));
    let sent = (2..=6).map(|f_cnt| {
        let (tts, webhook, uplink) =
            (system.tts.clone(), system.webhook.clone(), device("sensor-1").uplink(2, f_cnt, &[1]));
        tokio::spawn(async move { tts.send(&webhook, &uplink).await.delivered() })
    });
    for parked in sent.collect::<Vec<_>>() {
        assert!(parked.await.unwrap());
    }
    let opened = line(system, r#""circuit":"open""#).await;
    assert_eq!(opened["peer"], "IoT Hub");
    system.iot_hub.clear_faults();
    line(system, r#""circuit":"closed""#).await;
    messages(system, 6).await;
}

/// A downlink for a device that has not joined: it waits by itself.
async fn a_downlink_that_waits(system: &System) {
    create_tagged(system, "sensor-2", &lorawan_tags());
    lorawan_status(system, "sensor-2", "registered").await;
    let desired = json!({"rawDownlink": {"fPort": 15, "framePayload": "01"}});
    system.iot_hub.patch_twin("sensor-2", json!({"properties": {"desired": desired}})).unwrap();
    let waiting = line(system, "parked item not redelivered yet").await;
    assert!(waiting["first_seen"].is_string() && waiting["attempts"].is_u64(), "{waiting}");
}

/// A batch that the host repeats though it was parked, e.g. because it cannot write the queue.
async fn a_batch_that_is_stuck(system: &System) {
    let repeated = |retries: u32| {
        let metadata = json!({"RetryContext": {"RetryCount": retries, "MaxRetryCount": -1}});
        json!({"Data": {"events": "[]"}, "Metadata": metadata}).to_string().into_bytes()
    };
    system.host.invoke_raw("hub_events", repeated(5)).await;
    system.host.invoke_raw("hub_events", repeated(6)).await;
    let stuck = line(system, r#""stuck":true"#).await;
    assert_eq!((&stuck["retry_count"], &stuck["level"]), (&json!(6), &json!("ERROR")), "{stuck}");
    system.host.invoke_raw("hub_events", b"{}".to_vec()).await;
    let unreadable = line(system, "hub events cannot be read").await;
    assert_eq!(unreadable["stuck"], true, "{unreadable}");
}

#[tokio::test]
async fn every_member_of_a_line_that_the_workbook_and_the_alerts_read_is_there() {
    let mut options = Options::default();
    options.settings.insert("WEBHOOK_TWIN_TYPES".to_owned(), "all".to_owned());
    let system = start(options).await;
    system.iot_hub.create_device("sensor-1").unwrap();
    let tally = line(&system, "hub events: ").await;
    assert_eq!((&tally["delivered"], &tally["ignored"], &tally["dead_lettered"]), (&json!(0), &json!(1), &json!(0)));
    assert_eq!(send(&system, &fate(3)).await.status, 200);
    let news = line(&system, "news of a downlink").await;
    assert_eq!((&news["fate"], &news["desired_version"]), (&json!("ack"), &json!(3)));
    an_outage(&system).await;
    a_downlink_that_waits(&system).await;
    a_batch_that_is_stuck(&system).await;
    system.iot_hub.set_device_enabled("sensor-1", false).unwrap();
    assert_eq!(send(&system, &device("sensor-1").uplink(2, 3, &[1])).await.status, 202);
    let dead = queued(&system, "dead-letter", 2).await.len();
    let lines: Vec<Value> =
        system.host.logs().iter().filter_map(|line| serde_json::from_str(&line.text).ok()).collect();
    let sum = |name: &str| lines.iter().filter_map(|line| line[name].as_u64()).sum::<u64>();
    assert_eq!(sum("dead_lettered"), dead as u64);
    assert!(sum("parked") >= 1);
    let written: BTreeSet<_> =
        lines.iter().filter_map(Value::as_object).flat_map(|line| line.keys().map(String::as_str)).collect();
    let read: BTreeSet<_> = read_by(WORKBOOK).union(&read_by(ALERTS)).copied().collect();
    assert!(read.len() > 10, "{read:?}");
    assert_eq!(read.difference(&written).collect::<Vec<_>>(), Vec::<&&str>::new());
}
