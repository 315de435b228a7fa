//! Packets and bytes, against the standard and against each other.

use proptest::prelude::*;

use crate::iot_hub::mqtt::decode;
use crate::iot_hub::mqtt::packet::{Connect, ConnectCode, DecodeError, Packet, Publish, Qos};

const MOST: usize = 1 << 20;

fn whole(bytes: &[u8]) -> Result<Packet, DecodeError> {
    decode(bytes, MOST).map(|decoded| {
        let (packet, length) = decoded.expect("a whole packet");
        assert_eq!(length, bytes.len());
        packet
    })
}

#[test]
fn packets_are_on_the_wire_what_the_standard_says() {
    let connect = Connect {
        client_id: "d".to_owned(),
        clean_session: true,
        keep_alive: 60,
        user_name: Some("u".to_owned()),
        password: Some(vec![0xff]),
        will: None,
    };
    let publish = Publish {
        topic: "a/b".to_owned(),
        payload: b"x".to_vec(),
        qos: Qos::AtLeastOnce,
        packet_id: 10,
        retain: true,
        duplicate: true,
    };
    let filter = || "#".to_owned();
    let code = ConnectCode::NotAuthorized;
    let table: [(Packet, &[u8]); 11] = [
        (Packet::Connect(connect), b"\x10\x13\0\x04MQTT\x04\xc2\0\x3c\0\x01d\0\x01u\0\x01\xff"),
        (Packet::ConnAck { session_present: false, code }, b"\x20\x02\0\x05"),
        (Packet::Publish(publish), b"\x3b\x08\0\x03a/b\0\x0ax"),
        (Packet::PubAck(258), b"\x40\x02\x01\x02"),
        (Packet::Subscribe { packet_id: 1, filters: vec![(filter(), 1)] }, b"\x82\x06\0\x01\0\x01#\x01"),
        (Packet::SubAck { packet_id: 1, codes: vec![1, 0x80] }, b"\x90\x04\0\x01\x01\x80"),
        (Packet::Unsubscribe { packet_id: 1, filters: vec![filter()] }, b"\xa2\x05\0\x01\0\x01#"),
        (Packet::UnsubAck(1), b"\xb0\x02\0\x01"),
        (Packet::PingReq, b"\xc0\0"),
        (Packet::PingResp, b"\xd0\0"),
        (Packet::Disconnect, b"\xe0\0"),
    ];
    for (packet, bytes) in table {
        assert_eq!(packet.encode(), bytes, "{packet:?}");
        assert_eq!(whole(bytes).as_ref(), Ok(&packet));
    }
}

#[test]
fn what_the_standard_or_the_hub_forbids_is_not_read() {
    let table: [(&str, &[u8]); 20] = [
        ("reserved kind", b"\0\0"),
        ("reserved kind 15", b"\xf0\0"),
        ("the first letter of HTTP", b"G"),
        ("flags of a ping", b"\xc1\0"),
        ("flags of a subscription", b"\x80\x06\0\x01\0\x01#\x01"),
        ("a ping with a body", b"\xc0\x01\0"),
        ("five bytes of length", b"\x30\xff\xff\xff\xff"),
        ("a text longer than its packet", b"\x30\x03\0\x09a"),
        ("text that is not UTF-8", b"\x30\x03\0\x01\xff"),
        ("a null in a text", b"\x30\x03\0\x01\0"),
        ("an empty topic", b"\x30\x02\0\0"),
        ("a topic with a wildcard", b"\x30\x03\0\x01#"),
        ("quality of service 2", b"\x34\x05\0\x01a\0\x01"),
        ("packet identifier 0", b"\x32\x05\0\x01a\0\0"),
        ("a duplicate of what is sent once", b"\x38\x03\0\x01a"),
        ("no filter", b"\x82\x02\0\x01"),
        ("quality of service 3", b"\x82\x06\0\x01\0\x01#\x03"),
        ("another protocol", b"\x10\x0d\0\x04HTTP\x04\x02\0\0\0\x01d"),
        ("a reserved connect flag", b"\x10\x0d\0\x04MQTT\x04\x03\0\0\0\x01d"),
        ("a password without a user", b"\x10\x10\0\x04MQTT\x04\x42\0\0\0\x01d\0\x01p"),
    ];
    for (name, bytes) in table {
        assert!(matches!(decode(bytes, MOST), Err(DecodeError::Malformed(_))), "{name}");
    }
    assert!(matches!(decode(b"\x30\x81\x01", 128), Err(DecodeError::Malformed("packet too large"))));
}

