//! Settings of the operator's commands: which storage account, which queues.

use super::{Lookup, Problem, Problems, shown};
use crate::storage_queue::{Account, is_queue_name};

/// Every setting of the commands. All but the queues' names belong to the Functions host, which uses the same account.
pub const STORAGE_NAMES: [&str; 5] = [
    "AzureWebJobsStorage",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__accountName",
    "PARKED_QUEUE_NAME",
    "DEAD_LETTER_QUEUE_NAME",
];

/// What the commands were told. A value that exists is usable.
#[derive(Debug)]
pub struct StorageSettings {
    /// `AzureWebJobsStorage`: a connection string; or, opened by the Azure CLI's login,
    /// `AzureWebJobsStorage__queueServiceUri` or `AzureWebJobsStorage__accountName`. The first that is set counts.
    pub account: Account,
    /// `PARKED_QUEUE_NAME`: what is tried again.
    pub parked_queue_name: String,
    /// `DEAD_LETTER_QUEUE_NAME`: what is kept for a person.
    pub dead_letter_queue_name: String,
}

impl StorageSettings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// All [`Problems`] at once.
    #[expect(clippy::disallowed_methods, reason = "settings read the environment")]
    pub fn from_env() -> Result<Self, Problems> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads settings from anything that has values by name.
    ///
    /// # Errors
    /// All [`Problems`] at once.
    pub fn from_lookup(values: impl Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let mut lookup = Lookup::new(&STORAGE_NAMES, &values);
        let connection_string = lookup.optional("AzureWebJobsStorage", Account::from_connection_string);
        let uri = lookup.optional("AzureWebJobsStorage__queueServiceUri", Account::from_queue_service_uri);
        let name = lookup.optional("AzureWebJobsStorage__accountName", Account::from_name);
        let parked = lookup.or_default("PARKED_QUEUE_NAME", "parked", queue_name);
        let dead_letter = lookup.or_default("DEAD_LETTER_QUEUE_NAME", "dead-letter", queue_name);
        let account = connection_string.or(uri).or(name);
        let mut problems = lookup.problems();
        if account.is_none() && !problems.iter().any(|problem| problem.name.starts_with("AzureWebJobsStorage")) {
            problems.insert(0, no_account());
        }
        if parked.is_some() && parked == dead_letter {
            let what = "it is the name of PARKED_QUEUE_NAME too, expected two queues".to_owned();
            problems.push(Problem { name: "DEAD_LETTER_QUEUE_NAME".into(), what });
        }
        let settings =
            (|| Some(Self { account: account?, parked_queue_name: parked?, dead_letter_queue_name: dead_letter? }))();
        settings.filter(|_| problems.is_empty()).ok_or(Problems(problems))
    }
}

fn no_account() -> Problem {
    let what = "it is not set, expected the function app's storage account: its connection string here, or its name in \
        AzureWebJobsStorage__accountName (with `az login`)";
    Problem { name: "AzureWebJobsStorage".into(), what: what.to_owned() }
}

fn queue_name(text: &str) -> Result<String, String> {
    is_queue_name(text)
        .then(|| text.to_owned())
        .ok_or(format!("found {}, expected 3 to 63 lower-case letters, digits and single inner dashes", shown(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage_queue::Credential;

    fn read(values: &[(&str, &str)]) -> Result<StorageSettings, Problems> {
        let value = |name: &str| values.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        StorageSettings::from_lookup(value)
    }

    #[test]
    fn the_account_is_enough_and_the_queues_have_default_names() {
        let settings = read(&[("AzureWebJobsStorage", "UseDevelopmentStorage=true")]).unwrap();
        assert_eq!(
            (settings.parked_queue_name, settings.dead_letter_queue_name),
            ("parked".into(), "dead-letter".into())
        );
        let settings = read(&[("AzureWebJobsStorage__accountName", "plant")]).unwrap();
        assert_eq!(settings.account.queue_endpoint.as_str(), "https://plant.queue.core.windows.net/");
        assert!(matches!(settings.account.credential, Credential::AzureLogin));
    }

    #[test]
    fn a_connection_string_counts_before_an_address_and_an_address_before_a_name() {
        let name = ("AzureWebJobsStorage__accountName", "plant");
        let uri = ("AzureWebJobsStorage__queueServiceUri", "https://plant.queue.core.chinacloudapi.cn");
        let settings = read(&[name, uri]).unwrap();
        assert_eq!(settings.account.queue_endpoint.host_str(), Some("plant.queue.core.chinacloudapi.cn"));
        let settings = read(&[name, uri, ("AzureWebJobsStorage", "UseDevelopmentStorage=true")]).unwrap();
        assert!(matches!(settings.account.credential, Credential::SharedKey { .. }));
    }

    #[test]
    fn all_problems_are_reported_at_once_and_show_no_secret() {
        for (values, expected) in [
            (&[][..], "AzureWebJobsStorage: it is not set"),
            (&[("AzureWebJobsStorage", "AccountName=a;AccountKey=hunter2")], "AzureWebJobsStorage: "),
            (&[("AzureWebJobsStorage", "@Microsoft.KeyVault(SecretUri=https://v)")], "Key Vault reference"),
            (&[("AzureWebJobsStorage__accountName", "hunter2;AccountKey")], "AzureWebJobsStorage__accountName: "),
            (&[("AzureWebJobsStorage__queueServiceUri", "http://plant.example")], "over TLS only"),
        ] {
            let text = read(values).unwrap_err().to_string();
            assert!(text.contains(expected) && !text.contains("hunter2"), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
        let problems = read(&[("PARKED_QUEUE_NAME", "Parked"), ("DEAD_LETTER_QUEUE_NAME", "-")]).unwrap_err();
        let names: Vec<_> = problems.iter().map(|problem| &*problem.name).collect();
        assert_eq!(names, ["AzureWebJobsStorage", "PARKED_QUEUE_NAME", "DEAD_LETTER_QUEUE_NAME"]);
    }

    #[test]
    fn a_key_is_not_shown_whichever_setting_it_is_pasted_into() {
        let key = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmE=";
        for name in STORAGE_NAMES {
            let text = read(&[(name, key)]).unwrap_err().to_string();
            assert!(text.contains(name) && !text.contains("Zm9v"), "{text}");
        }
    }

    #[test]
    fn parked_and_dead_letter_are_two_queues() {
        let same = [("AzureWebJobsStorage", "UseDevelopmentStorage=true"), ("PARKED_QUEUE_NAME", "dead-letter")];
        assert!(read(&same).unwrap_err().to_string().contains("expected two queues"));
    }
}
