//! The book of hub events notices what it is there to notice.

use std::time::Duration;

use serde_json::json;

use super::super::super::queues::{Held, Queue};
use super::super::fate::Fate;
use super::super::history::Subject;
use super::*;

/// How long after the hub's word an event still races with it.
const RACE: Duration = Duration::from_millis(250);

/// A hub and a package in miniature, with a clock that stands still unless it is moved.
struct Bench {
    events: Events,
    sent: Vec<(Map<String, Value>, Value)>,
    now: Instant,
}

impl Default for Bench {
    fn default() -> Self {
        let now = Instant::now() + Duration::from_secs(1);
        Self { events: Events::default(), sent: Vec::new(), now }
    }
}

impl Bench {
    fn send(&mut self, operation: &str, body: Value) -> u32 {
        let properties = json!({"deviceId": "dev-00001", "opType": operation,
            "operationTimestamp": format!("T{}", self.sent.len())});
        let Value::Object(properties) = properties else { panic!("an object") };
        self.sent.push((properties.clone(), body.clone()));
        self.events.sent(&properties, &body, self.now).unwrap()
    }

    fn create(&mut self) -> u32 {
        self.send("createDeviceIdentity", json!({"version": 2}))
    }

    fn set(&mut self, key: &str, value: u32) -> u32 {
        self.send("updateTwin", json!({"version": value, "properties": {"desired": {key: value, "$version": value}}}))
    }

    fn delete(&mut self) -> u32 {
        self.send("deleteDeviceIdentity", json!({"version": 9}))
    }

    fn apply_with(&mut self, number: u32, answered: bool, deaths: u32) -> Vec<Finding> {
        let (properties, body) = self.sent[number as usize].clone();
        let circumstances = Circumstances { is_told: answered, deaths, races_since: None };
        self.events.applied(&properties, &body, circumstances).1
    }

    /// An event comes by itself, as redelivered ones do.
    fn redeliver(&mut self, number: u32) -> Vec<Finding> {
        let (properties, body) = self.sent[number as usize].clone();
        self.events.applied(&properties, &body, self.alone()).1
    }

    /// An event of the handler's own comes.
    fn correct(&mut self, operation: &str, body: &Value) -> Vec<Finding> {
        let properties = json!({"deviceId": "dev-00001", "opType": operation});
        let (number, findings) = self.events.applied(properties.as_object().unwrap(), body, self.alone());
        assert_eq!(number, None);
        findings
    }

