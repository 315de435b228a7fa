//! What the documents say the product says.

use std::collections::BTreeSet;
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
fn before_the_command_that_spends_money_the_readme_says_the_price_the_tools_and_the_roles_there_are() {
    let before = include_str!("../../README.md").split_once("infra/deploy.sh --resource-group").unwrap().0;
    let resources = include_str!("../../infra/RESOURCES.md");
    let row = |start: &str| resources.lines().find_map(|line| line.strip_prefix(start)).unwrap().split('|');
    for price in row("| **sum** |").map(|cell| cell.trim().trim_matches('*')).filter(|cell| !cell.is_empty()) {
        assert!(before.to_lowercase().contains(&format!("{price} usd")), "{price}");
    }
    for tier in ["| F1 |", "| S1 |"] {
        let uplinks = row(tier).rev().nth(1).unwrap().trim();
        assert!(before.contains(&format!("{uplinks} uplinks a day")), "{uplinks}");
    }
    let prerequisites = include_str!("../../infra/deploy/prerequisites.sh");
    let oldest = |name: &str| prerequisites.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let guide = include_str!("../../infra/README.md");
    let tools =
        [format!("az CLI {} or newer", oldest("oldest_az=")), format!("Bicep {} or newer", oldest("oldest_bicep="))];
    for named in
        tools.iter().map(String::as_str).chain(["bash 4.4 or newer", "Role Based Access Control Administrator"])
    {
        assert!(before.contains(named) && guide.contains(named), "{named}");
    }
}

#[test]
fn the_readme_has_two_commands_and_ci_runs_the_second() {
    let readme = include_str!("../../README.md");
    assert!(readme.contains("```\ncargo run --bin local\n```") && readme.contains("```\ncargo test --workspace\n```"));
    assert!(include_str!("../../.ci/run").contains("\nstep cargo test --workspace --locked\n"));
    assert!(readme.lines().count() <= 200, "a new user reads it to the end");
}

#[test]
fn the_settings_that_handler_settings_cannot_change_are_named_before_all_others() {
    let template = include_str!("../../infra/modules/app-settings.bicep");
    let wired = template.split_once("var wiredSettings = {").unwrap().1.split_once("\n}").unwrap().0;
    let wired: BTreeSet<_> =
        wired.lines().filter_map(|line| line.trim().split_once(':')).map(|(name, _)| name).collect();
    let before = include_str!("../../handler/SETTINGS.md").split_once("- All others").unwrap().0;
    let is_setting = |name: &&str| name.chars().all(|letter| letter.is_ascii_uppercase() || letter == '_');
    let named: BTreeSet<_> = before.split('`').skip(1).step_by(2).filter(is_setting).collect();
    assert_eq!(named, wired);
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
