//! What must be there before anything is changed, and how it is said that it is not.

use crate::azure::Azure;
use crate::run::{Given, run, the_things_stack};

/// Runs with one thing wrong: nothing is created, and the transcript is as it was.
async fn refused(name: &str, words: &str, complaint: &str) {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    azure.fails(words, complaint, None);
    let run = run(&azure, Given::usual(&tts).with(&["--subscription", "Sensors"])).await;
    insta::assert_snapshot!(name, run.transcript);
    assert!(!run.calls.contains(" create"), "{}", run.calls);
}

#[tokio::test]
async fn without_a_login_the_next_step_is_to_log_in() {
    refused("not_logged_in", "account show", "ERROR: Please run 'az login' to setup account.\n").await;
}

#[tokio::test]
async fn a_subscription_of_another_login_is_named_with_the_way_to_find_the_right_one() {
    let complaint = "ERROR: Subscription 'Sensors' not found. Check the spelling and casing and try again.\n";
    refused("wrong_subscription", "account show", complaint).await;
}

#[tokio::test]
async fn a_missing_bicep_compiler_is_named() {
    refused(
        "no_bicep",
        "bicep version",
        "ERROR: Bicep CLI not found. Install it now by running \"az bicep install\".\n",
    )
    .await;
}

#[tokio::test]
async fn a_bicep_compiler_that_cannot_read_the_template_is_named() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    azure.answers("bicep version", "Bicep CLI version 0.33.93 (7a77c7f8d1)\n");
    let run = run(&azure, Given::usual(&tts)).await;
    let expected = "error: found Bicep 0.33.93, expected 0.34.1 or newer\n next: az bicep upgrade\n";
    assert!(run.transcript.ends_with(expected), "{}", run.transcript);
}

#[tokio::test]
async fn a_free_hub_is_not_made_a_paid_one_nor_the_reverse() {
    let tts = the_things_stack(&["ALL"]).await;
    for (profile, sku, refused) in
        [("s1", "F1", true), ("free", "S1", true), ("s1", "S1", false), ("free", "F1", false)]
    {
        let azure = Azure::new();
        azure.answers("group exists", "true\n");
        azure.answers("iot hub list", &format!("{sku}\t1\tiothub-x1\tlifecycle twin-changes\tbridge-events\n"));
        azure.answers("iot hub policy list", "device-connect\n");
        azure.fails("deployment group create", "ERROR: far enough\n", None);
        let run = run(&azure, Given::usual(&tts).with(&["--profile", profile])).await;
        assert_eq!(run.calls.contains("deployment group create"), !refused, "{}", run.transcript);
        if refused {
            insta::assert_snapshot!(format!("profile_{profile}_over_{sku}"), run.transcript);
        }
    }
}

#[tokio::test]
async fn the_command_that_recovers_the_deleted_vault_is_printed() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    azure.fails(
        "deployment group create",
        "ERROR: A vault with the same name already exists in deleted state.\n",
        None,
    );
    let vault = |name: &str, group: &str| {
        format!(
            "{name}\tnortheurope\t/subscriptions/s/resourceGroups/{group}/providers/Microsoft.KeyVault/vaults/{name}\n"
        )
    };
    azure.answers("keyvault list-deleted", &(vault("kv-other", "bridge-2") + &vault("kv-x1", "Bridge")));
    insta::assert_snapshot!("vault_to_recover", run(&azure, Given::usual(&tts)).await.transcript);
}

#[tokio::test]
async fn a_complaint_about_the_hubs_routing_is_tried_again_while_tries_remain() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    let complaint = "ERROR: {\"code\": \"400332\", \"message\": \"The endpoint bridge-events is not available.\"}\n";
    azure.fails("deployment group create", complaint, None);
    let run = run(&azure, Given::usual(&tts)).await;
    assert_eq!(run.calls.matches("deployment group create").count(), 4, "{}", run.calls);
    assert!(run.transcript.contains("error: the deployment failed: "), "{}", run.transcript);
}

#[tokio::test]
async fn a_region_without_custom_handlers_on_flex_consumption_is_refused() {
    let complaint = "ERROR: Runtime 'custom' not supported for function apps on the Flex Consumption plan.\n";
    refused("no_custom_runtime", "functionapp list-flexconsumption-runtimes", complaint).await;
}

