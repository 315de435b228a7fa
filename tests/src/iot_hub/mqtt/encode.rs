//! Packets to bytes.

use super::packet::{Connect, Packet, Publish, Qos};

/// The most four digits of seven bits can say.
const LONGEST: usize = 0x0fff_ffff;

impl Packet {
    /// The packet as it goes on the wire. Texts of more than 65,535 bytes are cut there: nobody here sends any.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let head = match self {
            Self::Connect(connect) => write_connect(&mut body, connect),
            Self::ConnAck { session_present, code } => {
                body.extend([u8::from(*session_present), code.number()]);
                0x20
            }
            Self::Publish(publish) => write_publish(&mut body, publish),
            Self::PubAck(packet_id) => write_packet_id(&mut body, *packet_id, 0x40),
            Self::Subscribe { packet_id, filters } => {
                write_packet_id(&mut body, *packet_id, 0);
                for (filter, qos) in filters {
                    write_bytes(&mut body, filter.as_bytes());
                    body.push(*qos);
                }
                0x82
            }
            Self::SubAck { packet_id, codes } => {
                write_packet_id(&mut body, *packet_id, 0);
                body.extend(codes);
                0x90
            }
            Self::Unsubscribe { packet_id, filters } => {
                write_packet_id(&mut body, *packet_id, 0);
                filters.iter().for_each(|filter| write_bytes(&mut body, filter.as_bytes()));
                0xa2
            }
            Self::UnsubAck(packet_id) => write_packet_id(&mut body, *packet_id, 0xb0),
            Self::PingReq => 0xc0,
            Self::PingResp => 0xd0,
            Self::Disconnect => 0xe0,
        };
        framed(head, &body)
    }
}

fn framed(head: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![head];
    let mut length = body.len().min(LONGEST);
    loop {
        let digit = u8::try_from(length & 0x7f).unwrap_or_default();
        length >>= 7;
        bytes.push(if length > 0 { digit | 0x80 } else { digit });
        if length == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

fn write_connect(body: &mut Vec<u8>, connect: &Connect) -> u8 {
    let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    let will = connect.will.as_ref();
    let flags = flag(connect.clean_session, 0x02)
        | flag(will.is_some(), 0x04)
        | flag(will.is_some_and(|will| will.qos == Qos::AtLeastOnce), 0x08)
        | flag(will.is_some_and(|will| will.retain), 0x20)
        | flag(connect.password.is_some(), 0x40)
        | flag(connect.user_name.is_some(), 0x80);
    write_bytes(body, b"MQTT");
    body.extend([4, flags]);
    body.extend(connect.keep_alive.to_be_bytes());
    write_bytes(body, connect.client_id.as_bytes());
    if let Some(will) = will {
        write_bytes(body, will.topic.as_bytes());
        write_bytes(body, &will.payload);
    }
    if let Some(user_name) = &connect.user_name {
        write_bytes(body, user_name.as_bytes());
    }
    if let Some(password) = &connect.password {
        write_bytes(body, password);
    }
    0x10
}

fn write_publish(body: &mut Vec<u8>, publish: &Publish) -> u8 {
    write_bytes(body, publish.topic.as_bytes());
    let is_acknowledged = publish.qos == Qos::AtLeastOnce;
    if is_acknowledged {
        body.extend(publish.packet_id.to_be_bytes());
    }
    body.extend(&publish.payload);
    0x30 | u8::from(publish.duplicate) << 3 | u8::from(is_acknowledged) << 1 | u8::from(publish.retain)
}

fn write_packet_id(body: &mut Vec<u8>, packet_id: u16, head: u8) -> u8 {
    body.extend(packet_id.to_be_bytes());
    head
}

fn write_bytes(body: &mut Vec<u8>, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    body.extend(length.to_be_bytes());
    body.extend(&bytes[..usize::from(length)]);
}
