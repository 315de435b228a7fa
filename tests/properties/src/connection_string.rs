//! Connection strings: what is accepted is usable, what is refused is not shown.

use handler::iot_hub::Policy;
use hyper::Uri;
use url::Url;

const SECRET: &str = "hunter2hunter2";

/// Any text.
pub fn connection_string(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(parsed) = Policy::from_connection_string(&text) {
        is_usable(&parsed);
    }
    for text in [
        format!("{text};SharedAccessKey={SECRET}"),
        format!("SharedAccessKey={SECRET}{text}"),
        format!("{SECRET}={text}"),
        format!("{text}{SECRET}"),
    ] {
        if let Err(reason) = Policy::from_connection_string(&text) {
            assert!(!reason.contains(SECRET), "{reason}");
        }
    }
}

fn is_usable(parsed: &Policy) {
    let Policy { host_name, policy_name, key } = parsed;
    let address = format!("https://{host_name}:8443/devices");
    let uri: Uri = address.parse().expect("the hub's address");
    assert_eq!((uri.host(), uri.port_u16()), (Some(host_name.as_str()), Some(8443)));
    let url = Url::parse(&address).expect("the hub's address");
    assert_eq!(url.host_str(), Some(host_name.to_ascii_lowercase().as_str()));
    assert!(!format!("{parsed:?}").contains(key.expose()));
    let text = format!("SharedAccessKey={};SharedAccessKeyName={policy_name};HostName={host_name}", key.expose());
    let again = Policy::from_connection_string(&text).expect("what was read can be written");
    assert_eq!((&again.host_name, &again.policy_name), (host_name, policy_name));
    assert_eq!(again.key.expose(), key.expose());
}
