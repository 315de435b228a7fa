//! `tags.lorawanStatus`: what became of a device's tags, for the operator to see in the portal and for us to remember.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::applied::Applied;
use super::registration::Trust;
use crate::error::{Error, shortened};

/// Longest reason, in bytes; a tag's text holds 4 KB.
const MAX_REASON: usize = 1_000;

/// What the twin remembers of the last registration.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Remembered {
    /// Whether The Things Stack has the device as its tags were then.
    pub(super) is_registered: bool,
    /// Whether it was told that it takes them never.
    pub(super) is_refused: bool,
    pub(super) applied: Option<Applied>,
}

impl Remembered {
    /// As much of it as is to be believed.
    pub(super) fn trusted(self, trust: Trust) -> Self {
        match trust {
            Trust::All => self,
            Trust::Applied => Self { is_registered: false, ..self },
            Trust::Nothing => Self { is_registered: false, applied: None, ..self },
        }
    }
}

/// Reads a twin's `tags.lorawanStatus`; whatever is not ours says nothing.
pub(super) fn remembered(twin: &Value) -> Remembered {
    let status = &twin["tags"]["lorawanStatus"];
    let is_registered = status["state"] == "registered";
    let is_refused = status["state"] == "refused";
    let applied = status["applied"].as_str().map(Applied::from_text);
    Remembered { is_registered: is_registered && applied.is_some(), is_refused, applied }
}

/// Whether a device's tags were refused from the beginning. One that was registered once remembers what was applied.
pub(super) fn was_never_registered(twin: &Value) -> bool {
    let status = &twin["tags"]["lorawanStatus"];
    status["state"] == "refused" && status["applied"].is_null()
}

/// The tags that say that the device is registered as its tags are.
pub(super) fn registered(applied: &Applied, remarks: &[String], now: OffsetDateTime) -> Value {
    let reason = (!remarks.is_empty()).then(|| format!("ignored: {}", remarks.join("; ")));
    tags("registered", reason.as_deref(), Some(applied), now)
}

/// The tags that say that the device's tags will never be taken, and why. What was registered before stays remembered.
pub(super) fn refused(reason: &Error, now: OffsetDateTime) -> Value {
    tags("refused", Some(&reason.to_string()), None, now)
}

/// The tags that say that the device's tags will be tried again, and why they have to be.
pub(super) fn waiting(reason: &Error, now: OffsetDateTime) -> Value {
    tags("waiting", Some(&reason.to_string()), None, now)
}

fn tags(state: &str, reason: Option<&str>, applied: Option<&Applied>, now: OffsetDateTime) -> Value {
    let reason = reason.map(|reason| shortened(reason, MAX_REASON));
    // `null` takes an old reason out of the twin.
    let mut status = json!({"state": state, "reason": reason, "at": now.format(&Rfc3339).ok()});
    if let Some(applied) = applied {
        status["applied"] = applied.to_text().into();
    }
    json!({"lorawanStatus": status})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Peer;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-21 10:00 UTC);

    #[test]
    fn what_is_written_is_remembered_and_anything_else_is_not() {
        let applied = Applied::from_text("key:a name:b");
        let twin = json!({"tags": registered(&applied, &[], NOW)});
        assert_eq!(
            remembered(&twin),
            Remembered { is_registered: true, is_refused: false, applied: Some(applied.clone()) }
        );
        for status in [json!(null), json!(7), json!({"state": "registered"}), json!({"state": 1, "applied": {}})] {
            let twin = json!({"tags": {"lorawanStatus": status}});
            assert_eq!(remembered(&twin), Remembered { is_registered: false, is_refused: false, applied: None });
        }
    }

    #[test]
    fn a_status_is_readable_for_a_person() {
        let error = Error::Refused { peer: Peer::Tts, what: "no".to_owned() };
        for (tags, expected) in [
            (
                registered(&Applied::from_text("key:a"), &["tags.lorawan.x is unknown".to_owned()], NOW),
                r#"{"lorawanStatus":{"state":"registered","reason":"ignored: tags.lorawan.x is unknown","at":"2026-11-21T10:00:00Z","applied":"key:a"}}"#,
            ),
            (
                refused(&error, NOW),
                r#"{"lorawanStatus":{"state":"refused","reason":"The Things Stack refused: no","at":"2026-11-21T10:00:00Z"}}"#,
            ),
            (
                waiting(&error, NOW),
                r#"{"lorawanStatus":{"state":"waiting","reason":"The Things Stack refused: no","at":"2026-11-21T10:00:00Z"}}"#,
            ),
        ] {
            assert_eq!(tags.to_string(), expected);
        }
    }
}
