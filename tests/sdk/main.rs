//! The official Azure SDKs for Node and Python, unmodified, against the IoT Hub stand-in on its real ports.

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn the_official_sdks_work_against_the_stand_in() {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk/run");
    let output =
        Command::new(run).args(["--iot-hub", env!("CARGO_BIN_EXE_iot-hub")]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaints}");
}
