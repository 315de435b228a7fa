//! Runs the script, and makes a transcript of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use local::functions_host::FunctionsHost;
use local::iot_hub::DeviceToCloudMessage;
use local::stage::{StageOptions, stage};
use local::system::{Options, System, WEBHOOK_SECRET};
use local::tts::{self, Server, TheThingsStack};
use serde_json::json;

use crate::azure::Azure;

/// One run of the script.
#[derive(Debug)]
pub(crate) struct Run {
    /// Exit code, standard output and error, with addresses and folders by name.
    pub(crate) transcript: String,
    /// How az and cargo were called.
    pub(crate) calls: String,
    /// Exit code.
    pub(crate) code: i32,
}

/// What the script is given.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// Arguments.
    pub(crate) arguments: Vec<String>,
    /// Environment beside the `PATH`.
    pub(crate) environment: Vec<(String, String)>,
    /// What is typed.
    pub(crate) stdin: &'static str,
}

impl Given {
    /// The usual arguments, with a zip that is there, for this The Things Stack.
    pub(crate) fn usual(tts: &TheThingsStack) -> Self {
        let given = Self { arguments: Vec::new(), environment: Vec::new(), stdin: "" };
        given
            .with(&["--resource-group", "bridge", "--location", "northeurope"])
            .with(&["--tts-address", &tts.base_url(), "--tts-application", "plant-a"])
            .with(&["--zip", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
            .set("STACK_API_KEY", tts.api_key())
            .set("WEBHOOK_SECRET", WEBHOOK_SECRET)
    }

    /// With further arguments.
    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Without an option and its value.
    pub(crate) fn without(mut self, option: &str) -> Self {
        let position = self.arguments.iter().position(|argument| argument == option).unwrap();
        self.arguments.drain(position..position + 2);
        self
    }

    /// With a variable; an empty value unsets it.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.environment.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// Runs the script. No secret may be in what it says, nor in any program's arguments.
pub(crate) async fn run(azure: &Azure, given: Given) -> Run {
    let is_secret = |(name, _): &&(String, String)| name.contains("KEY") || name.contains("SECRET");
    let secrets = given.environment.iter().filter(is_secret).map(|(_, value)| value.clone());
    let secrets: Vec<String> = secrets.chain(azure.keys()).collect();
    let mut command = command(azure, &given);
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), given.stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    let code = output.status.code().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let (calls, curl) = (azure.take_calls(), azure.take_curl());
    for secret in &secrets {
        for text in [&stdout, &stderr, &calls, &curl] {
            assert!(!text.contains(secret.as_str()), "a secret in: {text}");
        }
    }
    assert!(!stderr.contains("no rule for"), "{stderr}");
    let left = std::fs::read_dir(azure.folder()).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("tmp.")).collect();
    assert!(left.is_empty(), "{left:?} is left behind");
    let transcript = format!("exit code {code}\n\n{stdout}{}{stderr}", if stderr.is_empty() { "" } else { "\n" });
    Run { transcript: by_name(azure, &transcript), calls: by_name(azure, &calls), code }
}

#[expect(clippy::disallowed_methods, reason = "the script's programs are beside the fake ones")]
fn command(azure: &Azure, given: &Given) -> Command {
    let path = std::env::join_paths(
        [azure.bin()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut command = Command::new("bash");
    command
        .arg(repository().join("infra/deploy.sh"))
        .args(&given.arguments)
        .env_clear()
        .env("PATH", path.unwrap())
        .env("FAKE", azure.folder())
        .env("TMPDIR", azure.folder())
        .env("DEPLOY_TRIES", "100")
        .env("DEPLOY_WAIT_SECONDS", "0.1")
        .envs(given.environment.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Folders by name, ports as `PORT`, and without the tries whose number depends on the machine.
fn by_name(azure: &Azure, text: &str) -> String {
    let text = text.replace(azure.folder().to_str().unwrap(), "[fake]");
    let text = text.replace(repository().to_str().unwrap(), "[repository]");
    let lines = text.lines().filter(|line| !line.starts_with("IoT Hub has no message of it: not yet"));
    lines.map(|line| without_port(line) + "\n").collect()
}

fn without_port(line: &str) -> String {
    let mut parts = line.split("127.0.0.1:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| {
        line + "127.0.0.1:PORT" + part.trim_start_matches(|digit: char| digit.is_ascii_digit())
    })
}

/// The Things Stack alone, for runs that end before anything else is needed.
pub(crate) async fn the_things_stack(rights: &[&str]) -> TheThingsStack {
    let rights = rights.iter().map(|right| format!("RIGHT_APPLICATION_{right}")).collect();
    TheThingsStack::start(tts::Options { rights, ..tts::Options::default() }).await.unwrap()
}

/// The whole system, where the function app is the Functions host stand-in with the real handler.
pub(crate) async fn system() -> System {
    let script_root =
        tokio::task::spawn_blocking(|| stage(&StageOptions::default()).unwrap().script_root).await.unwrap();
    let mut options = Options::default();
    options.settings.insert("WEBHOOK_TWIN_TYPES".to_owned(), "none".to_owned());
    let system = System::start_staged(options, script_root).await.unwrap();
    system.tts.put_device(Server::Application, "plant-a", "sensor-1", &json!({}));
    system
}

/// Lets az know what a deployment of the system has for outputs and keys; the webhook's key is not there yet.
pub(crate) fn deployed(azure: &Azure, host: &FunctionsHost) {
    let outputs = format!(
        "func-x1\n{}/api/tts\niothub-x1\n200000\n/subscriptions/s/resourceGroups/bridge/id-hub-x1\nevhubns-x1.servicebus.windows.net\nevents\nstx1\n",
        host.url()
    );
    azure.answers("deployment group show --resource-group", &outputs);
    azure.answers("functionapp keys list", &format!("{}\n", host.function_key()));
    azure.answers("functionapp function keys list", &format!("{}\nNone\ndefault-key\n", host.function_key()));
    azure.answers_once("functionapp function keys list", "None\nNone\ndefault-key\n");
}

/// The one message that arrives in IoT Hub.
pub(crate) async fn arrived(system: &System) -> DeviceToCloudMessage {
    system.iot_hub.wait_for_messages(1, Duration::from_secs(20)).await.unwrap().swap_remove(0)
}