    fn alone(&self) -> Circumstances {
        Circumstances { is_told: true, deaths: 0, races_since: self.now.checked_sub(RACE) }
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    fn apply(&mut self, number: u32) -> Vec<Finding> {
        self.apply_with(number, true, 0)
    }

    fn fates(&self, held: &[(u32, Queue)]) -> Vec<Fate> {
        self.events.fates(&holding(held)).into_iter().map(|(_, fate)| fate).collect()
    }

    fn stale(&self, twin: Option<Value>, held: &[(u32, Queue)]) -> Vec<(&'static str, u32)> {
        let twins = twin.into_iter().map(|twin| (1, twin)).collect();
        let stale = self.events.stale(&twins, &holding(held));
        stale.into_iter().map(|(_, key, event)| (key, event)).collect()
    }
}

fn holding(events: &[(u32, Queue)]) -> Held {
    let mut held = Held::default();
    events.iter().for_each(|(number, queue)| held.add(Subject::HubEvent(*number), *queue));
    held
}

fn reordered(event: u32, what: &str) -> Finding {
    Finding::Reordered(event, what.to_owned())
}

fn desired(key: &str, value: u32) -> Option<Value> {
    Some(json!({"properties": {"desired": {key: value}}}))
}

#[test]
fn an_event_neither_applied_nor_kept_nor_overtaken_is_lost() {
    let mut bench = Bench::default();
    let created = bench.create();
    for value in 1..=5 {
        bench.set(if value == 3 { "p1" } else { "p0" }, value);
    }
    assert_eq!(bench.apply(created), []);
    assert_eq!(bench.apply(4), []);
    let held = [(5, Queue::DeadLetter)];
    // 1 and 2 are overtaken by 4, which was applied; 3 is the newest p1.
    assert_eq!(
        bench.fates(&held),
        [Fate::Delivered, Fate::Overtaken, Fate::Overtaken, Fate::Lost, Fate::Delivered, Fate::DeadLettered]
    );
    assert_eq!(
        bench.fates(&[(3, Queue::Parked), (5, Queue::Poison)])[3..],
        [Fate::Parked, Fate::Delivered, Fate::Parked]
    );
    assert_eq!(bench.fates(&[])[5], Fate::Lost, "the newest value of all");
}

#[test]
fn a_change_is_overtaken_by_the_deletion_and_a_deletion_by_a_new_creation() {
    let mut bench = Bench::default();
    bench.create();
    bench.set("p0", 1);
    bench.delete();
    assert_eq!(bench.fates(&[]), [Fate::Overtaken, Fate::Overtaken, Fate::Lost]);
    bench.create();
    assert_eq!(bench.fates(&[]), [Fate::Overtaken, Fate::Overtaken, Fate::Overtaken, Fate::Lost]);
}

#[test]
fn an_event_applied_again_is_doubled_unless_its_answer_was_lost_or_the_handler_died() {
    let mut bench = Bench::default();
    let event = bench.set("p0", 1);
    assert_eq!(bench.apply_with(event, false, 0), []);
    assert_eq!(bench.apply_with(event, true, 0), [], "no answer, so it had to be sent again");
    assert_eq!(bench.apply_with(event, true, 2), [], "the handler died and could not know");
    assert_eq!(bench.apply_with(event, true, 2), [Finding::Doubled(event)]);
    assert_eq!((bench.events.applied, bench.events.repeated), (1, 3));
}

#[test]
fn an_older_value_behind_a_newer_one_is_reordered_but_a_repeated_one_is_not() {
    let mut bench = Bench::default();
    let [first, second, other] = [("p0", 1), ("p0", 2), ("p1", 3)].map(|(key, value)| bench.set(key, value));
    assert_eq!([bench.apply(other), bench.apply(second)], [[], []]);
    assert_eq!(bench.apply(first), [reordered(first, "p0 = 1 behind 2, which hub event 1 (Update) brought")]);
    assert_eq!(bench.apply_with(first, true, 2), []);
    assert_eq!(bench.stale(desired("p0", 2), &[]), [("p0", second)], "what it leaves behind is wrong");
    bench.apply_with(second, true, 4);
    assert_eq!(bench.stale(desired("p0", 2), &[]), []);
}

#[test]
fn of_tags_only_the_last_word_counts() {
    let mut bench = Bench::default();
    let [first, second] = [1, 2].map(|t| bench.send("updateTwin", json!({"tags": {"t": t}})));
    assert_eq!([bench.apply(second), bench.apply(first)], [[], []]);
    let twin = Some(json!({"tags": {"t": 2}}));
    assert_eq!(bench.stale(twin.clone(), &[]), [("t", second)]);
    bench.apply_with(second, true, 2);
    assert_eq!(bench.stale(twin, &[]), []);
}

#[test]
fn nothing_of_a_device_may_come_behind_its_deletion() {
    let mut bench = Bench::default();
    let (created, change, deleted) = (bench.create(), bench.set("p0", 1), bench.delete());
    bench.apply(created);
    bench.apply(deleted);
    assert_eq!(bench.stale(None, &[]), []);
    assert_eq!(bench.apply(change), [reordered(change, "p0 = 1 behind the device's deletion")]);
    assert_eq!(bench.stale(None, &[]), [("deletion", deleted)]);
    let again = bench.create();
    bench.apply(again);
    let mut other = Bench::default();
    let [_, deleted, _, change] = [other.create(), other.delete(), other.create(), other.set("p0", 1)];
    other.apply(change);
    assert_eq!(other.apply(deleted), [reordered(deleted, "the deletion behind a new creation")]);
    let mut gone = Bench::default();
    let [_, deleted, _, change, _] = [gone.create(), gone.delete(), gone.create(), gone.set("p0", 1), gone.delete()];
    gone.apply(change);
    assert_eq!(gone.apply(deleted), [], "deleted again, whichever comes first");
}

#[test]
fn a_value_must_not_look_newer_than_it_is() {
    let mut bench = Bench::default();
    let (old, _) = (bench.set("p0", 7), bench.set("p0", 3));
    bench.sent[old as usize].1 = json!({"properties": {"desired": {"p0": 3, "$version": 7}}});
    let what = "value 3 came to be in $version 3 and arrives under 7";
    assert_eq!(bench.apply(old), [Finding::Misversioned(old, what.to_owned())]);
}

#[test]
fn the_last_word_on_every_value_is_the_hubs_unless_it_is_kept() {
    let mut bench = Bench::default();
    let (first, second) = (bench.set("p0", 1), bench.set("p0", 2));
    bench.apply(first);
    assert_eq!(bench.stale(desired("p0", 2), &[]), [("p0", second)]);
    assert_eq!(bench.stale(desired("p0", 2), &[(second, Queue::DeadLetter)]), []);
}

#[test]
fn an_event_the_hub_never_sent_is_a_stranger() {
    let mut bench = Bench::default();
    let alone = bench.alone();
    for properties in [
        json!({"operationTimestamp": "2026-11-21T10:00:00Z", "opType": "updateTwin", "deviceId": "dev-00001"}),
        json!({"opType": "updateTwin", "deviceId": "dev-00001"}),
        json!({}),
    ] {
        let (number, findings) = bench.events.applied(properties.as_object().unwrap(), &json!({}), alone);
        assert!(number.is_none() && matches!(findings.as_slice(), [Finding::Stranger(_)]), "{properties}");
    }
}

#[path = "races_tests.rs"]
mod races;
