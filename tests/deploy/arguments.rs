//! Arguments and secrets that cannot be right.

use crate::azure::Azure;
use crate::run::{Given, run, the_things_stack};

/// With settings of the handler, one to a line as in a file, where this one is the second.
fn setting(given: Given, name: &str) -> Given {
    given.with(&["--parameter", &format!("handlerSettings={{\n\"LOG_LEVEL\" : \"debug\",\n\"{name}\":\"x\"\n}}")])
}

#[tokio::test]
async fn a_wrong_argument_is_named_before_anything_is_called() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    let usual = || Given::usual(&tts);
    for (given, named) in [
        (usual().without("--resource-group"), "found no --resource-group"),
        (usual().without("--tts-application"), "found no --tts-application"),
        (usual().with(&["--profile", "huge"]), "found --profile huge, expected free or s1"),
        (usual().with(&["--colour", "red"]), "found argument `--colour`"),
        (usual().with(&["--simulate"]), "found --simulate without a value"),
        (usual().with(&["--simulate", "--yes"]), "found --simulate without a value"),
        (usual().with(&["--simulate", "Sensor_1"]), "expected a device id"),
        (usual().with(&["--webhook-id", "x"]), "expected an id"),
        (usual().with(&["--tts-address", "http://eu1.cloud.thethings.network"]), "http on loopback only"),
        (usual().with(&["--tts-address", "https://h/other"]), "expected https://HOST"),
        (
            usual()
                .with(&["--tts-identity-address", "https://eu1.cloud.thethings.network"])
                .with(&["--parameter", r#"handlerSettings={"LOG_LEVEL":"debug"}"#]),
            r#"add "TTS_IDENTITY_SERVER_URL":"https://eu1.cloud.thethings.network" to handlerSettings"#,
        ),
        (usual().with(&["--zip", "/no/such.zip"]), "found no file /no/such.zip"),
        (usual().set("STACK_API_KEY", "NNSXS.short"), "found in STACK_API_KEY what is no API key"),
        (usual().set("STACK_SETUP_API_KEY", "guess-guess-guess"), "found in STACK_SETUP_API_KEY what is no API key"),
        (usual().set("WEBHOOK_SECRET", "long-enough-secret,no"), "found a secret in WEBHOOK_SECRET"),
        (usual().set("WEBHOOK_SECRET", "with a blank in the secret"), "found a secret in WEBHOOK_SECRET"),
    ] {
        refused(&azure, given, named).await;
    }
    assert_eq!(tts.requests().len(), 0);
}

#[tokio::test]
async fn a_parameter_or_setting_that_is_not_passed_on_is_named_before_anything_is_called() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    let usual = || Given::usual(&tts);
    for (given, named) in [
        (usual().with(&["--parameter", "tags"]), "NAME=VALUE"),
        (usual().with(&["--parameter", "stackAPIKey=NNSXS"]), "found a secret in --parameter stackAPIKey"),
        (usual().with(&["--parameter", "DevicePolicyName=iothubowner"]), "found --parameter devicePolicyName"),
        (usual().with(&["--parameter", "existingIotHubName=theirs"]), "found --parameter existingIotHubName"),
        (usual().with(&["--parameter", "nameSuffix=x1"]), "found --parameter nameSuffix"),
        (setting(usual(), "TTS_DELIVERY"), "use --parameter ttsDelivery="),
        (setting(usual(), "IOT_HUB_DEVICE_ID_TEMPLATE"), "use --parameter iotHubDeviceIdTemplate="),
        (setting(usual(), "TTS_API_KEY"), "use STACK_API_KEY"),
        (setting(usual(), "AZURE_CLIENT_ID"), "found AZURE_CLIENT_ID in handlerSettings, which is not a setting"),
        (setting(usual(), "LOGLEVEL"), "TTS_FURTHER_APPLICATION_IDS TTS_ON_DEVICE_DELETION"),
    ] {
        refused(&azure, given, named).await;
    }
    assert_eq!(tts.requests().len(), 0);
}

async fn refused(azure: &Azure, given: Given, named: &str) {
    let run = run(azure, given).await;
    assert_eq!((run.code, run.calls.as_str()), (1, ""), "{}", run.transcript);
    assert!(run.transcript.contains(named), "{}", run.transcript);
    assert!(run.transcript.contains("\n next: "), "{}", run.transcript);
}

#[tokio::test]
async fn every_setting_that_the_template_lets_tune_is_taken() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    let template = include_str!("../../infra/modules/app-settings.bicep");
    let tunable = template.split_once("var tunableSettings = {").unwrap().1.split_once("\n}").unwrap().0;
    let mut given = Given::usual(&tts);
    for name in tunable.lines().filter_map(|line| line.trim().split_once(':')).map(|(name, _)| name) {
        given = setting(given, name);
    }
    let run = run(&azure, setting(given, "AzureWebJobs.hub_events.Disabled")).await;
    assert!(run.calls.contains("az account show"), "{}", run.transcript);
}

#[tokio::test]
async fn handler_settings_with_the_identity_servers_address_are_taken() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    let settings = r#"handlerSettings={"TTS_IDENTITY_SERVER_URL":"http://127.0.0.1:1"}"#;
    let given = Given::usual(&tts).with(&["--tts-identity-address", "http://127.0.0.1:1", "--parameter", settings]);
    let run = run(&azure, given).await;
    assert!(run.transcript.contains("error: The Things Stack does not answer"), "{}", run.transcript);
}

#[tokio::test]
async fn without_an_api_key_the_script_says_where_to_get_one() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    let run = run(&azure, Given::usual(&tts).set("STACK_API_KEY", "")).await;
    insta::assert_snapshot!("no_api_key", run.transcript);
    assert_eq!(run.calls, "");
}

#[tokio::test]
async fn help_names_every_option_and_every_variable() {
    let given = Given { arguments: vec!["--help".to_owned()], environment: Vec::new(), stdin: "" };
    insta::assert_snapshot!("help", run(&Azure::new(), given).await.transcript);
}
