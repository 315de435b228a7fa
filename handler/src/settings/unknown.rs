//! Names that look like settings and are none: somebody wrote a setting that would silently do nothing.

use super::{NAMES, Problem};

/// What the names of our settings begin with; only `AZURE_CLIENT_ID` and `LOG_LEVEL` do not.
const PREFIXES: [&str; 3] = ["IOT_HUB_", "TTS_", "WEBHOOK_"];

/// A problem for each name that begins like a setting and is none.
pub(super) fn unknown(names: impl Iterator<Item = String>) -> Vec<Problem> {
    let is_ours = |name: &String| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let mut names: Vec<_> = names.filter(is_ours).filter(|name| !NAMES.contains(&name.as_str())).collect();
    names.sort_unstable();
    names.into_iter().map(problem).collect()
}

fn problem(name: String) -> Problem {
    let nearest = NAMES.into_iter().max_by_key(|known| likeness(&name, known)).unwrap_or_default();
    let what = format!("found a setting that there is not, expected perhaps {nearest}; rename or remove it");
    Problem { name: name.into(), what }
}

/// How many characters two names have in common at their beginning and at their end.
fn likeness(one: &str, other: &str) -> usize {
    let alike = |pair: &(u8, u8)| pair.0 == pair.1;
    let at_the_beginning = one.bytes().zip(other.bytes()).take_while(alike).count();
    at_the_beginning + one.bytes().rev().zip(other.bytes().rev()).take_while(alike).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_named_with_the_one_it_may_have_meant() {
        for (misspelt, meant) in [
            ("WEBHOOK_SECRET", "WEBHOOK_SECRETS"),
            ("WEBHOOK_MESSAGES_TYPES", "WEBHOOK_MESSAGE_TYPES"),
            ("WEBHOOK_ANSWER_SECONDS", "WEBHOOK_ANSWER_WITHIN_SECONDS"),
            ("TTS_ON_DEVICE_DELETE", "TTS_ON_DEVICE_DELETION"),
            ("TTS_IDENTITY_SERVER", "TTS_IDENTITY_SERVER_URL"),
            ("IOT_HUB_TWIN_RADIOSTATE", "IOT_HUB_TWIN_RADIO_STATE"),
            ("IOT_HUB_TWIN_UPDATES_PER_MINUTE", "IOT_HUB_TWIN_UPDATES_PER_SECOND"),
        ] {
            let problems = unknown([misspelt.to_owned()].into_iter());
            assert_eq!(problems.len(), 1, "{misspelt}");
            let text = problems[0].to_string();
            assert!(text.starts_with(&format!("{misspelt}: ")) && text.contains(&format!(" {meant};")), "{text}");
        }
    }

    #[test]
    fn settings_and_what_is_none_of_ours_are_no_problem() {
        let others =
            ["PATH", "FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "WEBSITE_SITE_NAME", "APPSETTING_TTS_X"];
        assert_eq!(unknown(NAMES.into_iter().chain(others).map(str::to_owned)), []);
    }
}
