//! What an operator has changed or added on the bridge's own hub.

use crate::azure::Azure;
use crate::run::{Given, Run, run, the_things_stack};

/// A second run over a hub with these policies, endpoints and routes; it does not get far.
async fn again(sku: &str, units: u8, [policies, endpoints, routes]: [&str; 3], arguments: &[&str]) -> Run {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    azure.answers("group exists", "true\n");
    azure.answers("iot hub list", &format!("{sku}\t{units}\tiothub-x1\t{routes}\t{endpoints}\n"));
    azure.answers("iot hub policy list", &policies.replace(' ', "\n"));
    azure.fails("deployment group create", "ERROR: far enough\n", None);
    let run = run(&azure, Given::usual(&tts).with(arguments)).await;
    assert_eq!(run.calls.contains(" create"), run.transcript.contains("far enough"), "{}", run.transcript);
    run
}

const OURS: [&str; 3] = ["device-connect", "bridge-events cold-path", "lifecycle twin-changes cold-path built-in"];

#[tokio::test]
async fn a_hub_as_it_was_deployed_is_deployed_again() {
    for endpoints in [OURS[1], ""] {
        let run = again("S1", 1, [OURS[0], endpoints, OURS[2]], &[]).await;
        assert!(run.transcript.contains("far enough"), "{}", run.transcript);
    }
}

#[tokio::test]
async fn what_is_on_the_hub_and_not_among_the_parameters_is_named_before_it_would_go() {
    let [policies, endpoints, routes] = OURS;
    let reader = r#"furtherPolicies=[{"keyName":"reader","rights":"ServiceConnect"}]"#;
    let archive = r#"furtherEndpoints={"eventHubs":[{"name":"archive","endpointUri":"sb://n","entityPath":"e"}]}"#;
    let to_archive = r#"furtherRoutes=[{"name":"to-archive","source":"DeviceMessages"}]"#;
    let vendors = "vendorPolicyRights=RegistryRead, RegistryWrite, DeviceConnect";
    for (name, found, parameter) in [
        ("foreign_policy", [&format!("{policies} reader"), endpoints, routes], reader),
        ("foreign_endpoint", [policies, &format!("{endpoints} archive"), routes], archive),
        ("foreign_route", [policies, endpoints, &format!("{routes} to-archive")], to_archive),
        ("vendors_policy", [&format!("{policies} iothubowner"), endpoints, routes], vendors),
    ] {
        let refused = again("S1", 1, found, &[]).await;
        insta::assert_snapshot!(name, refused.transcript);
        let kept = again("S1", 1, found, &["--parameter", parameter]).await;
        assert!(kept.transcript.contains("far enough"), "{}", kept.transcript);
    }
}

#[tokio::test]
async fn tier_and_units_change_only_when_they_are_named() {
    let refused = again("S2", 3, OURS, &[]).await;
    insta::assert_snapshot!("more_units", refused.transcript);
    let half = again("S2", 3, OURS, &["--parameter", "iotHubSku=S2"]).await;
    assert!(half.transcript.contains("would change to 1 of S2"), "{}", half.transcript);
    for (sku, units) in [("iotHubSku=S2", "iotHubUnits=3"), ("iotHubSku=S1", "iotHubUnits=1")] {
        let named = again("S2", 3, OURS, &["--parameter", sku, "--parameter", units]).await;
        assert!(named.transcript.contains("far enough"), "{}", named.transcript);
    }
}
