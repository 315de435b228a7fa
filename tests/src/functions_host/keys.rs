//! Function keys: who may call which function.

use serde::Deserialize;

/// An HTTP trigger's `authLevel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AuthLevel {
    Anonymous,
    Function,
    Admin,
}

/// The app's default function key and its master key.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub function: String,
    pub master: String,
}

impl Keys {
    /// Whether the presented key reaches the level; the master key reaches every one.
    pub(super) fn allow(&self, level: AuthLevel, presented: Option<&str>) -> bool {
        let is = |key: &str| presented == Some(key);
        match level {
            AuthLevel::Anonymous => true,
            AuthLevel::Function => is(&self.function) || is(&self.master),
            AuthLevel::Admin => is(&self.master),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_master_key_opens_everything_and_the_function_key_no_admin_level() {
        let keys = Keys { function: "f".to_owned(), master: "m".to_owned() };
        for (level, presented, expected) in [
            (AuthLevel::Anonymous, None, true),
            (AuthLevel::Function, None, false),
            (AuthLevel::Function, Some("x"), false),
            (AuthLevel::Function, Some("f"), true),
            (AuthLevel::Function, Some("m"), true),
            (AuthLevel::Admin, Some("f"), false),
            (AuthLevel::Admin, Some("m"), true),
        ] {
            assert_eq!(keys.allow(level, presented), expected, "{level:?} {presented:?}");
        }
    }
}
