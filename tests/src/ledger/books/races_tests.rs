//! What a race explains, and what it does not.

use super::*;

fn tag(value: u32) -> Value {
    json!({"tags": {"t": value}})
}

impl Bench {
    /// A device that is deleted, and created anew by the stream before its deletion comes by itself; after so long.
    fn deleted_behind_its_new_creation(milliseconds: u64) -> (Self, Vec<Finding>) {
        let mut bench = Self::default();
        let [created, deleted] = [bench.create(), bench.delete()];
        bench.apply(created);
        let anew = json!({"tags": {"t": 7}, "properties": {"desired": {"p0": 7, "$version": 1}}});
        let anew = bench.send("createDeviceIdentity", anew);
        bench.apply(anew);
        bench.wait(milliseconds);
        let findings = bench.redeliver(deleted);
        (bench, findings)
    }
}

#[test]
fn an_outdated_value_that_comes_alone_is_a_breach_and_one_that_raced_is_counted() {
    for (milliseconds, is_raced) in [(249, true), (251, false)] {
        let mut bench = Bench::default();
        let [first, second] = [1, 2].map(|value| bench.set("p0", value));
        bench.apply(second);
        bench.wait(milliseconds);
        let expected = reordered(first, "p0 = 1 behind 2, which hub event 1 (Update) brought");
        assert_eq!(bench.redeliver(first), if is_raced { vec![] } else { vec![expected] }, "{milliseconds} ms");
        assert_eq!(bench.events.raced, u64::from(is_raced));
        // What a race leaves is counted, and cannot be unsent.
        assert_eq!(bench.stale(desired("p0", 2), &[]).is_empty(), is_raced, "{milliseconds} ms");
    }
}

#[test]
fn the_first_successor_of_a_value_counts_and_not_the_newest() {
    let mut bench = Bench::default();
    let first = bench.set("p0", 1);
    bench.set("p0", 2);
    bench.wait(1_000);
    let third = bench.set("p0", 3);
    bench.apply(third);
    assert_eq!(bench.redeliver(first), [reordered(first, "p0 = 1 behind 3, which hub event 2 (Update) brought")]);
    let mut other = Bench::default();
    let [first, second] = [other.set("p0", 1), other.set("p0", 2)];
    other.apply(second);
    other.wait(1_000);
    other.set("p1", 3);
    assert_eq!(other.redeliver(first).len(), 1, "a change of another property is no successor");
}

#[test]
fn within_the_stream_there_are_no_races() {
    let mut bench = Bench::default();
    let [first, second] = [1, 2].map(|value| bench.set("p0", value));
    bench.apply(second);
    assert_eq!(bench.apply(first).len(), 1);
    assert_eq!(bench.events.raced, 0);
}

#[test]
fn a_change_behind_the_deletion_is_raced_within_the_window_and_its_device_must_go_again() {
    for (milliseconds, is_raced) in [(249, true), (251, false)] {
        let mut bench = Bench::default();
        let (change, deleted) = (bench.set("p0", 1), bench.delete());
        bench.apply(deleted);
        bench.wait(milliseconds);
        let expected = reordered(change, "p0 = 1 behind the device's deletion");
        assert_eq!(bench.redeliver(change), if is_raced { vec![] } else { vec![expected] });
        assert_eq!(bench.stale(None, &[]), [("deletion", deleted)], "raced or not");
        assert_eq!(bench.correct("deleteDeviceIdentity", &json!({})), []);
        assert_eq!((bench.stale(None, &[]), bench.events.corrections), (vec![], 1));
    }
}

#[test]
fn a_deletion_that_raced_with_a_new_creation_is_counted_and_the_tags_must_be_told_again() {
    let twin = || Some(json!({"tags": {"t": 7}, "properties": {"desired": {"p0": 7}}}));
    let (mut bench, findings) = Bench::deleted_behind_its_new_creation(249);
    assert_eq!((findings, bench.events.raced), (vec![], 1));
    assert_eq!(bench.stale(twin(), &[]), [("t", 2)]);
    assert_eq!(bench.correct("updateTwin", &tag(7)), []);
    assert_eq!(bench.stale(twin(), &[]), []);
    let (mut bench, findings) = Bench::deleted_behind_its_new_creation(251);
    assert_eq!(findings, [reordered(1, "the deletion behind a new creation")]);
    bench.correct("updateTwin", &tag(7));
    assert_eq!(bench.stale(twin(), &[]), [("p0", 2)], "what was deleted for no reason is missing");
}

#[test]
fn what_the_handler_restores_must_be_the_present() {
    let mut bench = Bench::default();
    let [first, second] = [1, 2].map(|value| bench.send("updateTwin", tag(value)));
    assert_eq!([first, second].map(|event| bench.apply(event)), [[], []]);
    bench.wait(249);
    assert_eq!((bench.correct("updateTwin", &tag(1)), bench.events.raced), (vec![], 1));
    assert_eq!(bench.stale(Some(tag(2)), &[]), [("t", second)], "it must look once more");
    bench.wait(2);
    let late = "t = 1 behind 2, which hub event 1 (Update) brought";
    assert_eq!(bench.correct("updateTwin", &tag(1)), [reordered(second, late)]);
    assert_eq!(bench.stale(Some(tag(2)), &[]), [("t", second)]);
    assert_eq!(bench.correct("updateTwin", &tag(2)), []);
    assert_eq!((bench.stale(Some(tag(2)), &[]), bench.events.corrections), (vec![], 3));
}

#[test]
fn the_handler_must_not_restore_what_is_gone_nor_delete_what_is_there() {
    let mut bench = Bench::default();
    let [change, deleted] = [bench.send("updateTwin", tag(1)), bench.delete()];
    assert_eq!([change, deleted].map(|event| bench.apply(event)), [[], []]);
    bench.wait(251);
    assert_eq!(bench.correct("updateTwin", &tag(1)), [reordered(deleted, "t = 1 behind the device's deletion")]);
    let created = bench.send("createDeviceIdentity", tag(2));
    bench.apply(created);
    bench.wait(249);
    assert_eq!((bench.correct("deleteDeviceIdentity", &json!({})), bench.events.raced), (vec![], 1));
    bench.wait(2);
    let wrong = bench.correct("deleteDeviceIdentity", &json!({}));
    assert_eq!(wrong, [reordered(created, "the deletion behind a new creation")]);
    assert_eq!(bench.stale(Some(tag(2)), &[]), [("t", created)]);
}

#[test]
fn the_handlers_own_word_does_not_put_the_stream_in_the_wrong() {
    let mut bench = Bench::default();
    let [created, change, deleted, anew] =
        [bench.create(), bench.send("updateTwin", tag(1)), bench.delete(), bench.send("createDeviceIdentity", tag(2))];
    bench.apply(created);
    // Redelivery sees the device gone, then back, ahead of the stream.
    bench.correct("deleteDeviceIdentity", &json!({}));
    bench.correct("updateTwin", &tag(2));
    assert_eq!([change, deleted, anew].map(|event| bench.apply(event)), [[], [], []]);
    assert_eq!(bench.stale(Some(tag(2)), &[]), []);
}