#[test]
fn another_version_is_told_from_what_is_no_mqtt() {
    let table: [(&[u8], u8); 2] =
        [(b"\x10\x0e\0\x04MQTT\x05\x02\0\0\0\0\x01d", 5), (b"\x10\x0f\0\x06MQIsdp\x03\x02\0\0\0\x01d", 3)];
    for (bytes, level) in table {
        assert_eq!(decode(bytes, MOST), Err(DecodeError::ProtocolLevel(level)));
    }
}

fn qos() -> impl Strategy<Value = Qos> {
    prop_oneof![Just(Qos::AtMostOnce), Just(Qos::AtLeastOnce)]
}

fn publish() -> impl Strategy<Value = Publish> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        // Around the steps in the length of the length.
        (16_370..16_390_usize).prop_map(|length| vec![7; length]),
    ];
    ("[a-z$/é]{1,9}", payload, qos(), 1..=u16::MAX, any::<bool>(), any::<bool>()).prop_map(
        |(topic, payload, qos, packet_id, retain, duplicate)| {
            let is_acknowledged = qos == Qos::AtLeastOnce;
            let packet_id = if is_acknowledged { packet_id } else { 0 };
            Publish { topic, payload, qos, packet_id, retain, duplicate: duplicate && is_acknowledged }
        },
    )
}

fn connect() -> impl Strategy<Value = Connect> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let will = publish().prop_map(|publish| Publish { packet_id: 0, duplicate: false, ..publish });
    let credentials = prop::option::of(("[ -~]{0,40}", prop::option::of(bytes())));
    ("[ -~]{0,20}", any::<bool>(), any::<u16>(), prop::option::of(will), credentials).prop_map(
        |(client_id, clean_session, keep_alive, will, credentials)| {
            let (user_name, password) = credentials.map_or((None, None), |(user, password)| (Some(user), password));
            Connect { client_id, clean_session, keep_alive, will, user_name, password }
        },
    )
}

fn packet() -> impl Strategy<Value = Packet> {
    let id = || 1..=u16::MAX;
    let filters = prop::collection::vec(("[a-z#+/]{1,9}", 0..=2_u8), 1..4);
    let names = prop::collection::vec("[a-z#+/]{1,9}", 1..4);
    prop_oneof![
        connect().prop_map(Packet::Connect),
        publish().prop_map(Packet::Publish),
        id().prop_map(Packet::PubAck),
        (id(), filters).prop_map(|(packet_id, filters)| Packet::Subscribe { packet_id, filters }),
        (id(), prop::collection::vec(any::<u8>(), 1..4))
            .prop_map(|(packet_id, codes)| Packet::SubAck { packet_id, codes }),
        (id(), names).prop_map(|(packet_id, filters)| Packet::Unsubscribe { packet_id, filters }),
        id().prop_map(Packet::UnsubAck),
        Just(Packet::Disconnect),
    ]
}

proptest! {
    #[test]
    fn every_packet_is_read_as_it_was_written_and_not_before_it_is_whole(
        packet in packet(), cut in any::<prop::sample::Index>(), behind in prop::collection::vec(any::<u8>(), 0..5),
    ) {
        let mut bytes = packet.encode();
        let length = bytes.len();
        prop_assert_eq!(decode(&bytes[..cut.index(length)], MOST), Ok(None));
        bytes.extend(behind);
        prop_assert_eq!(decode(&bytes, MOST), Ok(Some((packet, length))));
    }

    #[test]
    fn whatever_is_read_from_any_bytes_is_written_alike(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(Some((packet, length))) = decode(&bytes, MOST) {
            // Lengths can be written in more bytes than they need.
            prop_assert_eq!(decode(&packet.encode(), MOST).unwrap().unwrap().0, packet);
            prop_assert!(length <= bytes.len());
        }
    }
}
