use serde_json::json;

use super::super::super::books::{Fate, Subject};
use super::super::super::queues::{Held, Queue};
use super::super::super::secrets::Secrets;
use super::super::reckoning::BothSides;
use super::super::tags;
use super::*;
use crate::tts::{AcceptedDownlinks, RegisteredDevice};

/// Sends events of one device.
struct Run {
    account: Account,
    events: u32,
    version: u64,
}

impl Run {
    /// With a device without tags.
    fn new() -> Self {
        let mut run = Self { account: Account::default(), events: 0, version: 1 };
        run.send("createDeviceIdentity", &json!({}));
        run
    }

    fn send(&mut self, operation: &str, body: &Value) -> u32 {
        let event = self.events;
        self.events += 1;
        let properties = json!({"deviceId": "dev-00007", "opType": operation, "operationTimestamp": event.to_string()});
        let place = (0, i64::from(event));
        let (number, _) = self.account.sent(properties.as_object().unwrap(), body, place).unwrap();
        assert_eq!(number, event);
        event
    }

    /// A downlink that bears its event's number.
    fn want(&mut self) -> u32 {
        self.version += 1;
        let raw = json!({"fPort": 15, "framePayload": format!("{:08X}", self.events)});
        self.send("updateTwin", &json!({"properties": {"desired": {"rawDownlink": raw, "$version": self.version}}}))
    }

    /// What is wrong with a push of an event's downlink.
    fn push(&mut self, event: u32, queue: &[u32]) -> Option<&'static str> {
        self.accept(event, queue, false)
    }

    fn accept(&mut self, event: u32, queue: &[u32], is_replace: bool) -> Option<&'static str> {
        let downlink = |event: u32| {
            let version = self.account.log[event as usize].asks.downlink.unwrap().version;
            let frame = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, event.to_be_bytes());
            json!({"frm_payload": frame, "correlation_ids": [format!("azure:desired:{version}")]})
        };
        let queue: Vec<_> = queue.iter().copied().map(downlink).collect();
        let accepted = AcceptedDownlinks {
            application_id: "plant-a",
            device_id: "dev-00007",
            downlinks: &[],
            queue_before: &queue,
            is_replace,
            arrived: Instant::now(),
            is_answered: true,
        };
        let downlink = downlink(event);
        self.account.accepted(7, &downlink, &accepted).wrong.map(|(kind, _)| kind)
    }

    fn tag(&mut self) -> u32 {
        self.send("updateTwin", &json!({"tags": {"lorawan": {"devEui": "70B3D57ED0000001"}}}))
    }

    /// Deletes the device, whose twin says this of its registration.
    fn delete(&mut self, status: &Value) -> u32 {
        let lorawan = json!({"devEui": "70B3D57ED0000001"});
        self.send("deleteDeviceIdentity", &json!({"tags": {"lorawan": lorawan, "lorawanStatus": status}}))
    }

    fn fates(&mut self, held: &Held) -> Vec<Fate> {
        self.fates_with(&json!({"site": 1}), None, held)
    }

    fn fates_with(&mut self, tags: &Value, device: Option<RegisteredDevice>, held: &Held) -> Vec<Fate> {
        let both = HashMap::from([(7, BothSides { twin: Some(json!({"tags": tags})), device })]);
        self.account.reckon(&both, held).0
    }
}

#[test]
fn a_downlink_is_accepted_once_and_in_order() {
    let mut run = Run::new();
    let (first, second) = (run.want(), run.want());
    assert_eq!(run.push(second, &[]), None);
    assert_eq!(run.push(first, &[second]), Some("reordered"));
    assert_eq!(run.push(second, &[second, first]), Some("doubled"), "it was in the queue");
    assert_eq!(run.push(second, &[first]), None, "the device had taken it");
    assert_eq!(run.accept(second, &[second], true), None, "the device gets it once");
    let Downlinks { accepted, doubled_in_window, replaced_again, .. } = run.account.downlinks;
    assert_eq!((accepted, doubled_in_window, replaced_again), (2, 1, 1));
}

