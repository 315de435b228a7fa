//! The commands against a queue service in memory.

use axum::http::Method;
use clap::Parser;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::*;
use crate::error::Error;
use crate::parking::{Item, Kind};
use crate::storage_queue::stand_in::StandIn;

#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

fn item(device_id: &str, first_seen: &str) -> Item {
    let original = json!({"message": {"f_cnt": 1}});
    let error = Error::Malformed(format!("no\nreason {device_id}"));
    let item = Item::new(Kind::Uplink, &error, OffsetDateTime::parse(first_seen, &Rfc3339).unwrap(), &original);
    let mut item = item.about(Some(device_id.to_owned()), None);
    item.attempts = 12;
    item
}

fn text(device_id: &str) -> String {
    item(device_id, "2026-11-21T10:00:00Z").encode().unwrap()
}

fn holds(stand_in: &StandIn, queue: &str, devices: &[&str]) {
    devices.iter().for_each(|device| stand_in.holds(queue, &text(device)));
}

/// Runs the command and returns its exit code and all it says.
async fn said(stand_in: &StandIn, line: &str) -> (u8, String) {
    let line = Line::try_parse_from(["dead-letters"].into_iter().chain(line.split(' '))).unwrap();
    let queues = Queues::new(stand_in.service().clone(), "parked", "dead-letter");
    let mut out = Vec::new();
    let outcome = execute(line.command, &queues, &mut out).await;
    let mut out = String::from_utf8(out).unwrap();
    let code = outcome.map_or_else(
        |failure| {
            out.push_str(&failure.to_string());
            failure.exit_code()
        },
        Outcome::exit_code,
    );
    (code, out)
}

#[tokio::test]
async fn list_shows_every_message_oldest_first_and_what_is_not_ours() {
    let stand_in = StandIn::start().await;
    stand_in.holds_raw("dead-letter", "hello");
    stand_in.holds("dead-letter", &item("sensor-2", "2026-11-21T11:00:00Z").encode().unwrap());
    stand_in.holds("dead-letter", &item("sensor-1", "2026-11-21T10:00:00Z").encode().unwrap());
    let expected = "\
id  kind    device_id  first_seen            attempts  error      reason
m3  uplink  sensor-1   2026-11-21T10:00:00Z  12        malformed  no reason sensor-1
m2  uplink  sensor-2   2026-11-21T11:00:00Z  12        malformed  no reason sensor-2
m1  -       -          -                     -         -          not an item of the handler: its text is not base64

3 messages in queue dead-letter.
Azure Storage drops what is still there when it expires; the first at 2026-11-28T10:00:00Z.
";
    assert_eq!(said(&stand_in, "list").await, (0, expected.to_owned()));
    assert!(stand_in.requests().iter().all(|(method, ..)| method == Method::GET), "a short queue is only looked at");
}

#[tokio::test]
async fn list_shows_all_of_a_long_queue_and_leaves_nothing_hidden() {
    let stand_in = StandIn::start().await;
    (0..70).for_each(|number| stand_in.holds("parked", &text(&format!("sensor-{number}"))));
    let (code, said) = said(&stand_in, "list --queue parked").await;
    assert!(code == 0 && said.contains("\n70 messages in queue parked.\n"), "{said}");
    assert!((0..70).all(|number| said.contains(&format!(" sensor-{number} "))), "{said}");
    assert_eq!((stand_in.hidden("parked"), stand_in.contents("parked").len()), (0, 70));
}

#[tokio::test]
async fn list_says_when_messages_are_hidden_and_when_they_stay_hidden() {
    let stand_in = StandIn::start().await;
    (0..40).for_each(|_| stand_in.holds("parked", &text("sensor-1")));
    stand_in.queue("parked").receive(std::time::Duration::from_secs(60)).await.unwrap();
    let (_, found) = said(&stand_in, "list --queue parked").await;
    assert!(found.contains("8 messages in queue parked.\nAbout 32 more are hidden"), "{found}");

    (0..40).for_each(|_| stand_in.holds("dead-letter", &text("sensor-1")));
    stand_in.fails(Method::PUT, "/messages/");
    let (code, found) = said(&stand_in, "list").await;
    assert!(code == 1 && found.contains("40 messages could not be given back"), "{found}");
}

