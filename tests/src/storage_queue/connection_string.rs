//! A storage account's connection string.

use reqwest::Url;

use super::error::QueueError;
use super::shared_key::SharedKey;

/// The emulator's account.
const ACCOUNT: &str = "devstoreaccount1";
/// Its key, the same everywhere and known to everyone.
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// The connection string of an emulator's account.
pub(crate) fn of_emulator(url: &str) -> String {
    format!("AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint={url}/{ACCOUNT}")
}

/// The queue endpoint, without a slash at its end, and what signs requests to it.
pub(super) fn parse(connection_string: &str) -> Result<(Url, SharedKey), QueueError> {
    let wrong = |reason: &str| QueueError::ConnectionString(reason.to_owned());
    if part_of(connection_string, "UseDevelopmentStorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return parse(&of_emulator("http://127.0.0.1:10001"));
    }
    let account = part_of(connection_string, "AccountName").ok_or_else(|| wrong("no AccountName"))?;
    let key = part_of(connection_string, "AccountKey").ok_or_else(|| wrong("no AccountKey"))?;
    let key = SharedKey::new(account, key).ok_or_else(|| wrong("AccountKey is not base64"))?;
    let endpoint = part_of(connection_string, "QueueEndpoint").map_or_else(
        || {
            let protocol = part_of(connection_string, "DefaultEndpointsProtocol").unwrap_or("https");
            let suffix = part_of(connection_string, "EndpointSuffix").unwrap_or("core.windows.net");
            format!("{protocol}://{account}.queue.{suffix}")
        },
        |endpoint| endpoint.trim_end_matches('/').to_owned(),
    );
    let endpoint = Url::parse(&endpoint).ok().filter(|endpoint| endpoint.has_host());
    Ok((endpoint.ok_or_else(|| wrong("QueueEndpoint is no URL"))?, key))
}

fn part_of<'a>(connection_string: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = connection_string.split(';').filter_map(|part| part.trim().split_once('='));
    parts.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_is_the_given_one_or_made_of_the_account() {
        for (text, expected) in [
            ("UseDevelopmentStorage=true", Ok("http://127.0.0.1:10001/devstoreaccount1")),
            ("AccountName=a;AccountKey=a2V5;QueueEndpoint=http://localhost:1/a/", Ok("http://localhost:1/a")),
            ("AccountName=a;AccountKey=a2V5==;", Err("AccountKey")),
            ("AccountName=a;AccountKey=a2V5;EndpointSuffix=x.cn", Ok("https://a.queue.x.cn/")),
            ("AccountKey=a2V5", Err("AccountName")),
            ("AccountName=a;AccountKey=a2V5;QueueEndpoint=a", Err("QueueEndpoint")),
        ] {
            match (parse(text), expected) {
                (Ok((endpoint, _)), Ok(expected)) => assert_eq!(endpoint.as_str(), expected),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (parsed, expected) => panic!("{text}: {parsed:?}, expected {expected:?}"),
            }
        }
    }
}
