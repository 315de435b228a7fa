//! Taking everything away again.

use crate::azure::Azure;
use crate::run::{Given, run};

const IDENTITIES: &str = "id-app-x1\t/subscriptions/s/resourceGroups/bridge/id-app-x1\t99999999-2222-3333-4444-555555555555\n\
    id-hub-x1\t/subscriptions/s/resourceGroups/bridge/id-hub-x1\t88888888-2222-3333-4444-555555555555\n";

fn azure() -> Azure {
    let azure = Azure::new();
    azure.answers("group exists", "true\n");
    azure.answers("resource list", "Microsoft.Web/sites\tfunc-x1\nMicrosoft.Devices/IotHubs\tiothub-x1\n");
    azure.answers("group delete", "");
    azure.answers("eventhubs namespace list", "evhubns-X1\n");
    azure
}

fn given(arguments: &[&str], stdin: &'static str) -> Given {
    let given = Given { arguments: vec!["uninstall".to_owned()], environment: Vec::new(), stdin };
    given.with(&["--resource-group", "bridge"]).with(arguments)
}

#[tokio::test]
async fn the_group_is_deleted_once_its_name_is_typed() {
    let azure = azure();
    let other = run(&azure, given(&[], "yes\n")).await;
    insta::assert_snapshot!("uninstall_refused", other.transcript);
    assert!(!other.calls.contains("group delete"), "{}", other.calls);
    let deleted = run(&azure, given(&[], "bridge\n")).await;
    insta::assert_snapshot!("uninstall", deleted.transcript);
    assert!(deleted.calls.contains("az group delete --name bridge --yes"), "{}", deleted.calls);
    let unasked = run(&azure, given(&["--yes"], "")).await;
    assert_eq!(unasked.code, 0, "{}", unasked.transcript);
}

#[tokio::test]
async fn a_group_that_is_not_there_is_an_error() {
    let azure = Azure::new();
    let run = run(&azure, given(&["--yes"], "")).await;
    assert_eq!(run.code, 1);
    assert!(run.transcript.contains("error: found no resource group bridge"), "{}", run.transcript);
}

#[tokio::test]
async fn an_existing_hub_loses_only_what_was_added_and_is_never_deleted() {
    let azure = azure();
    let hub = |group: &str| {
        let id = format!("/subscriptions/s/resourceGroups/{group}/providers/Microsoft.Devices/IotHubs/my-hub");
        format!("{group}\n{id}\nS1\nNone\nNone\nDisabled\n")
    };
    azure.answers("iot hub show", &hub("Bridge"));
    let arguments = ["--existing-iot-hub", "my-hub", "--yes"];
    let refused = run(&azure, given(&arguments, "")).await;
    insta::assert_snapshot!("uninstall_with_hub_inside", refused.transcript);
    assert!(!refused.calls.contains("delete"), "{}", refused.calls);

    azure.answers("iot hub show", &hub("plant"));
    azure.answers("iot hub policy list", "iothubowner\ndevice-connect\nbridge-device-connect\n");
    azure.answers("iot hub routing-endpoint list", "sb://evhubns-x1.servicebus.windows.net/\tevents\n");
    azure.answers("iot hub route list", "bridge-lifecycle\nbridge-twin-changes\n");
    let attached = "/subscriptions/s/resourcegroups/theirs\n/subscriptions/s/resourcegroups/bridge/id-hub-x1\n";
    azure.answers("iot hub show --name my-hub --resource-group", attached);
    azure.answers("identity list", IDENTITIES);
    azure.answers("role assignment list", "role-1\nrole-2\n");
    azure.answers("role assignment delete", "");
    for change in ["policy delete", "identity remove", "routing-endpoint delete", "route delete"] {
        azure.answers(&format!("iot hub {change}"), "");
    }
    let run = run(&azure, given(&arguments, "")).await;
    insta::assert_snapshot!("uninstall_with_existing_hub_calls", run.calls);
    assert_eq!(run.code, 0, "{}", run.transcript);
}

#[tokio::test]
async fn an_uninstall_that_failed_half_way_can_be_repeated() {
    let azure = azure();
    azure.answers("iot hub show", "plant\n/subscriptions/s/hub\nS1\nNone\nNone\nNone\n");
    for list in ["policy list", "routing-endpoint list", "route list", "show --name my-hub --resource-group"] {
        azure.answers(&format!("iot hub {list}"), "");
    }
    azure.answers("identity list", IDENTITIES);
    azure.answers("role assignment list", "");
    azure.fails("iot hub identity remove", "KeyError: '/subscriptions/s/resourceGroups/bridge/id-hub-x1'\n", None);
    let run = run(&azure, given(&["--existing-iot-hub", "my-hub", "--yes"], "")).await;
    assert_eq!(run.code, 0, "{}", run.transcript);
    assert!(run.calls.contains("az group delete --name bridge --yes"), "{}", run.calls);
}

#[tokio::test]
async fn an_endpoint_of_another_bridge_stays_with_its_routes_and_its_policy() {
    let azure = azure();
    azure.answers("iot hub show", "plant\n/subscriptions/s/hub\nS1\nNone\nNone\nNone\n");
    azure.answers("iot hub routing-endpoint list", "sb://evhubns-other.servicebus.windows.net/\tevents\n");
    azure.answers("identity list", "");
    let run = run(&azure, given(&["--existing-iot-hub", "my-hub", "--yes"], "")).await;
    assert!(
        run.transcript.contains("points to evhubns-other.servicebus.windows.net, another bridge's"),
        "{}",
        run.transcript
    );
    assert_eq!((run.code, run.calls.matches(" delete ").count()), (0, 1), "{}", run.calls);
}