#[test]
fn a_late_downlink_may_come_behind_one_that_was_wanted_after_it_had_looked() {
    let mut run = Run::new();
    let first = run.want();
    run.account.twin_read(7, Instant::now());
    let second = run.want();
    assert_eq!(run.push(second, &[]), None);
    assert_eq!(run.push(first, &[second]), None);
    assert_eq!(run.account.downlinks.raced, 1);
}

#[test]
fn a_downlink_refused_before_the_handler_died_may_come_behind_newer_ones_the_device_has_taken() {
    for (dies, is_queued, expected) in
        [(true, false, None), (true, true, Some("reordered")), (false, false, Some("reordered"))]
    {
        let mut run = Run::new();
        let (first, second) = (run.want(), run.want());
        assert_eq!(run.push(second, &[]), None);
        run.account.last_death = dies.then(Instant::now);
        let queue = if is_queued { vec![second] } else { Vec::new() };
        assert_eq!(run.push(first, &queue), expected, "{dies} {is_queued}");
    }
}

#[test]
fn a_downlink_not_accepted_is_lost_unless_it_waits_or_has_waited_while_a_newer_one_came() {
    let mut run = Run::new();
    let (dropped, overtaken, parked, last) = (run.want(), run.want(), run.want(), run.want());
    for event in [overtaken, parked] {
        run.account.kept(event);
    }
    assert_eq!(run.push(last, &[]), None);
    let mut held = Held::default();
    held.add(Subject::HubEvent(parked), Queue::Parked);
    let fates = run.fates(&held);
    let of = [dropped, overtaken, parked, last].map(|event| fates[event as usize]);
    assert_eq!(of, [Fate::Lost, Fate::Overtaken, Fate::Parked, Fate::Delivered]);
}

#[test]
fn a_deletion_excuses_only_what_was_not_handled_before() {
    let mut run = Run::new();
    let (before, after) = (run.want(), run.want());
    run.account.read_up_to = vec![i64::from(after)];
    run.delete(&json!({}));
    let fates = run.fates(&Held::default());
    assert_eq!([before, after].map(|event| fates[event as usize]), [Fate::Lost, Fate::Overtaken]);
}

#[test]
fn what_was_wanted_of_a_device_before_it_had_tags_goes_with_the_queue_of_the_one_before_it() {
    let mut run = Run::new();
    let (untagged, _) = (run.want(), run.tag());
    let tagged = run.want();
    assert_eq!((run.push(untagged, &[]), run.push(tagged, &[untagged])), (None, None));
    run.account.queue_gone(7);
    let fates = run.fates(&Held::default());
    assert_eq!([untagged, tagged].map(|event| fates[event as usize]), [Fate::Delivered, Fate::Lost]);
}

#[test]
fn what_was_wanted_of_a_device_without_tags_may_be_taken_for_a_downlink_of_the_one_whose_deletion_waits() {
    for (deletion_waits, is_tagged, expected) in
        [(true, false, Fate::Overtaken), (false, false, Fate::Lost), (true, true, Fate::Lost)]
    {
        let mut run = Run::new();
        run.tag();
        let deletion = run.delete(&json!({"applied": "key:a"}));
        if deletion_waits {
            run.account.kept(deletion);
        }
        run.send("createDeviceIdentity", &json!({}));
        if is_tagged {
            run.tag();
        }
        let wanted = run.want();
        let fates = run.fates(&Held::default());
        assert_eq!(fates[wanted as usize], expected, "{deletion_waits} {is_tagged}");
    }
}

#[test]
fn what_an_older_replacement_or_a_late_deletion_takes_from_the_queue_must_come_again() {
    for is_replaced in [true, false] {
        let mut run = Run::new();
        run.tag();
        let (first, second) = (run.want(), run.want());
        assert_eq!((run.push(first, &[]), run.push(second, &[first])), (None, None));
        if is_replaced {
            run.accept(first, &[first, second], true);
        } else {
            run.account.taken(&json!({"frm_payload": "AAAAAg=="}));
            run.account.queue_gone(7);
        }
        let fates = run.fates(&Held::default());
        assert_eq!([first, second].map(|event| fates[event as usize]), [Fate::Delivered, Fate::Lost]);
        assert_eq!(run.push(second, &[]), None);
        assert_eq!(run.fates(&Held::default())[second as usize], Fate::Delivered);
    }
}

