//! What the documents say the product says.

use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// All text of these folders on one line, as the compiler joins broken strings.
fn text_of(folders: &[&str]) -> String {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut paths = Vec::new();
    folders.iter().for_each(|folder| files(&repository.join(folder), &mut paths));
    let texts = paths.iter().map(|path| std::fs::read_to_string(path).unwrap().replace("\\\n", ""));
    texts.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first phrase in backticks of each row of a chapter's table.
fn symptoms(chapter: &str) -> Vec<&'static str> {
    let text = include_str!("../../infra/TROUBLESHOOTING.md");
    let chapter = text.split("\n## ").find(|part| part.starts_with(chapter)).unwrap();
    let rows = chapter.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter(|row| !row.starts_with("deploy.sh")).map(|row| row.split('`').next().unwrap()).collect()
}

#[test]
fn every_symptom_is_a_message_that_the_script_or_the_handler_prints() {
    for (chapter, folders) in [("While deploying", ["infra/deploy"]), ("The handler", ["handler/src"])] {
        let (text, symptoms) = (text_of(&folders), symptoms(chapter));
        assert!(symptoms.len() > 8, "{symptoms:?}");
        for symptom in symptoms {
            let said = symptom.replace("STACK_API_KEY", "$1");
            // What `retry` is told and what it adds are apart in the script.
            let parts = said.split(": not yet").filter(|part| !part.is_empty());
            for part in parts {
                assert!(text.contains(part), "{chapter}: {symptom}");
            }
        }
    }
}

#[test]
fn the_guide_names_every_option_of_the_script() {
    let script = include_str!("../../infra/deploy.sh");
    let guides = concat!(include_str!("../../infra/README.md"), include_str!("../../infra/MIGRATE.md"));
    let usage = script.split("<<'TEXT'").nth(1).unwrap();
    let options = usage.lines().filter_map(|line| line.trim_start().strip_prefix("--")?.split([' ', '|']).next());
    let ordinary = ["yes", "subscription", "name-suffix"];
    for option in options.filter(|option| !ordinary.contains(option)) {
        assert!(guides.contains(&format!("--{option}")), "--{option}");
    }
}

#[test]
fn every_alert_has_a_row_that_says_when_it_fires_and_one_that_says_what_to_do() {
    let alerts = concat!(
        include_str!("../../infra/modules/log-alerts.bicep"),
        include_str!("../../infra/modules/metric-alerts.bicep")
    );
    let names = alerts.lines().filter_map(|line| line.trim().strip_prefix("name: '")?.split(['\'', '$']).next());
    let names: Vec<_> = names.map(|name| name.trim_end_matches('-')).filter(|name| name.contains('-')).collect();
    assert_eq!(names.len(), 7, "{names:?}");
    for name in names {
        assert!(include_str!("../../infra/RESOURCES.md").contains(&format!("\n| `{name}` | ")), "{name}");
        assert!(include_str!("../../infra/TROUBLESHOOTING.md").contains(&format!("\n| alert `{name}` | ")), "{name}");
    }
}
