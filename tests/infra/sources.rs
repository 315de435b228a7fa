//! The files under `infra/` and what else the checks compare them with, as they are or with a defect.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::bicep::{Parameters, Template, parse, parse_parameters};
use crate::problem::Problem;

/// Path from the repository's root → text.
#[derive(Debug, Clone)]
pub(crate) struct Sources(BTreeMap<String, String>);

/// Besides `infra/` and `functions/`: what the templates have to agree with.
const BESIDES: [&str; 3] = ["host.json", "local.settings.sample.json", "handler/SETTINGS.md"];

/// The repository's root.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Sources {
    /// As they are in the repository.
    pub(crate) fn of_the_repository() -> Self {
        let mut files = Self(BTreeMap::new());
        files.read_folder("infra");
        files.read_folder("functions");
        BESIDES.into_iter().for_each(|path| files.read(path.to_owned()));
        files
    }

    fn read_folder(&mut self, folder: &str) {
        for entry in std::fs::read_dir(repository().join(folder)).expect("the folder is in the repository") {
            let entry = entry.expect("the folder can be read");
            let path = format!("{folder}/{}", entry.file_name().to_str().expect("names are UTF-8"));
            if entry.path().is_dir() {
                self.read_folder(&path);
            } else if [".bicep", ".bicepparam", ".json", ".md"].iter().any(|end| path.ends_with(end)) {
                self.read(path);
            }
        }
    }

    fn read(&mut self, path: String) {
        let text = std::fs::read_to_string(repository().join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        self.0.insert(path, text);
    }

    /// A copy in which one file says something else. `from` must be there exactly once, so that no defect goes stale.
    pub(crate) fn with(mut self, path: &str, from: &str, to: &str) -> Self {
        let text = self.0.get_mut(path).unwrap_or_else(|| panic!("{path} is not there: name another file"));
        let found = text.matches(from).count();
        assert!(found == 1, "{path} has `{from}` {found} times, expected once: describe the defect anew");
        *text = text.replacen(from, to, 1);
        self
    }

    pub(crate) fn text(&self, path: &str) -> &str {
        self.0.get(path).unwrap_or_else(|| panic!("{path} is not in the repository"))
    }

    /// A JSON file.
    pub(crate) fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_str(self.text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Paths and texts of the files of `infra/` whose names end so.
    pub(crate) fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let of_infra = self.0.iter().filter(move |(path, _)| path.starts_with("infra/") && path.ends_with(end));
        of_infra.map(|(path, text)| (path.as_str(), text.as_str()))
    }
}

/// All templates, read.
pub(crate) struct Templates {
    pub(crate) all: Vec<Template>,
    pub(crate) parameters: Vec<Parameters>,
    /// What could not be read.
    pub(crate) problems: Vec<Problem>,
}

impl Templates {
    pub(crate) fn of(sources: &Sources) -> Self {
        let mut templates = Self { all: Vec::new(), parameters: Vec::new(), problems: Vec::new() };
        for (path, text) in sources.ending(".bicep") {
            let parsed = parse(path, text);
            templates.all.push(parsed.read);
            templates.problems.extend(parsed.problems);
        }
        for (path, text) in sources.ending(".bicepparam") {
            let parsed = parse_parameters(path, text);
            templates.parameters.push(parsed.read);
            templates.problems.extend(parsed.problems);
        }
        templates
    }

    pub(crate) fn get(&self, path: &str) -> Option<&Template> {
        self.all.iter().find(|template| template.path == path)
    }

    /// What a file refers to: `modules/x.bicep` in `infra/main.bicep` is `infra/modules/x.bicep`.
    pub(crate) fn referred(&self, from: &str, reference: &str) -> Option<&Template> {
        let mut path: Vec<_> = from.split('/').collect();
        path.pop();
        for part in reference.split('/') {
            match part {
                "." => {}
                ".." => drop(path.pop()),
                part => path.push(part),
            }
        }
        self.get(&path.join("/"))
    }
}
