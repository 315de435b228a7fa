//! A token of whoever is signed in to the Azure CLI: the commands are for a person at a terminal.

use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::process::Command;

use crate::secret::Secret;

/// The CLI is slow to start, and may refresh its login.
const TIMEOUT: Duration = Duration::from_secs(60);

const INSTEAD: &str = "or set AzureWebJobsStorage to a connection string";

/// The CLI's command that prints a token for storage accounts.
pub(super) fn az() -> Command {
    let mut command = Command::new("az");
    command.args(["account", "get-access-token", "--resource", "https://storage.azure.com/", "--output", "json"]);
    command
}

/// Runs the command and takes the token from its output.
pub(super) async fn token(mut command: Command) -> Result<Secret, String> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = match tokio::time::timeout(TIMEOUT, output).await {
        Ok(output) => output.map_err(|reason| not_started(&reason))?,
        Err(_) => return Err(format!("the Azure CLI gave no token within {} s", TIMEOUT.as_secs())),
    };
    token_of(&output)
}

fn not_started(reason: &io::Error) -> String {
    if reason.kind() == io::ErrorKind::NotFound {
        return format!("found no Azure CLI (az) on the PATH; install it and run `az login`, {INSTEAD}");
    }
    format!("cannot run the Azure CLI (az): {reason}")
}

fn token_of(output: &Output) -> Result<Secret, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        access_token: String,
    }
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let complaint = complaint.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
        return Err(format!("the Azure CLI gave no token ({complaint}); run `az login`, {INSTEAD}"));
    }
    let answer: Option<Answer> = serde_json::from_slice(&output.stdout).ok();
    let token = answer.map(|answer| answer.access_token);
    token.filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())).map(Secret::new).ok_or(
        "the Azure CLI answered without a token, expected JSON with accessToken; is `az` the Azure CLI?".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn the_token_is_taken_from_the_clis_answer() {
        let answer = shell(r#"printf '{"accessToken": "ey.hunter2", "tokenType": "Bearer"}'"#);
        assert_eq!(token(answer).await.unwrap().expose(), "ey.hunter2");
    }

    #[tokio::test]
    async fn a_missing_cli_and_a_missing_login_are_named_with_what_to_do() {
        let missing = token(Command::new("/nowhere/az")).await.unwrap_err();
        assert!(missing.contains("no Azure CLI (az) on the PATH; install it and run `az login`"), "{missing}");
        let logged_out =
            token(shell("echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1")).await.unwrap_err();
        assert!(logged_out.contains("(ERROR: Please run 'az login' to setup account.)"), "{logged_out}");
    }

    #[tokio::test]
    async fn an_answer_without_a_usable_token_is_not_shown() {
        for script in ["echo hunter2", r#"echo '{"accessToken": ""}'"#, r#"echo '{"accessToken": "hunter2 \n"}'"#] {
            let found = token(shell(script)).await.unwrap_err();
            assert!(found.contains("without a token") && !found.contains("hunter2"), "{found}");
        }
    }
}
