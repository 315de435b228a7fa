//! Lays out the script root: the handler, freshly built, with `host.json` and the functions beside it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;

use crate::zig::Zig;

/// What to stage, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StageOptions {
    /// Build with the release profile.
    pub release: bool,
    /// The script root; `app` in cargo's target directory by default.
    pub into: Option<PathBuf>,
    /// Where the handler is to run.
    pub destination: Destination,
}

/// Where a handler is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Destination {
    /// On this machine, with its local settings if there are any.
    #[default]
    Here,
    /// In Azure, as Linux on x86-64 with an old glibc, without local settings.
    Azure(Zig),
}

/// A script root ready for a Functions host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What `func start --script-root` and [`crate::functions_host::Options`] take.
    pub script_root: PathBuf,
    /// The executable in it.
    pub handler: PathBuf,
}

/// Why there is no script root.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Cargo cannot be run.
    #[error("cannot run {}", cargo.display())]
    Cargo {
        /// What was run.
        cargo: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The handler does not build; cargo's diagnostics are on stderr.
    #[error("the handler does not build")]
    Build,
    /// Cargo built something but named no executable `handler`.
    #[error("cargo named no executable for the handler")]
    NoExecutable,
    /// A file cannot be put in its place.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Builds the handler and puts it, `host.json`, the functions and (if there are any, and it runs here) local settings in
/// the script root.
///
/// Several processes may stage into the same place at once, also while a handler is running there: every file
/// arrives by a rename. Functions that the repository no longer has are removed.
///
/// # Errors
/// When the handler does not build or a file cannot be written.
pub fn stage(options: &StageOptions) -> Result<Stage, StageError> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    stage_from(package.parent().unwrap_or(package), options)
}

/// As [`stage`], for a repository (the folder with `host.json` and `functions/`) that is not this one.
///
/// # Errors
/// As [`stage`].
pub fn stage_from(repository: &Path, options: &StageOptions) -> Result<Stage, StageError> {
    let executable = build(repository, options)?;
    let script_root = options.into.clone().unwrap_or_else(|| target_directory(&executable).join("app"));
    let handler = script_root.join("handler");
    place(&executable, &handler, link_or_copy)?;
    place(&repository.join("host.json"), &script_root.join("host.json"), copy)?;
    let functions = functions(&repository.join("functions"))?;
    for name in &functions {
        let file = Path::new(name).join("function.json");
        place(&repository.join("functions").join(&file), &script_root.join(&file), copy)?;
    }
    for stale in self::functions(&script_root)?.difference(&functions) {
        let stale = script_root.join(stale);
        remove(&stale.join("function.json"))?;
        drop(std::fs::remove_dir(stale));
    }
    let local_settings = repository.join("local.settings.json");
    match options.destination == Destination::Here && local_settings.is_file() {
        true => place(&local_settings, &script_root.join("local.settings.json"), copy)?,
        false => remove(&script_root.join("local.settings.json"))?,
    }
    Ok(Stage { script_root, handler })
}

/// `<target>/<profile>/handler` → `<target>`.
fn target_directory(executable: &Path) -> &Path {
    executable.ancestors().nth(2).unwrap_or(executable)
}

/// One of cargo's messages, with what is needed to recognise the handler.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[expect(clippy::disallowed_methods, reason = "cargo names itself to what it runs")]
fn build(repository: &Path, options: &StageOptions) -> Result<PathBuf, StageError> {
    let cargo = PathBuf::from(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let mut command = match &options.destination {
        Destination::Here => {
            let mut command = Command::new(&cargo);
            command.arg("build");
            command
        }
        Destination::Azure(zig) => zig.cargo_build(&cargo, repository),
    };
    command
        .args(["-p", "handler", "--bin", "handler", "--message-format=json-render-diagnostics"])
        .args(options.release.then_some("--release"))
        .current_dir(repository)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = command.output().map_err(|source| StageError::Cargo { cargo, source })?;
    if !output.status.success() {
        return Err(StageError::Build);
    }
    executable(&output.stdout).ok_or(StageError::NoExecutable)
}

/// The handler's path in cargo's messages, one JSON object per line.
fn executable(messages: &[u8]) -> Option<PathBuf> {
    let messages = messages.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let is_handler = |target: Target| target.name == "handler" && target.kind == ["bin"];
    let mut artifacts = messages.filter(|message: &Message| message.reason == "compiler-artifact");
    artifacts.find_map(|message| message.target.is_some_and(is_handler).then_some(message.executable)?)
}

/// The names of the folders that have a `function.json`.
fn functions(folder: &Path) -> Result<BTreeSet<OsString>, StageError> {
    let failed = |source| StageError::File { path: folder.to_owned(), source };
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().join("function.json").is_file() {
            names.insert(entry.file_name());
        }
    }
    Ok(names)
}