#[tokio::test]
async fn list_prints_json_for_programs() {
    let stand_in = StandIn::start().await;
    stand_in.holds("dead-letter", &text("sensor-1"));
    stand_in.holds_raw("dead-letter", "hello");
    let (_, said) = said(&stand_in, "list --json").await;
    let found: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        found,
        json!({"queue": "dead-letter", "exists": true, "total": 2, "hidden": 0, "messages": [
            {"id": "m1", "inserted": "2026-11-21T10:00:00Z", "expires": "2026-11-28T10:00:00Z", "dequeue_count": 0,
             "kind": "uplink", "device_id": "sensor-1", "first_seen": "2026-11-21T10:00:00Z", "attempts": 12,
             "error": "malformed", "reason": "no\nreason sensor-1"},
            {"id": "m2", "inserted": "2026-11-21T10:00:00Z", "expires": "2026-11-28T10:00:00Z", "dequeue_count": 0,
             "problem": "not an item of the handler: its text is not base64"},
        ]})
    );
}

#[tokio::test]
async fn a_queue_that_does_not_exist_yet_is_an_empty_one() {
    let stand_in = StandIn::start().await;
    let (code, found) = said(&stand_in, "list").await;
    assert!(code == 0 && found.contains("There is no queue dead-letter"), "{found}");
    assert_eq!(said(&stand_in, "retry --all --yes").await.0, 0);
    assert_eq!(said(&stand_in, "show m1").await.0, 66);
}

#[tokio::test]
async fn show_prints_the_whole_item_with_its_original_decompressed() {
    let stand_in = StandIn::start().await;
    let original = json!({"message": {"f_cnt": 1, "noise": "a".repeat(60_000)}});
    let error = Error::Malformed("because".to_owned());
    let large = Item::new(Kind::HubEvent, &error, OffsetDateTime::UNIX_EPOCH, &original).encode().unwrap();
    assert!(large.contains("original_gzip"));
    stand_in.holds("dead-letter", &large);
    let (code, found) = said(&stand_in, "show m1").await;
    let shown: Value = serde_json::from_str(&found).unwrap();
    assert_eq!((code, &shown["item"]["original"], &shown["item"]["kind"]), (0, &original, &json!("hub_event")));
    assert!(found.starts_with("{\n  \"id\": \"m1\",\n  \"queue\": \"dead-letter\","), "{found}");
    assert!(!found.contains("original_gzip"));

    stand_in.holds_raw("dead-letter", "hello");
    let shown: Value = serde_json::from_str(&said(&stand_in, "show m2").await.1).unwrap();
    assert_eq!((&shown["text"], &shown["item"]), (&json!("hello"), &Value::Null));
}

#[tokio::test]
async fn retry_only_says_what_it_would_do_until_told_to_do_it() {
    let stand_in = StandIn::start().await;
    (0..40).for_each(|_| stand_in.holds("dead-letter", &text("sensor-1")));
    let (code, found) = said(&stand_in, "retry --all").await;
    assert!(code == 0 && found.starts_with("would retry m1: uplink of sensor-1, malformed\n"), "{found}");
    assert!(found.contains("40 would be put from queue dead-letter into queue parked, 0 skipped."), "{found}");
    assert!(found.ends_with("Nothing is changed yet: --yes does it.\n"), "{found}");
    assert_eq!((stand_in.contents("dead-letter").len(), stand_in.hidden("dead-letter")), (40, 0));
    assert!(stand_in.contents("parked").is_empty());
}

#[tokio::test]
async fn retry_moves_what_is_named_to_be_tried_afresh_and_gives_the_rest_back() {
    let stand_in = StandIn::start().await;
    holds(&stand_in, "dead-letter", &["sensor-1", "sensor-2", "sensor-3"]);
    let (code, found) = said(&stand_in, "retry m1 m3 --yes").await;
    let expected = "retried m1: uplink of sensor-1, malformed\nretried m3: uplink of sensor-3, malformed\n\
        2 put from queue dead-letter into queue parked, 0 skipped, 0 failed.\n";
    assert_eq!((code, found.as_str()), (0, expected));
    let afresh = |device| text(device).replace("\"attempts\":12", "\"attempts\":0");
    assert_eq!(stand_in.contents("parked"), [afresh("sensor-1"), afresh("sensor-3")]);
    assert_eq!((stand_in.contents("dead-letter"), stand_in.hidden("dead-letter")), (vec![text("sensor-2")], 0));
}

#[tokio::test]
async fn retry_of_all_can_be_bounded_to_a_device_and_skips_what_is_not_ours() {
    let stand_in = StandIn::start().await;
    holds(&stand_in, "parked-poison", &["sensor-1", "sensor-2", "sensor-1"]);
    stand_in.holds("parked-poison", "hello");
    let (code, _) = said(&stand_in, "retry --all --device sensor-1 --queue parked-poison --yes").await;
    assert_eq!((code, stand_in.contents("parked").len()), (0, 2));
    assert_eq!(stand_in.contents("parked-poison"), [text("sensor-2"), "hello".to_owned()]);

    let (code, found) = said(&stand_in, "retry --all --queue parked-poison --yes").await;
    assert!(code == 0 && found.contains("skipped m4: found a queue message that is not an item"), "{found}");
    assert_eq!((stand_in.contents("parked-poison"), stand_in.hidden("parked-poison")), (vec!["hello".to_owned()], 0));
    assert_eq!(said(&stand_in, "retry m4 --queue parked-poison --yes").await.0, 1, "it was asked for by name");
}

