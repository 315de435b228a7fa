//! checkov as a second opinion, and that its silence is not taken for consent.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::sources::{Sources, repository};

/// What `checkov/run` says about a folder, and whether all is well.
fn run(folder: &Path) -> (String, bool) {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("infra/checkov/run");
    let output = Command::new(run).arg(folder).stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (said, output.status.success())
}

/// A folder with the templates as they are in `sources`.
fn written(sources: &Sources, folder: &Path) -> PathBuf {
    for (path, text) in sources.ending("") {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::copy(repository().join("infra/.checkov.yaml"), folder.join("infra/.checkov.yaml")).unwrap();
    folder.join("infra")
}

#[test]
fn checkov_finds_nothing_that_is_not_accepted() {
    let (said, fine) = run(&repository().join("infra"));
    assert!(fine, "{said}");
    if let Some(line) = said.lines().find(|line| line.starts_with("skipped: ")) {
        // Past the harness, which shows nothing of a test that passes.
        std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

/// One file cannot be read, which checkov passes over; another is insecure; what it would find in a third is accepted
/// and not there any more.
#[test]
fn checkovs_findings_and_its_silence_fail() {
    let vault = "infra/modules/key-vault.bicep";
    let storage = "infra/modules/storage.bicep";
    let sources = Sources::of_the_repository()
        .with(vault, "enablePurgeProtection: true", "enablePurgeProtection: true\n    {")
        .with(storage, "supportsHttpsTrafficOnly: true", "supportsHttpsTrafficOnly: false");
    let folder = tempfile::tempdir().unwrap();
    let (said, fine) = run(&written(&sources, folder.path()));
    if said.starts_with("skipped") {
        return;
    }
    let expected = [
        "not ok checkov cannot read key-vault.bicep",
        "not ok 1 files could not be read",
        "CKV_AZURE_3 Ensure",
        "not ok CKV_AZURE_109 is accepted but was not found",
    ];
    let missing: Vec<_> = expected.iter().filter(|expected| !said.contains(**expected)).collect();
    assert!(!fine && missing.is_empty(), "{missing:#?} not in:\n{said}");
}
