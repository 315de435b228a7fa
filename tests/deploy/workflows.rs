//! The workflows of GitHub: what they may do, and that nobody can change what they run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use yaml_rust2::{Yaml, YamlLoader};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn load(path: &Path) -> Yaml {
    let text = std::fs::read_to_string(path).unwrap();
    YamlLoader::load_from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())).swap_remove(0)
}

fn workflows() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(repository().join(".github/workflows")).unwrap();
    folder.map(|entry| entry.unwrap().path()).collect()
}

fn jobs(workflow: &Yaml) -> Vec<(&str, &Yaml)> {
    workflow["jobs"].as_hash().unwrap().iter().map(|(name, job)| (name.as_str().unwrap(), job)).collect()
}

#[test]
fn every_action_is_pinned_by_commit_and_says_its_version() {
    for path in workflows() {
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| line.contains("uses:")) {
            let (action, version) = line.split_once(" # v").unwrap_or_else(|| panic!("{}: {line}", path.display()));
            let commit = action.rsplit_once('@').unwrap().1;
            assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
            assert_eq!(version.split('.').count(), 3, "{line}");
        }
    }
}

#[test]
fn workflows_may_read_and_only_the_publishing_job_may_write() {
    for path in workflows() {
        let workflow = load(&path);
        let permissions = workflow["permissions"].as_hash().unwrap();
        let rights: Vec<_> = permissions.iter().map(|(name, right)| (name.as_str(), right.as_str())).collect();
        assert_eq!(rights, [(Some("contents"), Some("read"))], "{}", path.display());
        for (name, job) in jobs(&workflow) {
            assert!(job["timeout-minutes"].as_i64().is_some(), "{name} in {} has no limit", path.display());
            let publishes = path.ends_with("release.yml") && name == "publish";
            assert_eq!(job["permissions"].is_badvalue(), !publishes, "{name} in {}", path.display());
        }
    }
}

#[test]
fn checkouts_leave_no_credentials_behind() {
    for path in workflows() {
        let workflow = load(&path);
        for (name, job) in jobs(&workflow) {
            for step in job["steps"].as_vec().unwrap() {
                let is_checkout = step["uses"].as_str().is_some_and(|action| action.starts_with("actions/checkout@"));
                let keeps = step["with"]["persist-credentials"].as_bool();
                assert!(!is_checkout || keeps == Some(false), "{name} in {}", path.display());
            }
        }
    }
}

#[test]
fn the_checksums_of_a_release_are_those_of_all_its_other_files() {
    let workflow = load(&repository().join(".github/workflows/release.yml"));
    let steps = workflow["jobs"]["build"]["steps"].as_vec().unwrap();
    let step = steps.iter().find(|step| step["name"].as_str() == Some("Checksums")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for path in ["infra/webhook-template.yml", "release/app.zip", "release/main.json"] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "text").unwrap();
    }
    let run = step["run"].as_str().unwrap();
    let script = format!("set -eo pipefail\n{run}");
    let ran = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let sums = std::fs::read_to_string(folder.path().join("release/SHA256SUMS")).unwrap();
    let listed: BTreeSet<_> = sums.lines().map(|line| line.split("  ").nth(1).unwrap()).collect();
    assert_eq!(listed, BTreeSet::from(["app.zip", "main.json", "webhook-template.yml"]));
    // In the same folder it would be luck: the shell lists the names while the other process makes the file.
    let line = run.lines().find(|line| line.contains("sha256sum")).unwrap();
    assert!(line.ends_with(" ../SHA256SUMS"), "{line}");
}

#[test]
fn updates_are_watched_where_there_are_dependencies() {
    let manifests = [
        ("cargo", "Cargo.lock"),
        ("npm", "package-lock.json"),
        ("pip", "requirements.txt"),
        ("github-actions", ".github/workflows/ci.yml"),
    ];
    let updates = load(&repository().join(".github/dependabot.yml"));
    for (ecosystem, manifest) in manifests {
        let update = updates["updates"]
            .as_vec()
            .unwrap()
            .iter()
            .find(|update| update["package-ecosystem"].as_str() == Some(ecosystem));
        let update = update.unwrap_or_else(|| panic!("{ecosystem}"));
        let folders = update["directories"].as_vec().cloned().unwrap_or_else(|| vec![update["directory"].clone()]);
        let watched: Vec<String> =
            folders.iter().map(|folder| folder.as_str().unwrap().trim_matches('/').to_owned()).collect();
        for folder in &watched {
            assert!(repository().join(folder).join(manifest).is_file(), "{folder}/{manifest}");
        }
        for folder in ["", "tests/azurite", "tests/fuzz", "tests/package", "tests/sdk", "tests/shell"] {
            let is_watched = watched.iter().any(|watched| watched == folder);
            assert_eq!(repository().join(folder).join(manifest).is_file(), is_watched, "{folder}/{manifest}");
        }
    }
}
