//! What is given once has to be given again, or forgotten by name.

use local::tts::TheThingsStack;

use crate::azure::Azure;
use crate::run::{Given, run, the_things_stack};

/// A group whose last deployment used a hub and was given these parameters; the next one does not get far.
fn deployed(hub: &str, given: &str) -> Azure {
    let azure = Azure::new();
    azure.answers("group exists", "true\n");
    azure.answers("deployment group show --name", &format!("{hub}\n{given}\n"));
    azure.answers("iot hub show", "plant\n/subscriptions/s/hub\nS1\nNone\nNone\nEnabled\n");
    azure.fails("deployment group create", "ERROR: far enough\n", None);
    azure.answers("iot hub policy list", "DeviceConnect\n");
    azure
}

const OWN: &str = "iothub-x1\nbridge\n\nbridge";
const THEIRS: &str = "my-hub\nplant\nmy-hub\nplant";

fn value(azure: &Azure, name: &str, json: &str) {
    let words = "deployment group show --name the-things-stack --resource-group bridge --output json --query";
    azure.answers(&format!("{words} properties.parameters.{name}.value"), json);
}

fn without_secret(tts: &TheThingsStack) -> Given {
    Given::usual(tts).set("WEBHOOK_SECRET", "")
}

#[tokio::test]
async fn what_the_last_deployment_was_given_and_this_run_lacks_is_named_before_anything_is_changed() {
    let tts = the_things_stack(&["ALL"]).await;
    let azure = deployed(OWN, "profile=s1 nameSuffix webhookSecret alertEmail logRetentionDays handlerSettings");
    value(&azure, "nameSuffix", "\"x1\"\n");
    value(&azure, "alertEmail", "\"me@example.com\"\n");
    value(&azure, "logRetentionDays", "60\n");
    value(&azure, "handlerSettings", "{\n  \"LOG_LEVEL\": \"debug\",\n  \"WEBHOOK_TWIN_TYPES\": \"none\"\n}\n");
    let lacking = run(&azure, without_secret(&tts)).await;
    insta::assert_snapshot!("lacking", lacking.transcript);
    assert!(!lacking.calls.contains(" create"), "{}", lacking.calls);

    let again = without_secret(&tts)
        .with(&["--name-suffix", "x1", "--parameter", "LogRetentionDays=30", "--forget", "webhookSecret"])
        .with(&["--parameter", "handlerSettings={}"])
        .set("ALERT_EMAIL", "me@example.com");
    let given = run(&azure, again).await;
    let kept =
        "'givenParameters=profile=s1 nameSuffix alertEmail webhook=azure-iot-hub LogRetentionDays handlerSettings'";
    assert!(given.calls.contains(kept), "{}\n{}", given.transcript, given.calls);
}

#[tokio::test]
async fn a_bridge_keeps_its_hub_unless_that_is_to_be_forgotten() {
    let tts = the_things_stack(&["ALL"]).await;
    let azure = deployed(THEIRS, "profile=s1 webhookSecret existingIotHubName");
    value(&azure, "existingIotHubName", "\"my-hub\"\n");
    let lacking = run(&azure, Given::usual(&tts)).await;
    insta::assert_snapshot!("lacking_hub", lacking.transcript);
    let other = run(&azure, Given::usual(&tts).with(&["--existing-iot-hub", "other"])).await;
    insta::assert_snapshot!("another_hub", other.transcript);
    let own = deployed(OWN, "profile=s1");
    let instead_of_own = run(&own, Given::usual(&tts).with(&["--existing-iot-hub", "other"])).await;
    assert!(instead_of_own.transcript.contains("found a bridge that uses IoT Hub iothub-x1, expected other"));
    for refused in [&lacking, &other, &instead_of_own] {
        assert!(!refused.calls.contains(" create"), "{}", refused.calls);
    }
    for given in [&["--existing-iot-hub", "MY-HUB"][..], &["--forget", "existingIotHubName"]] {
        let run = run(&azure, Given::usual(&tts).with(given)).await;
        assert!(run.transcript.contains("far enough"), "{}", run.transcript);
    }
}

#[tokio::test]
async fn a_hub_is_kept_though_the_last_deployment_does_not_say_what_it_was_given() {
    let tts = the_things_stack(&["ALL"]).await;
    let azure = deployed("None\nNone\nmy-hub\nplant", "None");
    value(&azure, "existingIotHubName", "\"my-hub\"\n");
    let run = run(&azure, Given::usual(&tts)).await;
    assert!(run.code == 1 && run.transcript.contains("give it again: --existing-iot-hub my-hub"), "{}", run.transcript);
}

#[tokio::test]
async fn a_webhook_keeps_its_name_also_over_runs_that_may_not_set_it() {
    let tts = the_things_stack(&["ALL"]).await;
    let azure = deployed(OWN, "profile=s1 webhook=to-azure");
    let lacking = run(&azure, Given::usual(&tts)).await;
    assert!(lacking.transcript.contains("give it again: --webhook-id to-azure; without it"), "{}", lacking.transcript);
    for given in [&["--webhook-id", "to-azure"][..], &["--no-webhook"]] {
        let run = run(&azure, Given::usual(&tts).with(given)).await;
        assert!(run.calls.contains("'givenParameters=profile=s1 webhookSecret webhook=to-azure'"), "{}", run.calls);
    }
}
