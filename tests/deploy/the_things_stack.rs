//! What may be wrong at The Things Stack's side.

use serde_json::json;

use crate::azure::Azure;
use crate::run::{Given, deployed, run, system, the_things_stack};

const APP: [&str; 5] = ["DEVICES_READ", "DEVICES_WRITE", "DEVICES_WRITE_KEYS", "TRAFFIC_READ", "TRAFFIC_DOWN_WRITE"];

#[tokio::test]
async fn an_address_where_nobody_answers_is_said_before_anything_is_created() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    tts.stop().await;
    let run = run(&azure, Given::usual(&tts)).await;
    // What the system says of a closed port is its own.
    assert!(
        run.transcript.contains("error: The Things Stack does not answer at http://127.0.0.1:PORT: "),
        "{}",
        run.transcript
    );
    assert!(run.transcript.contains(" next: check --tts-address"), "{}", run.transcript);
    assert!(run.code == 1 && !run.calls.contains(" create"), "{}", run.calls);
}

#[tokio::test]
async fn a_key_that_is_unknown_or_of_another_application_is_refused() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    let other = the_things_stack(&["ALL"]).await;
    let unknown = run(&azure, Given::usual(&tts).set("STACK_API_KEY", other.api_key())).await;
    insta::assert_snapshot!("unknown_key", unknown.transcript);
    let elsewhere = run(&azure, Given::usual(&tts).with(&["--tts-application", "plant-b"])).await;
    insta::assert_snapshot!("key_of_another_application", elsewhere.transcript);
}

#[tokio::test]
async fn rights_the_function_app_needs_must_be_there() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["DEVICES_READ", "TRAFFIC_READ"]).await);
    let run = run(&azure, Given::usual(&tts)).await;
    insta::assert_snapshot!("key_without_rights", run.transcript);
    assert!(!run.calls.contains(" create"), "{}", run.calls);
}

#[tokio::test]
async fn with_a_key_that_may_not_set_webhooks_the_script_says_what_to_enter() {
    let (azure, system) = (Azure::new(), system().await);
    deployed(&azure, &system.host);
    let tts = the_things_stack(&APP).await;
    let given = Given::usual(&tts);
    let entered = run(&azure, given.clone()).await;
    insta::assert_snapshot!("what_to_enter", entered.transcript);
    assert_eq!(tts.webhook("plant-a", "azure-iot-hub"), None);
    let simulated = run(&azure, given.with(&["--simulate", "sensor-1"])).await;
    assert!(simulated.transcript.contains("found the key that simulates without RIGHT_APPLICATION_TRAFFIC_UP_WRITE"));
}

#[tokio::test]
async fn a_webhook_of_that_name_that_sends_elsewhere_is_left_alone() {
    let (azure, system) = (Azure::new(), system().await);
    deployed(&azure, &system.host);
    let body = json!({"webhook": {"base_url": "https://elsewhere.example.com", "format": "json"},
        "field_mask": {"paths": ["base_url", "format"]}});
    let url = format!("{}/as/webhooks/plant-a/azure-iot-hub", system.tts.base_url());
    let request = reqwest::Client::new().put(url).bearer_auth(system.tts.api_key()).body(body.to_string());
    assert_eq!(request.send().await.unwrap().status(), 200);
    let refused = run(&azure, Given::usual(&system.tts)).await;
    insta::assert_snapshot!("webhook_of_somebody_else", refused.transcript);
    assert!(!refused.calls.contains(" create"), "{}", refused.calls);
    azure.answers("group exists", "true\n");
    let without_secret = || Given::usual(&system.tts).set("WEBHOOK_SECRET", "");
    let unknown_before = run(&azure, without_secret()).await;
    assert!(unknown_before.transcript.contains("expected none or one to http://127.0.0.1:PORT/api/tts"));
    azure.answers("deployment group show --name", "iothub-x1\nbridge\n\nbridge\nprofile=s1\nhttps://func-x1/api/tts\n");
    let known_before = run(&azure, without_secret()).await;
    assert!(known_before.transcript.contains("expected none or one to https://func-x1/api/tts"));
    assert!(!known_before.calls.contains(" create"), "{}", known_before.calls);
    azure.answers("deployment group show --name", "");
    let webhook = system.tts.webhook("plant-a", "azure-iot-hub").unwrap();
    assert_eq!(webhook["base_url"], "https://elsewhere.example.com");
    let other = run(&azure, Given::usual(&system.tts).with(&["--webhook-id", "to-azure"])).await;
    assert_eq!(other.code, 0, "{}", other.transcript);
    assert!(system.tts.webhook("plant-a", "to-azure").is_some());
}
