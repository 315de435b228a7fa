//! The webhook's door: secret, content type, and the device named by the path.

use crate::error::Error;
use crate::invocation::HttpRequest;
use crate::secret::Secret;

/// The header that carries the webhook's shared secret, set under "Additional headers" in the Console.
pub const SECRET_HEADER: &str = "X-Webhook-Secret";

/// Largest webhook body read, in bytes. Real messages stay under some hundred KB even with many gateways.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Checks the shared secret. Without configured secrets the function key alone guards the door.
///
/// # Errors
/// [`Error::Unauthorized`] saying which header was expected.
pub fn authenticate(request: &HttpRequest<'_>, secrets: &[Secret]) -> Result<(), Error> {
    if secrets.is_empty() {
        return Ok(());
    }
    let Some(given) = request.header(SECRET_HEADER) else {
        return Err(Error::Unauthorized(format!(
            "found no header {SECRET_HEADER}; add it to the webhook with one of the values of WEBHOOK_SECRETS"
        )));
    };
    // Every secret is compared, so that the time says nothing about which one came close.
    let accepted = secrets.iter().fold(false, |accepted, secret| accepted | secret.matches(&given));
    accepted.then_some(()).ok_or_else(|| {
        Error::Unauthorized(format!(
            "the value of header {SECRET_HEADER} is none of WEBHOOK_SECRETS; correct the webhook"
        ))
    })
}

/// The message's JSON text.
///
/// # Errors
/// [`Error::UnsupportedFormat`] for the protobuf format, [`Error::TooLarge`], or [`Error::Malformed`] for an empty
/// body and for what is not JSON.
pub fn body<'a>(request: &'a HttpRequest<'_>) -> Result<&'a str, Error> {
    let content_type = request.header("Content-Type").unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type == "application/octet-stream" {
        return Err(Error::UnsupportedFormat(
            "found content type application/octet-stream, which is the webhook format Protocol Buffers; \
             set the webhook's format to JSON"
                .to_owned(),
        ));
    }
    if media_type != "application/json" {
        return Err(Error::UnsupportedFormat(format!(
            "found content type {media_type:?}, expected application/json; set the webhook's format to JSON"
        )));
    }
    let body = request.body();
    if body.len() > MAX_BODY_BYTES {
        return Err(Error::TooLarge(format!(
            "found a body of {} bytes, expected at most {MAX_BODY_BYTES}",
            body.len()
        )));
    }
    if body.trim().is_empty() {
        return Err(Error::Malformed(
            "found an empty body, expected an ApplicationUp as JSON; the body must be sent with Content-Length"
                .to_owned(),
        ));
    }
    Ok(body)
}

/// What the path says about the sender: `…/applications/{applicationID}/devices/{deviceID}/…`, each part optional.
/// A webhook whose field mask drops `end_device_ids` names its device this way.
#[must_use]
pub fn id_in_path(request: &HttpRequest<'_>, collection: &str) -> Option<String> {
    let rest = request.param("rest")?;
    let mut segments = rest.split('/');
    segments.find(|segment| *segment == collection)?;
    segments.next().filter(|id| !id.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::invocation::http_request;

    fn envelope(headers: serde_json::Value, rest: &str, body: &str) -> Vec<u8> {
        json!({"Data": {"req": {"Headers": headers, "Params": {"rest": rest}, "Body": body}}}).to_string().into_bytes()
    }

    #[test]
    fn any_of_the_secrets_opens_the_door_so_that_they_can_rotate() {
        let secrets = [Secret::new("old"), Secret::new("new")];
        for (given, accepted) in [("old", true), ("new", true), ("older", false), ("", false)] {
            let envelope = envelope(json!({"x-webhook-secret": [given]}), "", "");
            let request = http_request(&envelope).unwrap();
            assert_eq!(authenticate(&request, &secrets).is_ok(), accepted, "{given}");
        }
        let envelope = envelope(json!({}), "", "");
        let request = http_request(&envelope).unwrap();
        assert!(authenticate(&request, &secrets).unwrap_err().to_string().contains("X-Webhook-Secret"));
        assert!(authenticate(&request, &[]).is_ok());
    }

    #[test]
    fn the_path_may_name_application_and_device() {
        for (rest, application_id, device_id) in [
            ("applications/plant-a/devices/dev-1/up", Some("plant-a"), Some("dev-1")),
            ("devices/dev-1", None, Some("dev-1")),
            ("devices/", None, None),
            ("up", None, None),
            ("", None, None),
        ] {
            let envelope = envelope(json!({}), rest, "");
            let request = http_request(&envelope).unwrap();
            assert_eq!(id_in_path(&request, "applications").as_deref(), application_id, "{rest}");
            assert_eq!(id_in_path(&request, "devices").as_deref(), device_id, "{rest}");
        }
    }

    #[test]
    fn bodies_that_cannot_be_a_message_are_refused_with_the_way_out() {
        for (content_type, body_text, status, advice) in [
            ("application/octet-stream", "AQID", 415, "format to JSON"),
            ("text/plain", "{}", 415, "format to JSON"),
            ("application/json", "", 400, "empty body"),
            ("Application/JSON; charset=utf-8", "  \n", 400, "empty body"),
        ] {
            let envelope = envelope(json!({"Content-Type": [content_type]}), "", body_text);
            let request = http_request(&envelope).unwrap();
            let reason = body(&request).unwrap_err();
            assert_eq!(reason.status(), status, "{content_type}");
            assert!(reason.to_string().contains(advice), "{reason}");
        }
    }
}
