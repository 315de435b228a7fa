//! The official Azure SDKs for Node and Python, unmodified, against the IoT Hub stand-in on its real ports.
#![expect(clippy::unwrap_used, reason = "a scenario's helpers fail the scenario")]

use std::fs::Permissions;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

const IOT_HUB: &str = env!("CARGO_BIN_EXE_iot-hub");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk")
}

#[test]
fn the_official_sdks_work_against_the_stand_in() {
    let output = Command::new(folder().join("run")).args(["--iot-hub", IOT_HUB]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaints}");
    if let Some(line) = said.lines().find(|line| line.starts_with("skipped: ")) {
        // Past the harness, which shows nothing of a test that passes.
        std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// A copy of the check in a folder of its own, where nothing is installed and npm installs nothing.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(TempDir::new().unwrap());
        for name in ["run", "package-lock.json", "requirements.txt"] {
            std::fs::copy(folder().join(name), machine.0.path().join(name)).unwrap();
        }
        for program in ["node", "npm", "python3"] {
            machine.program(program, "[[ $1 == --version ]]");
        }
        machine
    }

    fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, format!("#!/usr/bin/env bash\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// What the check says with that stand-in, and whether all is well; on a CI machine or on another one.
    #[expect(clippy::disallowed_methods, reason = "the check's programs are beside the fake ones")]
    fn run(&self, iot_hub: &Path, ci: Option<&str>) -> (String, bool) {
        let path = std::env::var_os("PATH").unwrap();
        let path = std::env::join_paths([self.0.path().to_owned()].into_iter().chain(std::env::split_paths(&path)));
        let mut command = Command::new(self.0.path().join("run"));
        command.arg("--iot-hub").arg(iot_hub).env("PATH", path.unwrap()).env("TMPDIR", self.0.path());
        command.env_remove("CI").envs(ci.map(|value| ("CI", value)));
        let output = command.stdin(Stdio::null()).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status.success())
    }
}

#[test]
fn without_the_ports_or_the_internet_the_check_is_skipped_in_one_line_but_never_on_a_ci_machine() {
    let machine = Machine::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let without_ports = machine.program("without-ports", &format!("exec {IOT_HUB} --https-port {port} \"$@\""));
    let listens = machine.program("listens", "echo '{}'\ncat");
    for (iot_hub, reason) in [
        (without_ports, format!("IoT Hub cannot listen on 127.0.0.1:{port}: ")),
        (listens, "npm ci could not install those for Node".to_owned()),
    ] {
        let (said, fine) = machine.run(&iot_hub, None);
        let lines: Vec<_> = said.lines().collect();
        assert!(fine && lines.len() == 2 && lines[1] == "0 passed, 0 failed", "{said}");
        assert!(lines[0].starts_with(&format!("skipped: the official SDKs: {reason}")), "{said}");
        let (said, fine) = machine.run(&iot_hub, Some("true"));
        assert!(!fine && said.starts_with(&format!("not ok {reason}")), "{said}");
    }
}

#[test]
fn a_stand_in_that_fails_otherwise_is_never_skipped() {
    let machine = Machine::new();
    let (said, fine) = machine.run(&machine.program("fails", "echo 'no certificate' >&2; exit 1"), None);
    assert!(!fine && said.starts_with("not ok the stand-in does not start: no certificate"), "{said}");
}
