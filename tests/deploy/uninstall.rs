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
    azure.answers("iot hub policy list", "iothubowner\ndevice-connect\n");
    azure.answers("iot hub routing-endpoint list", "sb://evhubns-x1.servicebus.windows.net/\tevents\n");
    azure.answers("iot hub route list", "their-route\nbridge-lifecycle\nbridge-twin-changes\n");
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