/// Puts a file in place under a name of its own, then renames it over whatever is there.
fn place(from: &Path, to: &Path, put: fn(&Path, &Path) -> io::Result<()>) -> Result<(), StageError> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let folder = to.parent().unwrap_or(to);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let beside = folder.join(format!(".staging-{}-{count}", std::process::id()));
    let placed =
        std::fs::create_dir_all(folder).and_then(|()| put(from, &beside)).and_then(|()| std::fs::rename(&beside, to));
    // A rename onto another link of the same file does nothing, not even take the old name away.
    drop(std::fs::remove_file(&beside));
    placed.map_err(|source| StageError::File { path: to.to_owned(), source })
}

/// For the executable: a link is never open for writing, so it can be run at once. Across file systems there is
/// only the copy.
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    drop(std::fs::remove_file(to));
    std::fs::hard_link(from, to).or_else(|_| copy(from, to))
}

/// For all that people may edit in the script root without meaning the original.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::copy(from, to).map(drop)
}

fn remove(file: &Path) -> Result<(), StageError> {
    match std::fs::remove_file(file) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(StageError::File { path: file.to_owned(), source })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// A repository whose handler prints its version, removed on drop.
    struct Repository(PathBuf);

    impl Drop for Repository {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    impl Repository {
        fn new() -> Self {
            let repository = Self(std::env::temp_dir().join(format!("repository-{}", Uuid::new_v4())));
            repository.write("Cargo.toml", "[workspace]\nmembers = [\"handler\"]\nresolver = \"3\"\n");
            let package = "[package]\nname = \"handler\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
            repository.write("handler/Cargo.toml", package);
            repository.write("handler/src/lib.rs", "");
            repository.version(1);
            repository.write("host.json", "{}");
            repository.write("functions/uplink/function.json", "{\"bindings\":[]}");
            repository
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn version(&self, version: u32) {
            self.write("handler/src/main.rs", &format!("fn main() {{ print!(\"{version}\") }}"));
        }

        fn stage(&self) -> Stage {
            let options = StageOptions { into: Some(self.0.join("app")), ..StageOptions::default() };
            stage_from(&self.0, &options).unwrap()
        }

        fn staged(&self) -> Vec<String> {
            let mut names: Vec<_> = std::fs::read_dir(self.0.join("app"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        }
    }

    fn run(stage: &Stage) -> String {
        String::from_utf8(Command::new(&stage.handler).output().unwrap().stdout).unwrap()
    }

    #[test]
    fn the_script_root_holds_the_fresh_handler_and_the_functions_there_are_and_nothing_else() {
        let repository = Repository::new();
        let stage = repository.stage();
        assert_eq!(run(&stage), "1");
        assert_eq!(repository.staged(), ["handler", "host.json", "uplink"]);

        repository.version(2);
        std::fs::rename(repository.0.join("functions/uplink"), repository.0.join("functions/health")).unwrap();
        repository.write("local.settings.json", "{}");
        assert_eq!(run(&repository.stage()), "2");
        assert_eq!(repository.staged(), ["handler", "health", "host.json", "local.settings.json"]);
    }

    #[test]
    fn staging_at_once_gives_every_caller_a_handler_that_runs() {
        let repository = Repository::new();
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| run(&repository.stage()))).collect();
            for run in runs {
                assert_eq!(run.join().unwrap(), "1");
            }
        });
        assert_eq!(repository.staged(), ["handler", "host.json", "uplink"]);
    }

    #[test]
    fn editing_a_staged_file_leaves_the_repository_alone() {
        let repository = Repository::new();
        let stage = repository.stage();
        std::fs::write(stage.script_root.join("host.json"), "edited").unwrap();
        assert_eq!(std::fs::read_to_string(repository.0.join("host.json")).unwrap(), "{}");
    }

    #[test]
    fn a_handler_that_does_not_build_is_an_error() {
        let repository = Repository::new();
        repository.write("handler/src/main.rs", "fn main() { no rust }");
        let failure = stage_from(&repository.0, &StageOptions::default()).unwrap_err();
        assert!(matches!(failure, StageError::Build), "{failure}");
    }

    #[test]
    fn the_executable_is_the_one_cargo_names_for_the_bin() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"handler\",\"kind\":[\"lib\"]},\"executable\":null}\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"handler\",\"kind\":[\"bin\"]},\"executable\":\"/t/debug/handler\"}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        assert_eq!(executable(messages.as_bytes()), Some(PathBuf::from("/t/debug/handler")));
        assert_eq!(executable(b"{\"reason\":\"build-finished\"}\n"), None);
    }
}
