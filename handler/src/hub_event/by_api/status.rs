//! `tags.lorawanStatus`: what became of a device's tags, for the operator to see in the portal and for us to remember.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::applied::Applied;
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

/// How much of what a twin remembers of the device is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// The Things Stack has it so.
    All,
    /// It had it so, before a try that may have been cut short: everything is written again.
    Applied,
    /// It is not this device's, or The Things Stack has just lost it.
    Nothing,
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
    // A device that is created anew may get the tags of the former one, this status among them.
    let is_its_own = status["deviceEtag"] == twin["deviceEtag"];
    let applied = status["applied"].as_str().filter(|_| is_its_own).map(Applied::from_text);
    Remembered { is_registered: is_registered && applied.is_some(), is_refused, applied }
}

/// Whether a device was registered once, as its twin says; a parked one says so by `true`.
pub(super) fn is_recorded(twin: &Value) -> bool {
    let status = &twin["tags"]["lorawanStatus"];
    let applied = &status["applied"];
    if applied.is_null() { *status == true } else { *applied != false }
}

/// The tags that say that the device of this twin is registered as its tags are. The EUIs stay there as what was
/// registered last, whatever becomes of the tags.
pub(super) fn registered(twin: &Value, applied: &Applied, remarks: &[String], now: OffsetDateTime) -> Value {
    let reason = (!remarks.is_empty()).then(|| format!("ignored: {}", remarks.join("; ")));
    let mut status = status("registered", reason.as_deref(), now);
    status["applied"] = applied.to_text().into();
    status["deviceEtag"] = twin["deviceEtag"].clone();
    for name in ["devEui", "joinEui"] {
        status[name] = twin["tags"]["lorawan"][name].clone();
    }
    json!({"lorawanStatus": status})
}

/// The tags that say that the device's tags will never be taken, and why. What was registered before stays remembered, if
/// anything was.
pub(super) fn refused(reason: &Error, remembered: &Remembered, now: OffsetDateTime) -> Value {
    let mut status = status("refused", Some(&reason.to_string()), now);
    if remembered.applied.is_none() {
        status["applied"] = Value::Null;
    }
    json!({"lorawanStatus": status})
}

/// The tags that say that the device's tags will be tried again, and why they have to be.
pub(super) fn waiting(reason: &Error, now: OffsetDateTime) -> Value {
    json!({"lorawanStatus": status("waiting", Some(&reason.to_string()), now)})
}

fn status(state: &str, reason: Option<&str>, now: OffsetDateTime) -> Value {
    let reason = reason.map(|reason| shortened(reason, MAX_REASON));
    // `null` takes an old reason out of the twin.
    json!({"state": state, "reason": reason, "at": now.format(&Rfc3339).ok()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Peer;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-21 10:00 UTC);

    #[test]
    fn what_is_written_is_remembered_and_anything_else_is_not() {
        let applied = Applied::from_text("key:a name:b");
        let before = json!({"deviceEtag": "MQ=="});
        let mut twin = json!({"deviceEtag": "MQ==", "tags": registered(&before, &applied, &[], NOW)});
        assert_eq!(
            remembered(&twin),
            Remembered { is_registered: true, is_refused: false, applied: Some(applied.clone()) }
        );
        twin["deviceEtag"] = json!("Mg==");
        let nothing = Remembered { is_registered: false, is_refused: false, applied: None };
        assert_eq!(remembered(&twin), nothing, "it is another device's");
        for status in [json!(null), json!(7), json!({"state": "registered"}), json!({"state": 1, "applied": {}})] {
            let twin = json!({"tags": {"lorawanStatus": status}});
            assert_eq!(remembered(&twin), Remembered { is_registered: false, is_refused: false, applied: None });
        }
    }

    #[test]
    fn a_status_is_readable_for_a_person() {
        let error = Error::Refused { peer: Peer::Tts, what: "no".to_owned() };
        let remarks = ["tags.lorawan.x is unknown".to_owned()];
        let twin = json!({"deviceEtag": "MQ==", "tags": {"lorawan": {"devEui": "70B3"}}});
        let memory = |applied: Option<&str>| {
            let applied = applied.map(Applied::from_text);
            Remembered { is_registered: false, is_refused: false, applied }
        };
        for (tags, expected) in [
            (
                registered(&twin, &Applied::from_text("key:a"), &remarks, NOW),
                r#"{"lorawanStatus":{"state":"registered","reason":"ignored: tags.lorawan.x is unknown","at":"2026-11-21T10:00:00Z","applied":"key:a","deviceEtag":"MQ==","devEui":"70B3","joinEui":null}}"#,
            ),
            (
                refused(&error, &memory(Some("key:a")), NOW),
                r#"{"lorawanStatus":{"state":"refused","reason":"The Things Stack refused: no","at":"2026-11-21T10:00:00Z"}}"#,
            ),
            (
                refused(&error, &memory(None), NOW),
                r#"{"lorawanStatus":{"state":"refused","reason":"The Things Stack refused: no","at":"2026-11-21T10:00:00Z","applied":null}}"#,
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
