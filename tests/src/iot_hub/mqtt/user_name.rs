//! What a user name says: `{host}/{device}/?api-version=…`.

use crate::iot_hub::http::is_api_version;

/// Why a user name will not do; never told to the client.
pub(crate) fn check(user_name: &str, device_id: &str, is_host: impl Fn(&str) -> bool) -> Result<(), &'static str> {
    let (host, rest) = user_name.split_once('/').ok_or("the user name has no device")?;
    if !is_host(host) {
        return Err("the user name names another host");
    }
    let (device, query) = rest.split_once("/?").ok_or("the user name has no api-version")?;
    if device != device_id {
        return Err("the user name and the client id name different devices");
    }
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    match pairs.find(|(name, _)| name.eq_ignore_ascii_case("api-version")) {
        Some((_, version)) if is_api_version(&version) => Ok(()),
        Some(_) => Err("the user name has an api-version the hub does not know"),
        None => Err("the user name has no api-version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_says_host_device_and_version() {
        let version = "?api-version=2021-04-12";
        let table = [
            (format!("hub/dev1/{version}"), None),
            (format!("hub/dev1/{version}&DeviceClientType=x%2F1&model-id=dtmi%3Aa%3B1"), None),
            ("hub/dev1/?DeviceClientType=x&api-version=2019-10-01".to_owned(), None),
            (format!("other/dev1/{version}"), Some("the user name names another host")),
            (format!("hub/dev2/{version}"), Some("the user name and the client id name different devices")),
            (format!("hub/dev1/module/{version}"), Some("the user name and the client id name different devices")),
            ("hub".to_owned(), Some("the user name has no device")),
            ("hub/dev1".to_owned(), Some("the user name has no api-version")),
            ("hub/dev1/?x=y".to_owned(), Some("the user name has no api-version")),
            ("hub/dev1/?api-version=1".to_owned(), Some("the user name has an api-version the hub does not know")),
        ];
        for (user_name, problem) in table {
            assert_eq!(check(&user_name, "dev1", |host| host == "hub").err(), problem, "{user_name}");
        }
    }
}
