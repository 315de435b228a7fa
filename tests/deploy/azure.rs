//! An az CLI that says what a scenario tells it to, and notes how it was called.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

/// Notes its arguments, those with blanks in quotes, and answers by the first rule whose words they begin with. Deployments
/// show what they find in the environment.
const AZ: &str = r#"#!/usr/bin/env bash
line=az
for argument in "$@"; do
  if [[ $argument == *' '* ]]; then line+=" '$argument'"; else line+=" $argument"; fi
done
printf '%s\n' "$line" >>"$FAKE/calls"
[[ "$1 $2" != 'deployment group' ]] || printf '%s\n' "$STACK_CLUSTER_ADDRESS $STACK_APPLICATION_ID $STACK_API_KEY $WEBHOOK_SECRET" >"$FAKE/environment"
for rule in "$FAKE"/rules/*; do
  words=$(<"$rule/words")
  [[ "$* " == "$words "* ]] || continue
  if [[ -f $rule/times ]]; then
    times=$(<"$rule/times")
    ((times > 0)) || continue
    printf '%s' "$((times - 1))" >"$rule/times"
  fi
  cat "$rule/stdout"
  cat "$rule/stderr" >&2
  exit "$(<"$rule/status")"
done
printf 'no rule for %s\n' "$line" >&2
exit 99
"#;

/// Notes the arguments of the real curl.
const CURL: &str = "#!/usr/bin/env bash\nprintf 'curl %s\\n' \"$*\" >>\"$FAKE/curl\"\nexec REAL \"$@\"\n";

/// Notes what cargo is asked to build, and the secrets it can read.
const CARGO: &str = r#"#!/usr/bin/env bash
printf 'cargo %s%s\n' "$*" "${STACK_API_KEY-}${WEBHOOK_SECRET-}${STACK_SETUP_API_KEY-}" >>"$FAKE/calls"
"#;

/// What the az CLI of one scenario knows.
#[derive(Debug)]
pub(crate) struct Azure {
    folder: TempDir,
    rules: AtomicUsize,
    keys: Mutex<Vec<String>>,
}

impl Azure {
    /// A subscription where everything is ready and nothing is deployed.
    pub(crate) fn new() -> Self {
        let azure = Self { folder: TempDir::new().unwrap(), rules: AtomicUsize::new(5000), keys: Mutex::default() };
        std::fs::create_dir(azure.bin()).unwrap();
        std::fs::create_dir(azure.folder.path().join("rules")).unwrap();
        let curl = CURL.replace("REAL", real("curl").to_str().unwrap());
        for (name, text) in [("az", AZ), ("curl", &curl), ("cargo", CARGO)] {
            let path = azure.bin().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        let providers = "Microsoft.Devices\nMicrosoft.EventHub\nmicrosoft.insights\nMicrosoft.KeyVault\n\
            Microsoft.ManagedIdentity\nMicrosoft.OperationalInsights\nMicrosoft.Storage\nMicrosoft.Web\n";
        for (words, stdout) in [
            ("version", "2.91.0\n"),
            ("bicep version", "Bicep CLI version 0.46.0\n"),
            ("account show", "11111111-2222-3333-4444-555555555555\nSensors\nme@example.com\n"),
            ("provider list", providers),
            ("functionapp list-flexconsumption-locations", "northeurope\nwesteurope\n"),
            ("functionapp list-flexconsumption-runtimes", ""),
            ("group exists", "false\n"),
            ("group create", ""),
            ("iot hub list", ""),
            ("keyvault list-deleted", ""),
            ("deployment group create", ""),
            ("functionapp deployment source config-zip", ""),
            ("functionapp function keys set", ""),
        ] {
            azure.answers(words, stdout);
        }
        azure.fails(
            "deployment group show",
            "ERROR: (DeploymentNotFound) Deployment 'the-things-stack' could not be found.\n",
            None,
        );
        azure
    }

    /// From now on, calls that begin with these words print this.
    pub(crate) fn answers(&self, words: &str, stdout: &str) {
        self.rule(words, stdout, "", 0, None);
    }

    /// From now on, calls that begin with these words fail, so many times or for ever.
    pub(crate) fn fails(&self, words: &str, stderr: &str, times: Option<usize>) {
        self.rule(words, "", stderr, 1, times);
    }

    /// For the next call only.
    pub(crate) fn answers_once(&self, words: &str, stdout: &str) {
        self.rule(words, stdout, "", 0, Some(1));
    }

    /// The newest rule is tried first.
    fn rule(&self, words: &str, stdout: &str, stderr: &str, status: u8, times: Option<usize>) {
        if words.contains("keys list") {
            let keys = stdout.lines().filter(|key| !key.is_empty() && *key != "None");
            self.keys.lock().unwrap().extend(keys.map(str::to_owned));
        }
        let number = self.rules.fetch_sub(1, Ordering::Relaxed);
        let rule = self.folder.path().join(format!("rules/{number}"));
        std::fs::create_dir(&rule).unwrap();
        for (name, text) in [("words", words), ("stdout", stdout), ("stderr", stderr), ("status", &status.to_string())]
        {
            std::fs::write(rule.join(name), text).unwrap();
        }
        if let Some(times) = times {
            std::fs::write(rule.join("times"), times.to_string()).unwrap();
        }
    }

    /// The keys it has given away.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.lock().unwrap().clone()
    }

    /// The folder of the programs, for the `PATH`.
    pub(crate) fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Where everything lies.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The calls since the last look.
    pub(crate) fn take_calls(&self) -> String {
        self.take("calls")
    }

    /// The arguments of curl since the last look.
    pub(crate) fn take_curl(&self) -> String {
        self.take("curl")
    }

    /// What the last deployment found in its environment: address, application, key and webhook secret.
    pub(crate) fn environment(&self) -> String {
        self.take("environment")
    }

    fn take(&self, name: &str) -> String {
        let path = self.folder.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        drop(std::fs::remove_file(path));
        text
    }
}

#[expect(clippy::disallowed_methods, reason = "only the environment says where programs are")]
fn real(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{program} is not installed"))
}