/// What az knows of the hub that is there already, once the script takes from it.
fn used_hub(azure: &Azure) {
    azure.answers("iot hub show", "plant\n/subscriptions/s/hub\nS1\nNone\nNone\nNone\n");
    azure.answers("iot hub routing-endpoint list", "sb://evhubns-x1.servicebus.windows.net/\tevents\n");
    azure.answers("iot hub route list", "bridge-lifecycle\nbridge-twin-changes\n");
    azure.answers("iot hub policy list", "bridge-device-connect\n");
    azure.answers("iot hub show --name my-hub --resource-group", "/subscriptions/s/resourcegroups/bridge/id-hub-x1\n");
    azure.answers("identity list", IDENTITIES);
    azure.answers("role assignment list", "");
    for change in ["policy delete", "identity remove", "routing-endpoint delete", "route delete"] {
        azure.answers(&format!("iot hub {change}"), "");
    }
}

fn last_deployment(azure: &Azure, hub: &str, group: &str) {
    azure.answers("deployment group show --name", &format!("{hub}\n{group}\n\nbridge\n"));
}

#[tokio::test]
async fn a_hub_that_nobody_named_is_found_by_the_last_deployment_or_by_its_identity_and_spared() {
    let by_deployment = azure();
    last_deployment(&by_deployment, "my-hub", "plant");
    let failed = azure();
    last_deployment(&failed, "None", "None\nmy-hub\nplant");
    let by_identity = azure();
    by_identity
        .answers("iot hub list", "other\tplant\t\nmy-hub\tplant\t/subscriptions/s/resourcegroups/BRIDGE/id-hub-x1\n");
    for azure in [by_deployment, failed, by_identity] {
        used_hub(&azure);
        let refused = run(&azure, given(&[], "no\n")).await;
        assert!(refused.code == 1 && !refused.calls.contains(" delete"), "{}", refused.calls);
        let run = run(&azure, given(&["--yes"], "")).await;
        let position = |words: &str| run.calls.lines().position(|call| call.contains(words));
        assert_eq!(run.code, 0, "{}", run.transcript);
        assert!(run.transcript.contains("IoT Hub my-hub in group plant\nIt stays"), "{}", run.transcript);
        assert!(position("iot hub identity remove --name my-hub").unwrap() < position("group delete").unwrap());
        assert!(position("routing-endpoint delete --hub-name my-hub").is_some(), "{}", run.calls);
    }
}

#[tokio::test]
async fn a_hub_of_the_bridges_own_goes_with_the_group() {
    let azure = azure();
    last_deployment(&azure, "iothub-x1", "Bridge");
    azure.answers("iot hub list", "iothub-x1\tbridge\t/subscriptions/s/resourcegroups/bridge/id-hub-x1\n");
    let run = run(&azure, given(&["--yes"], "")).await;
    assert!(run.code == 0 && !run.calls.contains("iot hub show"), "{}", run.calls);
}

#[tokio::test]
async fn a_group_whose_hub_another_bridge_uses_is_not_deleted() {
    let azure = azure();
    let identities =
        "/subscriptions/s/resourcegroups/bridge/id-hub-x1,/subscriptions/s/resourceGroups/bridge-2/id-hub-x2";
    azure.answers("iot hub list", &format!("iothub-x1\tBridge\t{identities}\n"));
    let refused = run(&azure, given(&["--yes"], "")).await;
    assert!(refused.transcript.contains("error: found IoT Hub iothub-x1 in group bridge, which another bridge uses"));
    assert!(refused.code == 1 && !refused.calls.contains(" delete"), "{}", refused.calls);
}

#[tokio::test]
async fn nothing_is_deleted_while_it_is_unknown_which_hub_the_bridge_uses() {
    let azure = azure();
    azure.fails("deployment group show", "ERROR: (AuthorizationFailed) no right to read deployments.\n", None);
    let unreadable = run(&azure, given(&["--yes"], "")).await;
    assert!(unreadable.transcript.contains("error: the last deployment of group bridge cannot be read"));
    last_deployment(&azure, "my-hub", "plant");
    azure.fails("iot hub show", "ERROR: No IoT Hub found with name my-hub in current subscription.\n", None);
    let gone = run(&azure, given(&["--yes"], "")).await;
    insta::assert_snapshot!("uninstall_without_its_hub", gone.transcript);
    assert!(!(unreadable.calls + &gone.calls).contains(" delete"));
    azure.fails("iot hub list", "ERROR: (AuthorizationFailed) no right to list hubs.\n", None);
    azure.fails("deployment group show", "ERROR: (DeploymentNotFound) not found.\n", None);
    let unknown = run(&azure, given(&["--yes"], "")).await;
    assert!(unknown.transcript.contains("error: found neither a deployment nor the hubs"), "{}", unknown.transcript);
    assert!(!unknown.calls.contains(" delete"), "{}", unknown.calls);
    let forgotten = run(&azure, given(&["--yes", "--forget", "existingIotHubName"], "")).await;
    assert_eq!(forgotten.code, 0, "{}", forgotten.transcript);
}
