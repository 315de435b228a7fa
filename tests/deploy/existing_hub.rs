//! A hub that is there already.

use local::system::System;

use crate::azure::Azure;
use crate::run::{Given, deployed, run, system};

fn hub(azure: &Azure, group: &str, sku: &str) {
    let id = format!("/subscriptions/s/resourceGroups/{group}/providers/Microsoft.Devices/IotHubs/my-hub");
    azure.answers("iot hub show", &format!("{id}\n{sku}\n"));
    for change in ["policy create", "identity assign", "routing-endpoint create", "route create", "route update"] {
        azure.answers(&format!("iot hub {change}"), "");
    }
    azure.answers("iot hub policy list", "iothubowner\nservice\n");
    azure.answers("iot hub routing-endpoint list", "theirs\n");
    azure.answers("iot hub route list", "their-route\n");
}

fn given(system: &System) -> Given {
    Given::usual(&system.tts).with(&["--existing-iot-hub", "my-hub"])
}

#[tokio::test]
async fn what_is_missing_is_added_and_a_second_run_adds_nothing() {
    let (azure, system) = (Azure::new(), system().await);
    deployed(&azure, &system.host);
    hub(&azure, "plant", "S1");
    azure.fails("iot hub routing-endpoint create", "ERROR: Unauthorized to send to the event hub.\n", Some(1));
    let first = run(&azure, given(&system)).await;
    insta::assert_snapshot!("existing_hub", first.transcript);
    insta::assert_snapshot!("existing_hub_calls", first.calls);

    azure.answers("group exists", "true\n");
    azure.answers("iot hub policy list", "iothubowner\nservice\ndevice-connect\n");
    azure.answers("iot hub routing-endpoint list", "theirs\nbridge-events\n");
    azure.answers("iot hub route list", "their-route\nbridge-lifecycle\nbridge-twin-changes\n");
    let second = run(&azure, given(&system)).await;
    assert_eq!(second.code, 0, "{}", second.transcript);
    for call in second.calls.lines().filter(|call| call.starts_with("az iot hub")) {
        let reads = [" show ", " list "].iter().any(|verb| call.contains(verb));
        let repeats = [" identity assign ", " route update "].iter().any(|verb| call.contains(verb));
        assert!(reads || repeats, "{call}");
    }
}

#[tokio::test]
async fn a_hub_that_is_not_there_or_has_no_twins_is_refused() {
    let (azure, system) = (Azure::new(), system().await);
    hub(&azure, "plant", "B1");
    insta::assert_snapshot!("basic_hub", run(&azure, given(&system)).await.transcript);
    azure.fails("iot hub show", "ERROR: No IoT Hub found with name my-hub in current subscription.\n", None);
    insta::assert_snapshot!("no_such_hub", run(&azure, given(&system)).await.transcript);
}

#[test]
fn the_route_for_twin_changes_has_the_condition_the_readme_asks_for() {
    let script = include_str!("../../infra/deploy/existing_hub.sh");
    let condition =
        script.lines().find_map(|line| line.strip_prefix("twin_condition='")).unwrap().trim_end_matches('\'');
    assert!(include_str!("../../README.md").contains(&format!("`{condition}`")), "{condition}");
}
