//! Nothing acknowledged is lost, whatever goes wrong; `cargo run --release --bin ledger` shows it on any scale.

use std::time::Duration;

use local::ledger::{Options, Report, run};

use crate::support::script_root;

async fn audited(options: Options) -> Report {
    run(options, script_root().await).await.expect("the system starts")
}

fn small(seed: u64) -> Options {
    Options {
        uplinks: 2_000,
        events: 300,
        devices: 50,
        seed,
        drain_limit: Duration::from_secs(3),
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_nothing_acknowledged_is_lost_doubled_reordered_or_leaked() {
    for seed in 1..=2 {
        let report = audited(small(seed)).await;
        assert!(report.balance.is_even(), "{report}");
        assert!(report.restarts > 0 && report.balance.met.len() > 10, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_nothing_goes_wrong_everything_is_delivered_once() {
    let report = audited(Options { uplinks: 300, events: 100, calm: true, ..small(1) }).await;
    let balance = &report.balance;
    assert!(balance.is_even() && balance.acknowledged == balance.delivered + balance.dead_lettered, "{report}");
    assert_eq!((balance.duplicate_messages, balance.repeated_events, balance.overtaken), (0, 0, 0), "{report}");
    let last_line = report.to_string().lines().last().map(str::to_owned);
    assert_eq!(last_line, Some(balance.to_string()));
    assert!(balance.to_string().ends_with(" · lost 0 · doubled 0"), "{balance}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_books_notice_a_single_message_that_the_hub_loses() {
    let report = audited(Options { uplinks: 100, events: 10, calm: true, lose: Some(77), ..small(1) }).await;
    assert_eq!(report.balance.lost, 1, "{report}");
    assert!(!report.balance.is_even());
    let text = report.to_string();
    assert!(text.starts_with("seed 1: lost uplink 77: ") && text.contains("webhook answered 200"), "{text}");
}
