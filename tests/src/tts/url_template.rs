//! Where a webhook request goes: URI templates (RFC 6570) filled with a device's ids, then base and path joined.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::ids::EndDeviceIds;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Base URL and path of a message type, both templates, as one URL.
pub(super) fn target(base_url: &str, path: &str, ids: &EndDeviceIds) -> Result<Url, String> {
    let (base, path) = (expand(base_url, ids)?, expand(path, ids)?);
    join(&base, &path).map_err(|error| format!("{base} and {path}: {error}"))
}

/// Resolves `path` against `base` after hanging it below the base's path. A query of the base survives only an empty
/// path (`/` counts as empty); a path may lead to another host.
fn join(base: &str, path: &str) -> Result<Url, url::ParseError> {
    let mut base = Url::parse(base)?;
    let other_host = path.starts_with("//") && !path.starts_with("///");
    let relative = if other_host { path } else { path.trim_start_matches('/') };
    let only_query = relative.is_empty() || relative.starts_with('?');
    if (path.starts_with('/') || !only_query) && !base.path().ends_with('/') {
        let directory = format!("{}/", base.path());
        base.set_path(&directory);
    }
    base.join(relative)
}

fn expand(template: &str, ids: &EndDeviceIds) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = template;
    while let Some((literal, behind)) = rest.split_once('{') {
        let (expression, behind) = behind.split_once('}').ok_or_else(|| format!("{template}: `{{` is never closed"))?;
        expanded.push_str(literal);
        expand_expression(expression, ids, &mut expanded);
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// `{var}`, `{a,b}` and the operators `+ # . / ; ? &`; undefined variables leave nothing behind.
fn expand_expression(expression: &str, ids: &EndDeviceIds, expanded: &mut String) {
    let operator = expression.chars().next().filter(|first| "+#./;?&".contains(*first));
    let (first, separator, named) = match operator {
        Some('#') => ("#", ",", false),
        Some('.') => (".", ".", false),
        Some('/') => ("/", "/", false),
        Some(';') => (";", ";", true),
        Some('?') => ("?", "&", true),
        Some('&') => ("&", "&", true),
        _ => ("", ",", false),
    };
    let mut before = first;
    for name in expression.trim_start_matches("+#./;?&".chars().collect::<Vec<_>>().as_slice()).split(',') {
        let Some(value) = ids.variable(name.trim_end_matches('*')) else { continue };
        expanded.push_str(before);
        before = separator;
        if named {
            expanded.push_str(name);
            expanded.push_str(if value.is_empty() && operator == Some(';') { "" } else { "=" });
        }
        expanded.push_str(&utf8_percent_encode(value, UNRESERVED).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> EndDeviceIds {
        EndDeviceIds {
            dev_eui: Some("70B3D57ED0000001".to_owned()),
            join_eui: Some("70B3D57ED0FFFF00".to_owned()),
            ..EndDeviceIds::new("plant-a", "sensor-1")
        }
    }

    #[test]
    fn path_is_hung_below_the_base() {
        for (base, path, target_url) in [
            ("https://f/api/tts", "/up", "https://f/api/tts/up"),
            ("https://f/api/tts", "up", "https://f/api/tts/up"),
            ("https://f/api/tts/", "up", "https://f/api/tts/up"),
            ("https://f/api/tts?code=K", "/up", "https://f/api/tts/up"),
            ("https://f/api/tts?code=K", "/up?code=L", "https://f/api/tts/up?code=L"),
            ("https://f/api/tts?code=K", "", "https://f/api/tts?code=K"),
            ("https://f/api/tts", "?t=up", "https://f/api/tts?t=up"),
            ("https://f/api/tts", "/", "https://f/api/tts/"),
            ("https://f/api/tts", "", "https://f/api/tts"),
            ("https://f/api/tts", "https://g/x", "https://g/x"),
            ("https://f/api", "/{devID}/up", "https://f/api/sensor-1/up"),
            ("https://f", "///up", "https://f/up"),
            ("https://f/api/", "//g/x", "https://g/x"),
        ] {
            let target = target(base, path, &ids()).map(String::from);
            assert_eq!(target.as_deref(), Ok(target_url), "{base} + {path}");
        }
    }

    #[test]
    fn variables_are_the_ids_of_the_device() {
        for (template, expanded) in [
            ("{appID}/{applicationID}", "plant-a/plant-a"),
            ("{devID}/{deviceID}", "sensor-1/sensor-1"),
            ("{devEUI}/{joinEUI}/{appEUI}", "70B3D57ED0000001/70B3D57ED0FFFF00/70B3D57ED0FFFF00"),
            ("up{?devID,devAddr}", "up?devID=sensor-1&devAddr="),
            ("x{/appID,devID}{&devEUI}{;devAddr}", "x/plant-a/sensor-1&devEUI=70B3D57ED0000001;devAddr"),
            ("[{devAddr}]", "[]"),
            ("[{unknown}{?unknown}]", "[]"),
            ("{appID,devID}{+devID}{#devID}{.devID}", "plant-a,sensor-1sensor-1#sensor-1.sensor-1"),
        ] {
            assert_eq!(expand(template, &ids()).as_deref(), Ok(expanded), "{template}");
        }
        assert!(expand("{devID", &ids()).is_err());
        assert!(target("f/api", "", &ids()).is_err());
    }
}
