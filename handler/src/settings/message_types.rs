//! Which message types go on, of those The Things Stack sends.

use std::collections::BTreeSet;

use super::parsers::shown;
use crate::tts::message::MESSAGE_TYPES;

/// A set of message types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageTypes {
    /// Every type, those of future releases included.
    All,
    /// Only these.
    Only(BTreeSet<String>),
}

impl MessageTypes {
    /// `all`, or message types joined by commas.
    ///
    /// # Errors
    /// A sentence with what was found and what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<_> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        match names.as_slice() {
            ["all"] => Ok(Self::All),
            [] => Err("found no message type, expected all, or message types joined by commas".to_owned()),
            names if names.contains(&"all") => Err(format!(
                "found all beside {} others, which contradicts; expected either all or a list",
                names.len() - 1
            )),
            names => match names.iter().position(|name| !MESSAGE_TYPES.contains(name)) {
                Some(position) => Err(format!(
                    "found {} as type {} of {}, expected all, or some of {} joined by commas",
                    shown(names[position]),
                    position + 1,
                    names.len(),
                    MESSAGE_TYPES.join(", ")
                )),
                None => Ok(Self::Only(names.iter().map(|&name| name.to_owned()).collect())),
            },
        }
    }

    /// The same, or `none`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_or_none(text: &str) -> Result<Self, String> {
        if text == "none" { Ok(Self::Only(BTreeSet::new())) } else { Self::parse(text) }
    }

    /// Whether messages of this type go on.
    #[must_use]
    pub fn includes(&self, message_type: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(message_type),
        }
    }
}
