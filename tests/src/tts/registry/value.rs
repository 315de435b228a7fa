//! One value of an end device: what its JSON may look like, and how it comes out again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::ids::is_id;
use super::super::rejection::{Code, Rejection};
use super::schema::Kind;

pub(in crate::tts) const ID_REASON: &str = "value does not match regex pattern \"^[a-z0-9](?:[-]?[a-z0-9]){2,}$\"";

/// The value as the server keeps it. The gateway refuses what has the wrong form, without details; what has only the
/// wrong content is refused by validation.
pub(in crate::tts) fn checked(path: &str, kind: Kind, value: &Value) -> Result<Value, Rejection> {
    let malformed = || unmarshal(path);
    let text = || value.as_str().ok_or_else(malformed);
    match kind {
        Kind::Text(most) => at_most(path, text()?, most).map(Value::from),
        Kind::Id => match text()? {
            "" => Ok("".into()),
            id if is_id(id) => Ok(id.into()),
            _ => Err(Rejection::validation(path, ID_REASON)),
        },
        Kind::Hex(bytes) => hex(text()?, bytes).map(Value::from).ok_or_else(malformed),
        Kind::Bool => value.as_bool().map(Value::from).ok_or_else(malformed),
        Kind::Number => value.as_f64().map(|_| value.clone()).ok_or_else(malformed),
        Kind::Enum(values) => {
            let name = values.canonical(value).ok_or_else(malformed)?;
            Ok(if name == values.zero() { "" } else { name }.into())
        }
        Kind::Address => match text()? {
            address if address.is_empty() || is_address(address) => Ok(address.into()),
            _ => Err(Rejection::validation(path, "value does not match regex pattern of host[:port]")),
        },
        Kind::Time => time(text()?).map(|_| value.clone()).ok_or_else(malformed),
        Kind::Attributes => attributes(path, value),
        Kind::Whole | Kind::Open => Ok(value.clone()),
    }
}

/// What the gateway answers to a value it cannot read.
pub(in crate::tts) fn unmarshal(path: &str) -> Rejection {
    Rejection::bare(Code::InvalidArgument, format!("json: cannot unmarshal {path}"))
}

/// A moment in UTC; an offset of zero must be written as `Z`.
pub(in crate::tts) fn time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok().filter(|_| text.ends_with('Z'))
}

fn at_most<'a>(path: &str, text: &'a str, most: usize) -> Result<&'a str, Rejection> {
    if text.chars().count() <= most {
        return Ok(text);
    }
    Err(Rejection::validation(path, &format!("value length must be at most {most} runes")))
}

/// Upper-case hex; base64 of as many bytes is understood as well.
fn hex(text: &str, bytes: usize) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    if text.len() == bytes * 2 && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Some(text.to_ascii_uppercase());
    }
    let decoded = STANDARD.decode(text).ok().filter(|decoded| decoded.len() == bytes)?;
    Some(decoded.iter().map(|byte| format!("{byte:02X}")).collect())
}

fn is_address(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(label) && (1..=5).contains(&port.len()) && port.bytes().all(|digit| digit.is_ascii_digit())
}

fn attributes(path: &str, value: &Value) -> Result<Value, Rejection> {
    let attributes = value.as_object().ok_or_else(|| unmarshal(path))?;
    if attributes.len() > 10 {
        return Err(Rejection::validation(path, "value must contain no more than 10 pair(s)"));
    }
    for (name, value) in attributes {
        let inside = format!("{path}[{name}]");
        if !is_id(name) {
            return Err(Rejection::validation(&inside, ID_REASON));
        }
        at_most(&inside, value.as_str().ok_or_else(|| unmarshal(&inside))?, 200)?;
    }
    Ok(value.clone())
}
