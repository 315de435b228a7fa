//! Changes made in IoT Hub for the ordinary API: each causes exactly one event.

use serde_json::{Value, json};

use super::super::secrets::Secrets;
use super::super::uplink::{FIRST_FOREIGN, device_id};
use super::tags::{self, Invalid};
use crate::iot_hub::{HubError, IotHub};

/// What is to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ledger) struct Change {
    /// From 1; it is in all values the change sets.
    pub(in crate::ledger) number: u32,
    pub(in crate::ledger) device: u32,
    pub(in crate::ledger) kind: ChangeKind,
}

/// How. What cannot be done because the device exists, or does not, becomes what can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum ChangeKind {
    Downlink(Form),
    /// A downlink is wanted no more.
    NoDownlink,
    /// A desired property that means nothing to The Things Stack.
    Desired,
    /// Tags that can change: of a device without any, all there are.
    Tags(Scope),
    /// A tag that makes a device's tags wrong.
    WrongTag(Invalid),
    /// A tag and a downlink in one patch.
    TagAndDownlink,
    Create {
        is_tagged: bool,
        has_own_euis: bool,
        has_downlink: bool,
    },
    Delete,
}

/// How a downlink is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Form {
    Push,
    Replace,
    /// Only the frame; the rest is as in the twin, if it has one.
    Partial,
}

/// How many tags change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ledger) enum Scope {
    One(usize),
    All,
}

impl Change {
    /// Draws one; a few are of devices that The Things Stack does not take.
    pub(in crate::ledger) fn draw(number: u32, devices: u32, random: &mut fastrand::Rng) -> Self {
        let kind = match random.u32(0..100) {
            0..38 => ChangeKind::Downlink(Form::Push),
            38..44 => ChangeKind::Downlink(Form::Replace),
            44..52 => ChangeKind::Downlink(Form::Partial),
            52..54 => ChangeKind::NoDownlink,
            54..58 => ChangeKind::Desired,
            58..70 => ChangeKind::Tags(Scope::One(random.usize(..tags::CHANGING))),
            70..78 => ChangeKind::Tags(Scope::All),
            78..80 => ChangeKind::WrongTag(Invalid::ALL[random.usize(..Invalid::ALL.len())]),
            80..84 => ChangeKind::TagAndDownlink,
            84..92 => ChangeKind::Create {
                is_tagged: random.u32(0..4) > 0,
                has_own_euis: random.bool(),
                has_downlink: random.u32(0..4) == 0,
            },
            _ => ChangeKind::Delete,
        };
        let device = match random.u32(0..100) {
            0 => FIRST_FOREIGN + random.u32(0..3),
            _ => random.u32(0..devices),
        };
        Self { number, device, kind }
    }

    /// Carries it out.
    ///
    /// # Errors
    /// When the hub takes neither the change nor its stand-in.
    pub(in crate::ledger) fn apply(&self, hub: &IotHub, secrets: &Secrets) -> Result<(), HubError> {
        let id = device_id(self.device);
        let twin = hub.twin(&id);
        let patch = |patch: Value| hub.patch_twin(&id, patch).map(drop);
        match (&twin, self.kind) {
            (None, _) => hub.create_device_with_twin(&id, self.whole_twin(secrets)),
            (Some(_), ChangeKind::Delete) => hub.delete_device(&id),
            (Some(twin), ChangeKind::TagAndDownlink) => patch(json!({
                "tags": {"lorawan": self.tags(Scope::One(0), twin, secrets)},
                "properties": {"desired": self.downlink(Form::Push, twin)},
            })),
            (Some(twin), ChangeKind::Downlink(form)) => {
                patch(json!({"properties": {"desired": self.downlink(form, twin)}}))
            }
            (Some(_), ChangeKind::NoDownlink) => {
                patch(json!({"properties": {"desired": {"rawDownlink": null, "interval": self.number}}}))
            }
            (Some(_), ChangeKind::Desired) => patch(json!({"properties": {"desired": {"interval": self.number}}})),
            (Some(twin), ChangeKind::Tags(scope)) => {
                patch(json!({"tags": {"lorawan": self.tags(scope, twin, secrets)}}))
            }
            (Some(twin), ChangeKind::WrongTag(wrong)) => {
                let mut tags = self.tags(Scope::All, twin, secrets);
                tags::spoil(&mut tags, wrong);
                patch(json!({"tags": {"lorawan": tags}}))
            }
            (Some(twin), ChangeKind::Create { .. }) => {
                patch(json!({"tags": {"lorawan": self.tags(Scope::All, twin, secrets)}}))
            }
        }
    }

