//! The first deployment, and those after it.

use local::iot_hub::{Fault, Operation};
use serde_json::json;

use crate::azure::Azure;
use crate::run::{Given, arrived, deployed, run, system};

const PROPAGATION: &str = "ERROR: {\"code\": \"DeploymentFailed\", \"details\": [{\"code\": \"PrincipalNotFound\"}]}\n";

#[tokio::test]
async fn the_first_deployment_ends_with_an_uplink_in_iot_hub_and_a_second_one_changes_nothing_else() {
    let (azure, system) = (Azure::new(), system().await);
    deployed(&azure, &system.host);
    azure.fails("deployment group create", PROPAGATION, Some(1));
    let given = Given::usual(&system.tts).with(&["--simulate", "sensor-1"]);

    let first = run(&azure, given.clone()).await;
    insta::assert_snapshot!("first_deployment", first.transcript);
    insta::assert_snapshot!("first_deployment_calls", first.calls);
    let message = arrived(&system).await;
    assert_eq!((message.device_id.as_str(), message.properties["simulated"].as_str()), ("sensor-1", "true"));
    let webhook = system.tts.webhook("plant-a", "azure-iot-hub").unwrap();
    assert_eq!(webhook["base_url"], format!("{}/api/tts", system.host.url()));
    let headers =
        json!({"x-functions-key": system.host.function_key(), "X-Webhook-Secret": local::system::WEBHOOK_SECRET});
    assert_eq!((&webhook["headers"], &webhook["format"]), (&headers, &json!("json")));
    let types = local::tts::messages::MESSAGE_TYPES;
    let has_its_path = |name: &str| webhook[name] == json!({"path": format!("/{}", name.replace('_', "-"))});
    assert!(types.iter().all(|name| has_its_path(name)), "{webhook}");
    let tts = system.tts.base_url();
    let environment = [tts.trim_end_matches("/api/v3"), "plant-a", system.tts.api_key(), local::system::WEBHOOK_SECRET];
    assert_eq!(azure.environment().trim_end(), environment.join(" "));

    azure.answers("group exists", "true\n");
    let second = run(&azure, given).await;
    insta::assert_snapshot!("second_deployment", second.transcript);
    insta::assert_snapshot!("second_deployment_calls", second.calls);
}

#[tokio::test]
async fn a_run_after_one_that_failed_half_way_goes_on_and_finishes() {
    let (azure, system) = (Azure::new(), system().await);
    deployed(&azure, &system.host);
    azure.fails("functionapp deployment source config-zip", "ERROR: There may be an ongoing deployment.\n", Some(2));
    let given = Given::usual(&system.tts).set("DEPLOY_TRIES", "2");
    let half = run(&azure, given.clone()).await;
    insta::assert_snapshot!("half_failed", half.transcript);
    assert_eq!(system.tts.webhook("plant-a", "azure-iot-hub"), None);
    azure.answers("group exists", "true\n");
    let again = run(&azure, given).await;
    assert_eq!(again.code, 0, "{}", again.transcript);
    assert!(system.tts.webhook("plant-a", "azure-iot-hub").is_some());
}

#[tokio::test]
async fn a_listing_of_empty_keys_never_renews_a_key_that_may_be_there() {
    let (azure, system) = (Azure::new(), system().await);
    deployed(&azure, &system.host);
    azure.answers("functionapp function keys list", "None\nNone\nNone\n");
    let nulls = run(&azure, Given::usual(&system.tts).set("DEPLOY_TRIES", "2")).await;
    insta::assert_snapshot!("empty_keys", nulls.transcript);
    assert!(!nulls.calls.contains("keys set"), "{}", nulls.calls);
    azure.answers("functionapp function keys list", "");
    let nothing = run(&azure, Given::usual(&system.tts).set("DEPLOY_TRIES", "2")).await;
    assert!(nothing.code == 1 && !nothing.calls.contains("keys set"), "{}", nothing.transcript);
}

#[tokio::test]
async fn what_if_shows_what_azure_says_and_changes_nothing() {
    let (azure, system) = (Azure::new(), system().await);
    let given =
        Given::usual(&system.tts).with(&["--what-if", "--profile", "free", "--parameter", "logRetentionDays=60"]);
    let without_group = run(&azure, given.clone()).await;
    insta::assert_snapshot!("what_if_without_group", without_group.transcript);
    azure.answers("group exists", "true\n");
    azure.answers("deployment group what-if", "Resource changes: 24 to create.\n");
    let what_if = run(&azure, given).await;
    insta::assert_snapshot!("what_if", what_if.transcript);
    insta::assert_snapshot!("what_if_calls", what_if.calls);
    assert!(!what_if.calls.contains(" create") && !what_if.calls.contains(" set "), "{}", what_if.calls);
    assert!(system.tts.requests().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn without_a_zip_the_zip_is_built_before_anything_is_created() {
    let (azure, system) = (Azure::new(), system().await);
    deployed(&azure, &system.host);
    let built = run(&azure, Given::usual(&system.tts).without("--zip")).await;
    assert_eq!(built.code, 0, "{}", built.transcript);
    let position = |words: &str| built.calls.lines().position(|call| call.contains(words)).unwrap();
    assert!(position("cargo run --quiet --locked -p local --bin package") < position("az group create"));
    assert!(built.calls.contains("--src [repository]/infra/../target/package/app.zip"), "{}", built.calls);
}

#[tokio::test]
async fn an_uplink_that_does_not_arrive_is_an_error_that_says_where_to_look() {
    let (azure, system) = (Azure::new(), system().await);
    deployed(&azure, &system.host);
    system.iot_hub.inject(Fault::throttled(Operation::DeviceSend).times(u32::MAX));
    let given = Given::usual(&system.tts).with(&["--simulate", "sensor-1"]).set("DEPLOY_TRIES", "2");
    let failed = run(&azure, given).await;
    assert_eq!(failed.code, 1, "{}", failed.transcript);
    assert!(failed.transcript.contains("error: the uplink did not reach IoT Hub"), "{}", failed.transcript);
    assert!(failed.transcript.contains(" next: in the Console"), "{}", failed.transcript);
}
