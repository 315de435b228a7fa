//! Zig as the linker: its C library stubs of any age let a program start on systems older than this one.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the handler is built for: Linux on x86-64 with glibc 2.28 or newer.
pub const TARGET: &str = "x86_64-unknown-linux-gnu.2.28";

/// 1980-01-01, for build scripts that would otherwise take the time of the build.
const EPOCH: &str = "315532800";

/// Zig and cargo-zigbuild in a virtual environment of Python.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zig {
    venv: PathBuf,
}

/// Why there is no zig.
#[derive(Debug, thiserror::Error)]
pub enum ZigError {
    /// Python cannot be run.
    #[error("cannot run {}: install Python 3.8 or newer with pip and venv (Debian: python3-venv)", program.display())]
    Python {
        /// What was run.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Python could not make the environment, or pip could not fill it; what it said is on stderr.
    #[error("{command} failed: the linker comes from {}; delete {} and try again", requirements().display(), venv.display())]
    Install {
        /// What was tried.
        command: &'static str,
        /// Where.
        venv: PathBuf,
    },
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Zig {
    /// Installs the pinned versions into this folder, unless they are there already.
    ///
    /// # Errors
    /// [`ZigError`]; a later call starts anew.
    pub fn install(folder: &Path) -> Result<Self, ZigError> {
        let venv = folder.join("venv");
        let stamp = venv.join("installed-from.txt");
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| ZigError::File { path, source }
        };
        let wanted = std::fs::read_to_string(requirements()).map_err(file(&requirements()))?;
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(Self { venv });
        }
        if venv.exists() {
            std::fs::remove_dir_all(&venv).map_err(file(&venv))?;
        }
        let run = |program: &Path, command: &'static str, arguments: &[OsString]| {
            let status = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(io::stderr()).status();
            let status = status.map_err(|source| ZigError::Python { program: program.to_owned(), source })?;
            if status.success() { Ok(()) } else { Err(ZigError::Install { command, venv: venv.clone() }) }
        };
        run(Path::new("python3"), "python3 -m venv", &["-m".into(), "venv".into(), venv.clone().into()])?;
        let options = ["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r"];
        let arguments: Vec<OsString> =
            options.into_iter().map(Into::into).chain([requirements().into_os_string()]).collect();
        run(&venv.join("bin/python3"), "pip install", &arguments)?;
        std::fs::write(&stamp, wanted).map_err(file(&stamp))?;
        Ok(Self { venv })
    }

    /// `cargo build` for [`TARGET`], to be given its further arguments. What it builds does not depend on where the
    /// repository and cargo's folders are.
    #[must_use]
    pub fn cargo_build(&self, cargo: &Path, repository: &Path) -> Command {
        let mut command = Command::new(self.venv.join("bin/cargo-zigbuild"));
        command
            .args(["zigbuild", "--locked", "--target", TARGET])
            .env("CARGO", cargo)
            .env("CARGO_ZIGBUILD_PYTHON_PATH", self.venv.join("bin/python3"))
            .env("CARGO_ENCODED_RUSTFLAGS", remapped(repository, &cargo_home()).join("\x1f"))
            .env("SOURCE_DATE_EPOCH", EPOCH);
        command
    }
}

/// Names and hashes of what pip installs.
fn requirements() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("package/requirements.txt")
}

/// Flags that keep the places of this machine out of the program.
fn remapped(repository: &Path, cargo_home: &Path) -> [String; 2] {
    [(cargo_home, "/cargo"), (repository, "/src")]
        .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
}

#[expect(clippy::disallowed_methods, reason = "only the environment says where cargo keeps its sources")]
fn cargo_home() -> PathBuf {
    let at_home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(at_home).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_is_told_apart_from_its_place_by_nothing() {
        let zig = Zig { venv: "/venv".into() };
        let command = zig.cargo_build(Path::new("/rust/bin/cargo"), Path::new("/home/me/bridge"));
        let flags = command.get_envs().find(|(name, _)| *name == "CARGO_ENCODED_RUSTFLAGS");
        let flags = flags.and_then(|(_, value)| value).unwrap().to_string_lossy();
        assert!(flags.ends_with("\x1f--remap-path-prefix=/home/me/bridge=/src"), "{flags}");
        assert!(flags.starts_with("--remap-path-prefix=") && flags.contains("=/cargo\x1f"), "{flags}");
    }

    #[test]
    fn every_package_from_pip_is_pinned_by_version_and_hash() {
        let text = std::fs::read_to_string(requirements()).unwrap();
        let packages: Vec<_> = text.lines().filter(|line| !line.starts_with([' ', '#'])).collect();
        assert_eq!(packages.len(), 2, "{packages:?}");
        assert!(packages.iter().all(|package| package.contains("==") && package.ends_with('\\')), "{packages:?}");
    }
}