    /// Of a device that has no tags yet, all.
    fn tags(&self, scope: Scope, twin: &Value, secrets: &Secrets) -> Value {
        let (changing, is_tagged) = (tags::changing(self.number, secrets), twin["tags"]["lorawan"].is_object());
        match scope {
            Scope::One(index) if is_tagged => {
                changing.into_iter().skip(index).take(1).map(|(name, value)| (name.to_owned(), value)).collect()
            }
            Scope::All if is_tagged => changing.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            Scope::One(_) | Scope::All => tags::whole(self.device, self.number, self.has_own_euis(), secrets),
        }
    }

    fn has_own_euis(&self) -> bool {
        if let ChangeKind::Create { has_own_euis, .. } = self.kind {
            has_own_euis
        } else {
            self.number.is_multiple_of(2)
        }
    }

    /// `framePayload` is the change's number.
    fn downlink(&self, form: Form, twin: &Value) -> Value {
        let frame = format!("{:08X}", self.number);
        let is_complete = twin["properties"]["desired"]["rawDownlink"]["fPort"].is_number();
        let raw = match form {
            Form::Partial if is_complete => json!({"framePayload": frame}),
            Form::Push | Form::Partial => json!({"fPort": 15, "framePayload": frame, "operation": "push"}),
            Form::Replace => json!({"fPort": 16, "framePayload": frame, "operation": "replace", "priority": "HIGH"}),
        };
        json!({"rawDownlink": raw})
    }

    fn whole_twin(&self, secrets: &Secrets) -> Value {
        let (is_tagged, has_downlink) = match self.kind {
            ChangeKind::Create { is_tagged, has_downlink, .. } => (is_tagged, has_downlink),
            ChangeKind::Downlink(_) | ChangeKind::TagAndDownlink => (true, true),
            ChangeKind::NoDownlink
            | ChangeKind::Desired
            | ChangeKind::Tags(_)
            | ChangeKind::WrongTag(_)
            | ChangeKind::Delete => (true, false),
        };
        let mut twin = json!({"tags": {"site": self.number}, "properties": {"desired": {"interval": self.number}}});
        if is_tagged {
            twin["tags"]["lorawan"] = tags::whole(self.device, self.number, self.has_own_euis(), secrets);
        }
        if has_downlink {
            twin["properties"]["desired"] = self.downlink(Form::Push, &Value::Null);
        }
        twin
    }
}

#[cfg(test)]
mod tests {
    use super::super::asks::Asks;
    use super::*;
    use crate::event_hub::EventHub;
    use crate::iot_hub::Options;

    #[tokio::test]
    async fn every_change_causes_one_event_that_asks_for_what_it_says() {
        let event_hub = EventHub::new("events", 1);
        let hub = IotHub::start(Options::new(event_hub.clone()).unwrap()).await.unwrap();
        let secrets = Secrets::new(1);
        let create = ChangeKind::Create { is_tagged: false, has_own_euis: true, has_downlink: false };
        let kinds = [
            (create, false, None),
            (ChangeKind::Tags(Scope::One(1)), true, None),
            (ChangeKind::Downlink(Form::Push), false, Some(3)),
            (ChangeKind::Downlink(Form::Partial), false, Some(4)),
            (ChangeKind::NoDownlink, false, None),
            (ChangeKind::TagAndDownlink, true, Some(6)),
            (ChangeKind::WrongTag(Invalid::Key), true, None),
            (ChangeKind::Delete, false, None),
            (ChangeKind::Downlink(Form::Replace), true, Some(9)),
        ];
        for ((number, (kind, has_tags, downlink)), sequence_number) in (1..).zip(kinds).zip(0..) {
            Change { number, device: 3, kind }.apply(&hub, &secrets).unwrap();
            let event = event_hub.read(0, sequence_number, 9).remove(0).data;
            let asks = Asks::of(&event.properties, &serde_json::from_slice(&event.body).unwrap()).unwrap();
            assert_eq!((asks.tags, asks.downlink.map(|wanted| wanted.number)), (has_tags, downlink), "{kind:?}");
            assert_eq!(asks.is_deletion, kind == ChangeKind::Delete);
        }
        assert_eq!(event_hub.next_sequence_number(0), 9);
    }

    #[test]
    fn changes_follow_from_the_seed() {
        let draw = |seed| Change::draw(1, 1000, &mut fastrand::Rng::with_seed(seed));
        assert_eq!(draw(7), draw(7));
        assert!((0..100).any(|seed| draw(seed) != draw(7)));
    }
}
