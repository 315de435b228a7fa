//! Every input in the corpus, which holds what was thought of and what was found.

use std::path::{Path, PathBuf};

fn holds_for_the_corpus(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).expect("a folder of inputs");
    let inputs: Vec<_> = entries.map(|entry| entry.expect("an input").path()).collect();
    assert!(inputs.len() > 4, "{} has {} inputs", folder.display(), inputs.len());
    let is_broken = |path: &&PathBuf| {
        let input = std::fs::read(path).expect("an input");
        std::panic::catch_unwind(|| property(&input)).is_err()
    };
    let broken: Vec<_> = inputs.iter().filter(is_broken).collect();
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn connection_strings() {
    holds_for_the_corpus("connection_string", properties::connection_string);
}

#[test]
fn envelopes() {
    holds_for_the_corpus("envelope", properties::envelope);
}

#[test]
fn hub_events() {
    holds_for_the_corpus("event", properties::event);
}

#[test]
fn members_of_json() {
    holds_for_the_corpus("json_members", properties::json_members);
}

#[test]
fn queue_items() {
    holds_for_the_corpus("queue_item", properties::queue_item);
}

#[test]
fn route_conditions() {
    holds_for_the_corpus("route_condition", properties::route_condition);
}

#[test]
fn shared_access_signatures() {
    holds_for_the_corpus("sas", properties::sas);
}

#[test]
fn webhooks() {
    holds_for_the_corpus("webhook", properties::webhook);
}