#[tokio::test]
async fn a_region_without_flex_consumption_is_refused_with_those_that_have_it() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    let run = run(&azure, Given::usual(&tts).without("--location").with(&["--location", "Brazil Southeast"])).await;
    insta::assert_snapshot!("region_without_flex", run.transcript);
}

#[tokio::test]
async fn providers_that_are_not_registered_and_an_old_az_are_named() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    azure.answers("provider list", "Microsoft.Storage\nMicrosoft.Web\nMicrosoft.Insights\n");
    insta::assert_snapshot!("providers", run(&azure, Given::usual(&tts)).await.transcript);
    azure.answers("version", "2.87.1\n");
    insta::assert_snapshot!("old_az", run(&azure, Given::usual(&tts)).await.transcript);
}

#[tokio::test]
async fn what_azure_refuses_for_good_is_said_at_once_with_the_way_out() {
    let tts = the_things_stack(&["ALL"]).await;
    for (name, complaint) in [
        (
            "name_taken",
            "ERROR: {\"code\": \"StorageAccountAlreadyTaken\", \"message\": \"The storage account named stx1 is already taken.\"}\n",
        ),
        (
            "vault_deleted",
            "ERROR: {\"code\": \"ConflictError\", \"message\": \"A vault with the same name already exists in deleted state.\"}\n",
        ),
        (
            "no_rights_in_azure",
            "ERROR: {\"code\": \"AuthorizationFailed\", \"message\": \"The client does not have authorization to perform action 'Microsoft.Authorization/roleAssignments/write'\"}\n",
        ),
        (
            "second_free_hub",
            "ERROR: {\"code\": \"400\", \"message\": \"Max number of Iot Hubs exceeded for sku = Free, Max number: 1\"}\n",
        ),
        ("any_other_failure", "ERROR: {\"code\": \"InvalidTemplateDeployment\"}\n"),
    ] {
        let azure = Azure::new();
        azure.fails("deployment group create", complaint, None);
        let run = run(&azure, Given::usual(&tts)).await;
        insta::assert_snapshot!(name, run.transcript);
        assert_eq!(run.calls.matches("deployment group create").count(), 1, "{}", run.calls);
    }
}

#[tokio::test]
async fn commands_that_are_printed_name_the_subscription_that_was_given() {
    let tts = the_things_stack(&["ALL"]).await;
    let hub = |sku: &str, disabled: &str| format!("plant\n/subscriptions/s/hub\n{sku}\n{disabled}\nNone\nEnabled\n");
    let here = " --subscription 11111111-2222-3333-4444-555555555555";
    let existing = ["--existing-iot-hub", "my-hub"];
    for (words, answer, arguments, printed) in [
        (
            "provider list",
            "Microsoft.Web\n".to_owned(),
            &[][..],
            "az provider register --namespace $name --wait{}; done",
        ),
        ("version", "2.91.0\n".to_owned(), &["--what-if"], "az group create --name bridge --location northeurope{} "),
        (
            "iot hub show",
            hub("B1", "None"),
            &existing,
            "az iot hub update --name my-hub --resource-group plant{} --sku S1",
        ),
        (
            "iot hub show",
            hub("S1", "true"),
            &existing,
            "az iot hub update --name my-hub --resource-group plant{} --set ",
        ),
    ] {
        let azure = Azure::new();
        azure.answers(words, &answer);
        let given = || Given::usual(&tts).with(arguments);
        let named = run(&azure, given().with(&["--subscription", "Sensors"])).await;
        assert!(named.transcript.contains(&printed.replace("{}", here)), "{}", named.transcript);
        let usual = run(&azure, given()).await;
        assert!(usual.transcript.contains(&printed.replace("{}", "")), "{}", usual.transcript);
    }
}

#[tokio::test]
async fn rights_that_lack_on_the_group_of_the_hub_are_asked_for_there_too() {
    let (azure, tts) = (Azure::new(), the_things_stack(&["ALL"]).await);
    azure.answers("iot hub show", "plant\n/subscriptions/s/hub\nS1\nNone\nNone\nEnabled\n");
    azure.answers("iot hub policy list", "DeviceConnect\n");
    azure.answers("iot hub routing-endpoint list", "");
    azure.fails("deployment group create", "ERROR: {\"code\": \"AuthorizationFailed\"}\n", None);
    let run = run(&azure, Given::usual(&tts).with(&["--existing-iot-hub", "my-hub"])).await;
    assert!(run.transcript.ends_with("on group bridge and on group plant of the IoT Hub\n"), "{}", run.transcript);
}
