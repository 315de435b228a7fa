//! The two notations that point from JSON to elsewhere: `%NAME%` for an app setting, `hh:mm:ss` for a time span.

use std::collections::BTreeMap;
use std::time::Duration;

/// Replaces each `%NAME%`; a `%` without a partner is an ordinary character.
///
/// # Errors
/// The first name without a setting.
pub(super) fn resolve(text: &str, settings: &BTreeMap<String, String>) -> Result<String, String> {
    let mut resolved = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = next_name(rest) {
        resolved.push_str(before);
        resolved.push_str(settings.get(name).ok_or_else(|| name.to_owned())?);
        rest = after;
    }
    Ok(resolved + rest)
}

fn next_name(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('%')?;
    let (name, after) = rest.split_once('%')?;
    Some((before, name, after))
}

/// Reads .NET's `[d.]hh:mm:ss[.fffffff]`.
pub(super) fn time_span(text: &str) -> Option<Duration> {
    let mut parts = text.splitn(3, ':');
    let (first, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
    let (days, hours) = first.split_once('.').unwrap_or(("0", first));
    let hours = days.parse::<u32>().ok()? * 24 + below(hours, 24)?;
    let whole = (u64::from(hours) * 60 + u64::from(below(minutes, 60)?)) * 60;
    let seconds = seconds.parse::<f64>().ok().filter(|seconds| (0.0..60.0).contains(seconds))?;
    Some(Duration::from_secs(whole) + Duration::try_from_secs_f64(seconds).ok()?)
}

fn below(text: &str, limit: u32) -> Option<u32> {
    text.parse().ok().filter(|number| *number < limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_between_percent_signs_are_replaced_by_app_settings() {
        let settings = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())]);
        for (text, expected) in [
            ("plain", Ok("plain")),
            ("%A%", Ok("1")),
            ("x%A%y%B%z", Ok("x1y2z")),
            ("50%", Ok("50%")),
            ("%C%", Err("C")),
        ] {
            assert_eq!(
                resolve(text, &settings).as_deref().map_err(String::as_str),
                expected.map_err(|name: &str| name),
                "{text}"
            );
        }
    }

    #[test]
    fn time_spans_are_read_as_dot_net_writes_them() {
        for (text, expected) in [
            ("00:05:00", Some(Duration::from_mins(5))),
            ("00:00:02.5", Some(Duration::from_millis(2500))),
            ("1.01:00:00", Some(Duration::from_hours(25))),
            ("00:60:00", None),
            ("24:00:00", None),
            ("5", None),
            ("-1", None),
        ] {
            assert_eq!(time_span(text), expected, "{text}");
        }
    }
}
