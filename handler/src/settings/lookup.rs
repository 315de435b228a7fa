//! Looking settings up by name and collecting what is wrong with them.

use super::{PLATFORM_NAMES, Problem};

/// How Azure shows a Key Vault reference that it could not resolve: unchanged.
const KEY_VAULT_REFERENCE: &str = "@Microsoft.KeyVault(";

/// Values by name, and the problems found so far.
pub struct Lookup<'a> {
    names: &'static [&'static str],
    values: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl<'a> Lookup<'a> {
    /// Nothing of `names` looked up yet.
    pub fn new(names: &'static [&'static str], values: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { names, values, problems: Vec::new() }
    }

    /// A setting that must be there.
    pub fn required<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let value = self.value(name);
        if value.is_none() {
            self.complain(name, "it is not set, and there is no default".to_owned());
        }
        self.parsed(name, value?, parse)
    }

    /// A setting that may be absent.
    pub fn optional<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let value = self.value(name)?;
        self.parsed(name, value, parse)
    }

    /// A setting with a default. A wrong value is a problem, never the default.
    pub fn or_default<T>(
        &mut self,
        name: &'static str,
        default: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = self.value(name).unwrap_or_else(|| default.to_owned());
        self.parsed(name, value, parse)
    }

    /// All problems, in the order of the names.
    pub fn problems(mut self) -> Vec<Problem> {
        let position = |problem: &Problem| self.names.iter().position(|name| *name == problem.name);
        self.problems.sort_by_key(|problem| position(problem).unwrap_or(usize::MAX));
        self.problems
    }

    /// Whether a setting is there, right or wrong.
    pub fn is_set(&self, name: &'static str) -> bool {
        self.value(name).is_some()
    }

    /// The trimmed value. Empty counts as absent: that is how the portal and templates write "none".
    fn value(&self, name: &'static str) -> Option<String> {
        debug_assert!(self.names.contains(&name) || PLATFORM_NAMES.contains(&name), "{name} is not listed");
        (self.values)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        value: String,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if value.starts_with(KEY_VAULT_REFERENCE) {
            self.complain(
                name,
                "its Key Vault reference is not resolved; check that the secret exists and that the function app's identity may read it"
                    .to_owned(),
            );
            return None;
        }
        parse(&value).map_err(|what| self.complain(name, what)).ok()
    }

    /// Notes a problem.
    pub fn complain(&mut self, name: &'static str, what: String) {
        self.problems.push(Problem { name: name.into(), what });
    }
}