#[tokio::test]
async fn retry_of_all_ends_although_what_is_tried_again_fails_and_comes_back() {
    let stand_in = StandIn::start().await;
    (0..40).for_each(|_| stand_in.holds("dead-letter", &text("sensor-1")));
    stand_in.brings_back("parked", "dead-letter");
    let limit = std::time::Duration::from_secs(20);
    let (code, found) = tokio::time::timeout(limit, said(&stand_in, "retry --all --yes")).await.unwrap();
    assert!(code == 0 && found.ends_with("\n40 put from queue dead-letter into queue parked, 0 skipped, 0 failed.\n"));
    assert_eq!((stand_in.contents("dead-letter").len(), stand_in.hidden("dead-letter")), (40, 0));
}

#[tokio::test]
async fn an_item_that_cannot_be_put_stays() {
    let stand_in = StandIn::start().await;
    stand_in.holds("dead-letter", &text("sensor-1"));
    stand_in.fails(Method::POST, "/parked/");
    let (code, found) = said(&stand_in, "retry --all --yes").await;
    assert!(code == 1 && found.contains("failed m1: cannot put it into queue parked, so it stays"), "{found}");
    assert_eq!((stand_in.contents("dead-letter"), stand_in.hidden("dead-letter")), (vec![text("sensor-1")], 0));
}

#[tokio::test]
async fn an_item_that_cannot_be_deleted_is_there_twice_rather_than_lost() {
    let stand_in = StandIn::start().await;
    stand_in.holds("dead-letter", &text("sensor-1"));
    stand_in.fails(Method::DELETE, "/messages/");
    let (code, found) = said(&stand_in, "retry m1 --yes").await;
    assert!(code == 1 && found.contains("in queue parked now, but still in dead-letter as well"), "{found}");
    assert_eq!((stand_in.contents("dead-letter").len(), stand_in.contents("parked").len()), (1, 1));
}

#[tokio::test]
async fn delete_needs_to_be_told_twice_and_takes_only_what_is_named() {
    let stand_in = StandIn::start().await;
    holds(&stand_in, "dead-letter", &["sensor-1", "sensor-2"]);
    let (code, found) = said(&stand_in, "delete m1").await;
    assert!(code == 0 && found.starts_with("would delete m1: uplink of sensor-1"), "{found}");
    assert_eq!(stand_in.contents("dead-letter").len(), 2);
    let (code, found) = said(&stand_in, "delete m1 --yes").await;
    assert!(code == 0 && found.ends_with("1 deleted from queue dead-letter, 0 skipped, 0 failed.\n"), "{found}");
    assert_eq!((stand_in.contents("dead-letter"), stand_in.hidden("dead-letter")), (vec![text("sensor-2")], 0));
}

#[tokio::test]
async fn an_unknown_id_is_named_and_the_others_are_dealt_with() {
    let stand_in = StandIn::start().await;
    stand_in.holds("dead-letter", &text("sensor-1"));
    let (code, found) = said(&stand_in, "delete m1 m7 --yes").await;
    assert!(code == 66 && found.contains("deleted m1: ") && found.contains("no message m7 in queue"), "{found}");
    assert_eq!(said(&stand_in, "retry m7").await.0, 66);
}

#[tokio::test]
async fn queues_are_called_by_their_part_whatever_their_name() {
    let stand_in = StandIn::start().await;
    let queues = Queues::new(stand_in.service().clone(), "plant-a", "plant-a-dead");
    for (word, name) in [
        ("parked", "plant-a"),
        ("dead-letter", "plant-a-dead"),
        ("parked-poison", "plant-a-poison"),
        ("plant-b", "plant-b"),
    ] {
        assert_eq!(&*queues.named(word).unwrap().name, name);
    }
    let (code, found) = said(&stand_in, "list --queue Plant_A").await;
    assert!(code == 64 && found.contains("expected dead-letter, parked, parked-poison or a queue's name"), "{found}");
    assert_eq!(said(&stand_in, "retry --all --queue parked").await.0, 64);
}

#[test]
fn a_command_names_messages_or_says_all() {
    for wrong in ["retry", "retry m1 --all", "retry m1 --device sensor-1", "delete", "delete --all", "show"] {
        assert!(Line::try_parse_from(["dead-letters"].into_iter().chain(wrong.split(' '))).is_err(), "{wrong}");
    }
}
