//! Links between the documents lead somewhere.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All files with such an ending, without what is installed, built or hidden.
fn files(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules"].contains(&name.as_str()) {
                files(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
}

fn all(endings: &[&str]) -> BTreeMap<PathBuf, String> {
    let mut found = Vec::new();
    files(&repository(), endings, &mut found);
    found.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The lines outside of blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// The anchors GitHub gives to headings: in lower case, without punctuation, blanks as dashes, the second of a name with `-1`.
fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut times = BTreeMap::<String, usize>::new();
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
    for heading in prose(text).filter(|line| line.starts_with('#')) {
        let title = link.replace_all(heading.trim_start_matches('#').trim(), "$1").to_lowercase();
        let kept = title.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        let anchor: String = kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect();
        let before = times.entry(anchor.clone()).or_default();
        found.push(if *before == 0 { anchor } else { format!("{anchor}-{before}") });
        *before += 1;
    }
    found
}

/// `infra/../README.md` → `README.md`
fn resolved(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut resolved, part| {
        if part == Component::ParentDir {
            resolved.pop();
        } else {
            resolved.push(part);
        }
        resolved
    })
}

/// Why a link of this document leads nowhere.
fn problem(documents: &BTreeMap<PathBuf, String>, from: &Path, link: &str) -> Option<String> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { from.to_owned() } else { resolved(&from.parent().unwrap().join(path)) };
    if !target.exists() {
        return Some(format!("{}: {link} is not there", from.display()));
    }
    let known = documents.get(&target).map(|text| anchors(text)).unwrap_or_default();
    let leads = anchor.is_empty() || known.iter().any(|known| known == anchor);
    (!leads).then(|| format!("{}: {link} is none of {known:?}", from.display()))
}

#[test]
fn every_link_between_documents_leads_to_a_file_and_a_heading_that_are_there() {
    let documents = all(&[".md"]);
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let (mut links, mut problems) = (0, Vec::new());
    for (path, text) in &documents {
        for target in prose(text).flat_map(|line| link.captures_iter(line)) {
            let target = target.get(1).unwrap().as_str();
            if !target.contains("://") {
                links += 1;
                problems.extend(problem(&documents, path, target));
            }
        }
    }
    assert!(links > 50, "only {links} links were found");
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn every_document_the_scripts_and_the_templates_name_is_there() {
    let name = Regex::new(r"[\w./-]+\.md\b").unwrap();
    for (path, text) in all(&[".sh", ".bicep", ".bicepparam", "local.settings.sample.json"]) {
        for named in name.find_iter(&text) {
            assert!(repository().join(named.as_str()).is_file(), "{}: {}", path.display(), named.as_str());
        }
    }
}

#[test]
fn a_link_to_a_file_or_a_heading_that_is_not_there_is_found() {
    let from = repository().join("README.md");
    let text = "# One, `two`\n## [Three](x.md)?\n```\n# no heading\n```\n# One two\n";
    let documents = BTreeMap::from([(from.clone(), text.to_owned())]);
    assert_eq!(anchors(text), ["one-two", "three", "one-two-1"]);
    for leads in ["#one-two", "#three", "README.md#one-two-1", "infra/../README.md", "infra"] {
        assert_eq!(problem(&documents, &from, leads), None, "{leads}");
    }
    for nowhere in ["#two", "README.md#no-heading", "NONE.md", "infra/README.md#before-anything"] {
        assert!(problem(&documents, &from, nowhere).is_some(), "{nowhere}");
    }
}
