//! The handler's command line and environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use uuid::Uuid;

use super::host_json::HostJson;
use super::options::Options;

/// What it takes to start the handler.
#[derive(Debug)]
pub(super) struct Launch {
    pub executable: PathBuf,
    pub arguments: Vec<String>,
    pub working_directory: PathBuf,
    pub script_root: PathBuf,
    pub settings: BTreeMap<String, String>,
    pub platform: BTreeMap<String, String>,
    pub initialization_timeout: Duration,
    /// After so many restarts the next error ends the host.
    pub restart_limit: usize,
    /// The same after each restart.
    pub port: u16,
}

impl Launch {
    pub(super) fn new(host_json: &HostJson, options: &Options) -> std::io::Result<Self> {
        Ok(Self {
            executable: host_json.executable.clone(),
            arguments: host_json.arguments.clone(),
            working_directory: host_json.working_directory.clone(),
            script_root: options.script_root.clone(),
            settings: options.settings.clone(),
            platform: options.platform.clone(),
            initialization_timeout: host_json.initialization_timeout,
            restart_limit: options.restart_limit,
            port: free_port()?,
        })
    }

    /// The five documented variables, the app settings, the platform's variables, and three of ours.
    #[expect(clippy::disallowed_methods, reason = "the child inherits three variables and nothing else")]
    pub(super) fn command(&self) -> Command {
        let inherited = ["PATH", "HOME", "TMPDIR"];
        let inherited = inherited.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let (port, id) = (self.port.to_string(), Uuid::new_v4().to_string());
        let mut command = Command::new(&self.executable);
        command
            .args(&self.arguments)
            .current_dir(&self.working_directory)
            .env_clear()
            .envs(inherited)
            .envs(&self.settings)
            .envs(&self.platform)
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", &port)
            .env("FUNCTIONS_HTTPWORKER_PORT", &port)
            .env("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", &id)
            .env("FUNCTIONS_HTTPWORKER_ID", &id)
            .env("FUNCTIONS_APP_ROOT_PATH", &self.script_root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// A port nobody listens on: bound, read and released, as the host does it.
fn free_port() -> std::io::Result<u16> {
    std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr().map(|address| address.port())
}
