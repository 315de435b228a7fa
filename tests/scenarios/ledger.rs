//! Nothing acknowledged is lost, whatever goes wrong; `cargo run --release --bin ledger` shows it on any scale.

use std::time::Duration;

use local::ledger::{Delivery, Options, Report, run};

use crate::support::script_root;

async fn audited(options: Options) -> Report {
    run(options, script_root().await).await.expect("the system starts")
}

fn small(delivery: Delivery, seed: u64) -> Options {
    Options {
        uplinks: 2_000,
        events: 300,
        devices: 50,
        delivery,
        seed,
        drain_limit: Duration::from_secs(3),
        ..Options::default()
    }
}

/// Nothing goes wrong, and everything parked has its time.
fn calm(delivery: Delivery) -> Options {
    Options { calm: true, drain_limit: Duration::from_mins(1), ..small(delivery, 1) }
}

async fn everything_goes_wrong(delivery: Delivery, seed: u64) -> Report {
    let report = audited(small(delivery, seed)).await;
    assert!(report.balance.is_even(), "{report}");
    assert!(report.restarts > 0 && report.balance.met.len() > 10, "{report}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_nothing_acknowledged_is_lost_doubled_reordered_or_leaked() {
    for seed in 1..=2 {
        everything_goes_wrong(Delivery::Package, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_devices_and_downlinks_are_what_the_hub_says() {
    for seed in 1..=2 {
        let report = everything_goes_wrong(Delivery::Api, seed).await;
        assert!(report.balance.downlinks.accepted > 0, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nothing_goes_wrong_everything_is_delivered_once() {
    for delivery in [Delivery::Package, Delivery::Api] {
        let report = audited(Options { uplinks: 300, events: 100, ..calm(delivery) }).await;
        let balance = &report.balance;
        assert!(balance.is_even() && report.is_drained, "{report}");
        // Downlinks of devices whose tags are refused go on waiting.
        let is_done = balance.acknowledged == balance.delivered + balance.dead_lettered;
        assert!(is_done || delivery == Delivery::Api, "{report}");
        assert_eq!((balance.duplicate_messages, balance.repeated_events), (0, 0), "{report}");
        let last_line = report.to_string().lines().last().map(str::to_owned);
        assert_eq!(last_line, Some(balance.to_string()));
        assert!(balance.to_string().ends_with(" · lost 0 · doubled 0"), "{balance}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_notice_a_single_message_that_the_hub_loses() {
    let options = Options { uplinks: 100, events: 10, calm: true, lose: Some(77), ..small(Delivery::Package, 1) };
    let report = audited(options).await;
    assert_eq!(report.balance.lost, 1, "{report}");
    assert!(!report.balance.is_even());
    let text = report.to_string();
    // 202 if the hub took its time, and the message was parked first.
    assert!(text.starts_with("seed 1: lost uplink 77: ") && text.contains("webhook answered 20"), "{text}");
}

/// Loses something of one device after the other, until the books have something to say: a device that was deleted
/// soon has nothing to lose.
async fn lost(of: impl Fn(u32) -> Options) -> String {
    for device in 0..5 {
        let report = audited(of(device)).await;
        if !report.balance.is_even() {
            assert!(report.balance.lost > 0, "{report}");
            return report.to_string();
        }
    }
    "nothing".to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_notice_a_downlink_and_a_registration_that_the_things_stack_loses() {
    let calm = || Options { uplinks: 10, events: 100, devices: 40, ..calm(Delivery::Api) };
    let text = lost(|device| Options { lose_downlinks_of: Some(device), ..calm() }).await;
    assert!(text.starts_with("seed 1: lost device ") && text.contains("is neither carried out nor kept"), "{text}");
    let text = lost(|device| Options { lose_registration_of: Some(device), ..calm() }).await;
    assert!(text.contains("it is at [Identity, Join, Application] only"), "{text}");
}
