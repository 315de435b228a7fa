//! The commands that the documents print for trouble run as they are printed.

use std::path::Path;
use std::process::{Command, Output};

use local::stage::{StageOptions, stage};

use crate::azure::Azure;
use crate::run::system;

const OPERATING: &str = include_str!("../../infra/OPERATING.md");
const TROUBLESHOOTING: &str = include_str!("../../infra/TROUBLESHOOTING.md");
const GUIDE: &str = include_str!("../../infra/README.md");
/// Where the deployment's outputs are asked for.
const OUTPUTS: &str =
    "deployment group show --resource-group my-bridge --name the-things-stack --query properties.outputs";
/// Says which account it was given, and notes what it was asked to run.
const CARGO: &str = "#!/usr/bin/env bash\nprintf 'cargo %s\\n' \"$*\" >>\"$FAKE/calls\"\necho \"account $AzureWebJobsStorage__accountName\"\n";

/// The blocks of a chapter.
fn blocks(chapter: &str) -> Vec<&'static str> {
    let chapter = OPERATING.split("\n## ").find(|part| part.starts_with(chapter)).unwrap();
    chapter.split("```\n").skip(1).step_by(2).collect()
}

/// The blocks that name things, then those of the chapter, in one terminal.
async fn run(azure: &Azure, chapter: &str) -> Output {
    let names = OPERATING.split("```\n").nth(1).unwrap();
    let script = format!("set -euo pipefail\n{names}{}", blocks(chapter).concat());
    let mut command = terminal(azure);
    command.args(["-c", &script]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[expect(clippy::disallowed_methods, reason = "the commands' programs are beside the fake ones")]
fn terminal(azure: &Azure) -> Command {
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([azure.bin()].into_iter().chain(std::env::split_paths(&path)));
    let mut command = Command::new("bash");
    command.env("PATH", path.unwrap()).env("FAKE", azure.folder());
    command
}

#[tokio::test]
async fn the_commands_that_ask_for_health_get_it_and_show_no_program_the_key() {
    let (azure, system) = (Azure::new(), system().await);
    azure.answers(&format!("{OUTPUTS}.webhookBaseUrl.value"), &format!("{}/api/tts\n", system.host.url()));
    azure.answers(&format!("{OUTPUTS}.functionAppName.value"), "func-x1\n");
    let keys = "functionapp keys list --resource-group my-bridge --name func-x1 --query functionKeys.default";
    azure.answers(keys, &format!("{}\n", system.host.function_key()));
    let said = run(&azure, "Is it well?").await.stdout;
    let health: serde_json::Value = serde_json::from_slice(&said).unwrap();
    assert_eq!(health["status"], "ok", "{health}");
    assert!(!azure.take_curl().contains(system.host.function_key()));
}

#[tokio::test]
async fn the_commands_for_dead_letters_assign_the_role_and_list_the_accounts_queues() {
    let azure = Azure::new();
    std::fs::write(azure.bin().join("cargo"), CARGO).unwrap();
    azure.answers(&format!("{OUTPUTS}.storageAccountName.value"), "stx1\n");
    azure.answers("ad signed-in-user show --query id", "me-1\n");
    azure.answers("storage account show --resource-group my-bridge --name stx1 --query id", "/subscriptions/s/stx1\n");
    azure.answers("role assignment create", "");
    let said = run(&azure, "Dead letters").await.stdout;
    assert_eq!(String::from_utf8_lossy(&said), "account stx1\n");
    let calls = azure.take_calls();
    let assigned = "az role assignment create --role 'Storage Queue Data Contributor' --assignee-object-id me-1 \
        --assignee-principal-type User --scope /subscriptions/s/stx1\n";
    assert!(calls.contains(assigned), "{calls}");
    assert!(calls.ends_with("cargo run --quiet --release --bin handler -- dead-letters list\n"), "{calls}");
}

#[tokio::test]
async fn the_commands_that_look_at_a_device_come_in_by_a_role_and_not_by_a_key() {
    let azure = Azure::new();
    azure.answers(&format!("{OUTPUTS}.iotHubName.value"), "iothub-x1\n");
    azure.answers("ad signed-in-user show --query id", "me-1\n");
    azure.answers("iot hub show --name iothub-x1 --query id", "/subscriptions/s/iothub-x1\n");
    for words in ["role assignment create", "extension add --name azure-iot", "iot hub device-twin update"] {
        azure.answers(words, "");
    }
    azure.answers("iot hub device-twin show", "{}\n");
    run(&azure, "Looking at a device").await;
    let calls = azure.take_calls();
    let assigned = "az role assignment create --role 'IoT Hub Data Contributor' --assignee-object-id me-1 \
        --assignee-principal-type User --scope /subscriptions/s/iothub-x1\n";
    assert!(calls.contains(assigned), "{calls}");
    let by_login = |call: &&str| call.contains("--auth-type login --hub-name iothub-x1 --device-id my-device");
    assert_eq!(calls.lines().filter(by_login).count(), 2, "{calls}");
}

/// Where the queues are is a setting that is missing here, so whoever gets that far has understood its arguments.
#[tokio::test]
async fn the_handler_understands_every_command_the_documents_name() {
    const WRONG_SETTINGS: i32 = 64;
    let handler = tokio::task::spawn_blocking(|| stage(&StageOptions::default()).unwrap().handler).await.unwrap();
    let spans = [OPERATING, TROUBLESHOOTING, GUIDE].into_iter().flat_map(|text| text.split('`').skip(1).step_by(2));
    let commands: Vec<_> = spans.filter_map(|span| span.strip_prefix("handler dead-letters ")).collect();
    assert!(commands.len() > 6, "{commands:?}");
    for command in commands {
        let (code, complaint) = parsed(&handler, &command.replace('…', ""));
        assert_eq!(code, Some(WRONG_SETTINGS), "{command}: {complaint}");
    }
    assert_ne!(parsed(&handler, "look").0, Some(WRONG_SETTINGS));
}

fn parsed(handler: &Path, arguments: &str) -> (Option<i32>, String) {
    let mut command = Command::new(handler);
    command.arg("dead-letters").args(arguments.split_whitespace()).env_clear();
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}
