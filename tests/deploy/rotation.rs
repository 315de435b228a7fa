//! New keys and secrets, without an uplink that is refused in between.

use local::system::{System, WEBHOOK_SECRET};
use serde_json::{Value, json};

use crate::azure::Azure;
use crate::run::{Given, deployed, run, system};

/// The webhook of an earlier run with these headers, in a group that is there.
async fn set_up(azure: &Azure, system: &System, headers: Value) {
    deployed(azure, &system.host);
    azure.answers("group exists", "true\n");
    azure.answers("functionapp function keys delete", "");
    let base_url = format!("{}/api/tts", system.host.url());
    let body = json!({"webhook": {"base_url": base_url, "format": "json", "headers": headers},
        "field_mask": {"paths": ["base_url", "format", "headers"]}});
    let url = format!("{}/as/webhooks/plant-a/azure-iot-hub", system.tts.base_url());
    let request = reqwest::Client::new().put(url).bearer_auth(system.tts.api_key()).body(body.to_string());
    assert_eq!(request.send().await.unwrap().status(), 200);
}

fn headers(system: &System) -> Value {
    system.tts.webhook("plant-a", "azure-iot-hub").unwrap()["headers"].clone()
}

#[tokio::test]
async fn a_new_function_key_is_made_and_given_to_the_webhook_before_the_old_one_is_deleted() {
    let (azure, system) = (Azure::new(), system().await);
    set_up(&azure, &system, json!({"x-functions-key": "old-key", "X-Webhook-Secret": WEBHOOK_SECRET})).await;
    let new = system.host.function_key();
    azure.answers("functionapp function keys list", &format!("old-key\n{new}\ndefault-key\n"));
    azure.answers_once("functionapp function keys list", "old-key\nNone\ndefault-key\n");
    let renewed = run(&azure, Given::usual(&system.tts).with(&["--renew-function-key"])).await;
    insta::assert_snapshot!("renewed_function_key", renewed.transcript);
    assert_eq!(headers(&system)["x-functions-key"], new);
    let position = |words: &str| renewed.calls.lines().position(|call| call.contains(words)).unwrap();
    assert!(
        position(
            "keys set --resource-group bridge --name func-x1 --function-name uplink --key-name the-things-stack-2"
        ) < position(
            "keys delete --resource-group bridge --name func-x1 --function-name uplink --key-name the-things-stack "
        )
    );
}

#[tokio::test]
async fn of_two_function_keys_the_webhooks_is_kept_and_the_other_one_renewed() {
    let (azure, system) = (Azure::new(), system().await);
    let in_use = system.host.function_key().to_owned();
    set_up(&azure, &system, json!({"x-functions-key": in_use, "X-Webhook-Secret": WEBHOOK_SECRET})).await;
    azure.answers("functionapp function keys list", &format!("spare-key\n{in_use}\ndefault-key\n"));
    let kept = run(&azure, Given::usual(&system.tts)).await;
    assert!(
        kept.code == 0 && !kept.calls.contains("keys set") && !kept.calls.contains("keys delete"),
        "{}",
        kept.calls
    );
    assert_eq!(headers(&system)["x-functions-key"], in_use);
    let renewed = run(&azure, Given::usual(&system.tts).with(&["--renew-function-key"])).await;
    let calls = renewed.calls.replace(" --output none", "");
    assert!(
        calls.contains(
            "keys set --resource-group bridge --name func-x1 --function-name uplink --key-name the-things-stack "
        ),
        "{calls}"
    );
    assert!(
        calls.contains(
            "keys delete --resource-group bridge --name func-x1 --function-name uplink --key-name the-things-stack-2 "
        ),
        "{calls}"
    );
    assert_eq!(headers(&system)["x-functions-key"], "spare-key");
}

#[tokio::test]
async fn the_old_function_key_stays_where_further_applications_have_webhooks_of_their_own() {
    let (azure, system) = (Azure::new(), system().await);
    let in_use = system.host.function_key().to_owned();
    set_up(&azure, &system, json!({"x-functions-key": in_use, "X-Webhook-Secret": WEBHOOK_SECRET})).await;
    azure.answers("functionapp function keys list", &format!("{in_use}\nspare-key\ndefault-key\n"));
    let further = r#"handlerSettings={"TTS_FURTHER_APPLICATION_IDS":"plant-b"}"#;
    let given = Given::usual(&system.tts).with(&["--renew-function-key", "--parameter", further]);
    let renewed = run(&azure, given).await;
    assert!(renewed.transcript.contains("the-things-stack stays: the webhooks of"), "{}", renewed.transcript);
    assert!(renewed.code == 0 && !renewed.calls.contains("keys delete"), "{}", renewed.calls);
}

#[tokio::test]
async fn while_the_webhook_is_not_ours_to_set_no_key_is_renewed() {
    let (azure, system) = (Azure::new(), system().await);
    let refused = run(&azure, Given::usual(&system.tts).with(&["--renew-function-key", "--no-webhook"])).await;
    assert!(refused.transcript.contains("error: found --renew-function-key where"), "{}", refused.transcript);
    assert!(refused.code == 1 && !refused.calls.contains(" create"), "{}", refused.calls);
}

#[tokio::test]
async fn a_webhook_secret_changes_in_two_steps_and_a_first_one_begins_with_the_webhook() {
    let (azure, system) = (Azure::new(), system().await);
    let old = r#"an-old-"secret"<&>\of-the-webhook"#;
    set_up(&azure, &system, json!({"x-functions-key": system.host.function_key(), "X-Webhook-Secret": old})).await;
    let at_once = run(&azure, Given::usual(&system.tts)).await;
    insta::assert_snapshot!("secret_at_once", at_once.transcript);
    let both = Given::usual(&system.tts).set("WEBHOOK_SECRET", &format!("{WEBHOOK_SECRET},{old}"));
    for given in [both, Given::usual(&system.tts)] {
        let run = run(&azure, given).await;
        assert_eq!(
            (run.code, &headers(&system)["X-Webhook-Secret"]),
            (0, &json!(WEBHOOK_SECRET)),
            "{}",
            run.transcript
        );
    }
    set_up(&azure, &system, json!({"x-functions-key": system.host.function_key()})).await;
    let first = run(&azure, Given::usual(&system.tts)).await;
    assert!(first.transcript.contains("without the header X-Webhook-Secret"), "{}", first.transcript);
    assert!(!(at_once.calls + &first.calls).contains(" create"));
}

#[tokio::test]
async fn a_webhook_keeps_its_secret_unless_that_is_to_be_forgotten() {
    let (azure, system) = (Azure::new(), system().await);
    let with_secret = json!({"x-functions-key": system.host.function_key(), "X-Webhook-Secret": WEBHOOK_SECRET});
    set_up(&azure, &system, with_secret).await;
    let without = || Given::usual(&system.tts).set("WEBHOOK_SECRET", "");
    let lacking = run(&azure, without()).await;
    insta::assert_snapshot!("secret_left_out", lacking.transcript);
    assert!(!lacking.calls.contains(" create"), "{}", lacking.calls);
    let forgotten = run(&azure, without().with(&["--forget", "webhookSecret"])).await;
    assert_eq!((forgotten.code, headers(&system).get("X-Webhook-Secret")), (0, None), "{}", forgotten.transcript);
}
