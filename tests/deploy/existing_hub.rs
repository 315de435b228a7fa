//! A hub that is there already.

use local::system::System;

use crate::azure::Azure;
use crate::run::{Given, deployed, run, system};

/// The hub as az shows it; the id spells the word of its group as old hubs do.
fn shown(group: &str, sku: &str, access: &str) -> String {
    format!(
        "{group}\n/subscriptions/s/resourcegroups/{group}/providers/Microsoft.Devices/IotHubs/my-hub\n{sku}\n{access}\n"
    )
}

fn hub(azure: &Azure, group: &str, sku: &str) {
    azure.answers("iot hub show", &shown(group, sku, "None\nNone\nEnabled"));
    for change in ["policy create", "identity assign", "routing-endpoint create", "route create", "route update"] {
        azure.answers(&format!("iot hub {change}"), "");
    }
    azure.answers("iot hub policy list", "");
    azure.answers("iot hub routing-endpoint list", "");
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
    azure.answers("iot hub policy list", "DeviceConnect\n");
    azure.answers("iot hub routing-endpoint list", "sb://EVHUBNS-x1.servicebus.windows.net:5671/\tevents\n");
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

#[tokio::test]
async fn an_endpoint_of_our_name_that_points_elsewhere_is_refused() {
    let (azure, system) = (Azure::new(), system().await);
    deployed(&azure, &system.host);
    hub(&azure, "plant", "S1");
    azure.answers("iot hub routing-endpoint list", "sb://evhubns-other.servicebus.windows.net/\tevents\n");
    azure.answers("iot hub route list", "");
    azure.answers("group exists", "true\n");
    let refused = run(&azure, given(&system)).await;
    insta::assert_snapshot!("endpoint_elsewhere", refused.transcript);
    assert!(!refused.calls.contains("iot hub route create"), "{}", refused.calls);
    azure.answers("iot hub routing-endpoint list", "sb://evhubns-x1.servicebus.windows.net\tother\n");
    let refused = run(&azure, given(&system)).await;
    assert!(refused.code == 1 && refused.transcript.contains("hub other, expected"), "{}", refused.transcript);
}

#[tokio::test]
async fn on_a_hub_that_another_bridge_made_the_routes_to_its_endpoint_are_named_as_they_are() {
    let (azure, system) = (Azure::new(), system().await);
    deployed(&azure, &system.host);
    hub(&azure, "lost-region", "S1");
    azure.answers("iot hub routing-endpoint list", "sb://evhubns-lost.servicebus.windows.net\tevents\n");
    azure.answers("iot hub route list", "lifecycle\ntwin-changes\n");
    let refused = run(&azure, given(&system).with(&["--subscription", "Sensors"])).await;
    insta::assert_snapshot!("endpoint_of_a_lost_region", refused.transcript);
    assert!(!refused.calls.contains(" create"), "{}", refused.calls);
    assert!(refused.calls.contains("--query '[?contains(endpointNames, 'bridge-events')].name'"), "{}", refused.calls);
}

#[tokio::test]
async fn a_hub_the_handler_cannot_reach_or_sign_for_is_refused_before_anything_is_changed() {
    let (azure, system) = (Azure::new(), system().await);
    hub(&azure, "plant", "S1");
    for (access, named) in [
        ("true\nNone\nEnabled", "my-hub with disableLocalAuth"),
        ("None\ntrue\nEnabled", "my-hub with disableDeviceSAS"),
        ("false\nfalse\nDisabled", "my-hub with publicNetworkAccess"),
    ] {
        azure.answers("iot hub show", &shown("plant", "S1", access));
        let refused = run(&azure, given(&system)).await;
        assert!(refused.code == 1 && refused.transcript.contains(named), "{}", refused.transcript);
        assert!(!refused.calls.contains(" create"), "{}", refused.calls);
    }
    insta::assert_snapshot!("unreachable_hub", run(&azure, given(&system)).await.transcript);
}

#[tokio::test]
async fn a_policy_of_our_name_that_may_do_more_is_refused_before_anything_is_changed() {
    let (azure, system) = (Azure::new(), system().await);
    hub(&azure, "plant", "S1");
    azure.answers("iot hub policy list", "RegistryWrite, ServiceConnect, DeviceConnect\n");
    let refused = run(&azure, given(&system)).await;
    insta::assert_snapshot!("policy_with_more_rights", refused.transcript);
    assert!(!refused.calls.contains(" create"), "{}", refused.calls);
}

#[test]
fn the_route_for_twin_changes_has_the_condition_the_document_asks_for() {
    let script = include_str!("../../infra/deploy/existing_hub.sh");
    let condition =
        script.lines().find_map(|line| line.strip_prefix("twin_condition='")).unwrap().trim_end_matches('\'');
    assert!(include_str!("../../handler/DEVICES.md").contains(&format!("`{condition}`")), "{condition}");
}