#[test]
fn a_device_that_is_to_be_gone_and_is_not_is_lost_unless_its_deletion_waits() {
    let (registered, refused) = (json!({"state": "refused", "applied": "key:a"}), json!({"state": "refused"}));
    for (status, earlier_waits, expected) in [
        (&registered, false, Fate::Lost),
        (&registered, true, Fate::Lost),
        (&refused, false, Fate::Lost),
        // What is there is the former device, whose own deletion was cut short.
        (&refused, true, Fate::Delivered),
    ] {
        let mut run = Run::new();
        run.tag();
        let earlier = run.delete(&registered);
        run.send("createDeviceIdentity", &json!({}));
        run.tag();
        let last = run.delete(status);
        let mut held = Held::default();
        if earlier_waits {
            held.add(Subject::HubEvent(earlier), Queue::Parked);
        }
        let left = RegisteredDevice { identity: Some(json!({})), ..RegisteredDevice::default() };
        let fates = run.fates_with(&json!({"site": 1}), Some(left), &held);
        assert_eq!(fates[last as usize], expected, "{status}, an earlier one waits: {earlier_waits}");
    }
}

#[test]
fn a_device_may_wait_for_an_earlier_event_whose_repetition_failed() {
    let tags = tags::whole(7, 5, true, &Secrets::new(1));
    let cases = [
        ("waiting", Some(Queue::Parked), None, Fate::Delivered),
        ("refused", Some(Queue::DeadLetter), None, Fate::Delivered),
        ("waiting", None, None, Fate::Lost),
        ("waiting", Some(Queue::DeadLetter), None, Fate::Lost),
        ("refused", None, None, Fate::Lost),
        ("registered", Some(Queue::Parked), Some("Device 4"), Fate::Delivered),
        ("registered", Some(Queue::DeadLetter), Some("Device 4"), Fate::Lost),
    ];
    let of_both = cases.into_iter().flat_map(|case| [(false, case), (true, case)]);
    for (is_deletion, (state, earlier_is_in, other_name, expected)) in of_both {
        let mut run = Run::new();
        let (earlier, last) = if is_deletion {
            let earlier = run.delete(&json!(null));
            run.send("createDeviceIdentity", &json!({}));
            (earlier, run.tag())
        } else {
            (run.tag(), run.tag())
        };
        let mut held = Held::default();
        if let Some(queue) = earlier_is_in {
            held.add(Subject::HubEvent(earlier), queue);
        }
        let mut device = registered(&tags);
        if let (Some(name), Some(identity)) = (other_name, &mut device.identity) {
            identity["name"] = name.into();
        }
        let fates = run.fates_with(&json!({"lorawan": tags, "lorawanStatus": {"state": state}}), Some(device), &held);
        assert_eq!(fates[last as usize], expected, "{state}, {earlier_is_in:?}, {other_name:?}");
    }
}

/// A device that is as its tags say.
fn registered(tags: &Value) -> RegisteredDevice {
    let ids = json!({"dev_eui": tags["devEui"], "join_eui": tags["joinEui"]});
    let keys = json!({"app_key": {"key": tags["appKey"]}, "nwk_key": {"key": tags["nwkKey"]}});
    let network = json!({
        "ids": ids, "frequency_plan_id": tags["frequencyPlanId"], "lorawan_version": "MAC_V1_1",
        "supports_class_c": tags["supportsClassC"],
    });
    RegisteredDevice {
        identity: Some(json!({"ids": ids, "name": tags["name"]})),
        join: Some(json!({"ids": ids, "root_keys": keys})),
        network: Some(network),
        application: Some(json!({"ids": ids})),
        ..RegisteredDevice::default()
    }
}
