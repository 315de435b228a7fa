//! Azurite, the storage emulator, installed from npm and run for as long as a test needs its queues.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::storage_queue::connection_string::of_emulator;
use crate::storage_queue::{QueueError, Queues};

/// Longest Azurite may take until it listens; it takes about a second.
const LIMIT: Duration = Duration::from_secs(60);
/// What it says when it listens, before its address.
const LISTENS: &str = "successfully listens on ";

/// A running Azurite with empty queues in its memory. Killed when dropped.
#[derive(Debug)]
pub struct Azurite {
    url: String,
    _child: Child,
    /// Kept open: Azurite would trip over a closed one.
    _stdout: Lines<BufReader<ChildStdout>>,
}

/// Why there is no Azurite.
#[derive(Debug, thiserror::Error)]
pub enum AzuriteError {
    /// Node or npm is not installed.
    #[error("{program} is not installed: Azurite needs Node.js with npm, see tests/azurite/package.json")]
    Missing {
        /// Which of the two.
        program: &'static str,
    },
    /// npm could not install it.
    #[error("npm ci in {}: {reason}", folder.display())]
    Install {
        /// Where.
        folder: PathBuf,
        /// npm's own words.
        reason: String,
    },
    /// It ended, or said nothing, instead of listening.
    #[error("Azurite does not listen: {0}")]
    Start(String),
    /// Files or processes cannot be had from the system.
    #[error("cannot run Azurite")]
    System(#[from] io::Error),
}

impl Azurite {
    /// Installs Azurite if the lockfile asks for another one than there is, and starts its queues on a free port of
    /// 127.0.0.1; ready when it returns.
    ///
    /// # Errors
    /// [`AzuriteError`]; without Node or npm the one that says so.
    pub async fn start() -> Result<Self, AzuriteError> {
        for program in ["node", "npm"] {
            find(program).await?;
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("azurite");
        tokio::task::spawn_blocking({
            let folder = folder.clone();
            move || install(&folder)
        })
        .await
        .map_err(io::Error::other)??;
        let mut child = Command::new(folder.join("node_modules/.bin/azurite-queue"))
            .args(["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"])
            .args(["--queueHost", "127.0.0.1", "--queuePort", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| AzuriteError::Start("it has no stdout".to_owned()))?;
        let mut lines = BufReader::new(stdout).lines();
        let url = tokio::time::timeout(LIMIT, listening(&mut lines)).await;
        let url = url.map_err(|_| AzuriteError::Start(format!("nothing within {LIMIT:?}")))??;
        Ok(Self { url, _child: child, _stdout: lines })
    }

    /// The connection string of its one account.
    #[must_use]
    pub fn connection_string(&self) -> String {
        of_emulator(&self.url)
    }

    /// Its queues.
    ///
    /// # Errors
    /// None in practice: the connection string is our own.
    pub fn queues(&self) -> Result<Queues, QueueError> {
        Queues::connect(&self.connection_string())
    }
}

async fn find(program: &'static str) -> Result<(), AzuriteError> {
    let version = Command::new(program).arg("--version").stdin(Stdio::null()).output().await;
    match version {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(AzuriteError::Missing { program }),
        Err(error) => Err(error.into()),
    }
}

/// One at a time on this machine, and only if what is there was not installed from this very lockfile.
fn install(folder: &Path) -> Result<(), AzuriteError> {
    let lockfile = File::open(folder.join("package-lock.json"))?;
    lockfile.lock()?;
    let wanted = std::fs::read(folder.join("package-lock.json"))?;
    let installed = folder.join("node_modules/installed-from.json");
    if std::fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let output = std::process::Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(AzuriteError::Install { folder: folder.to_owned(), reason });
    }
    Ok(std::fs::write(installed, wanted)?)
}

/// Its address, once it says it.
async fn listening(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<String, AzuriteError> {
    let mut said = Vec::new();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, url)) = line.split_once(LISTENS) {
            return Ok(url.trim().to_owned());
        }
        said.push(line);
    }
    Err(AzuriteError::Start(format!("it ended after {said:?}")))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Azurite; or, on a machine that is no CI machine and has no Node or reaches no registry, a note and nothing.
    #[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "only CI insists on Azurite")]
    pub(crate) async fn azurite() -> Option<Azurite> {
        match Azurite::start().await {
            Err(error @ (AzuriteError::Missing { .. } | AzuriteError::Install { .. }))
                if std::env::var_os("CI").is_none() =>
            {
                eprintln!("skipped: {error}");
                None
            }
            other => Some(other.unwrap()),
        }
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = find("no-such-program").await.unwrap_err();
        assert!(error.to_string().starts_with("no-such-program is not installed: Azurite needs Node.js"), "{error}");
    }
}
