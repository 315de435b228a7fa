//! Bytes to packets. Strict: whatever the standard calls malformed is, and so is quality of service 2.

use super::packet::{Connect, ConnectCode, DecodeError, Packet, Publish, Qos};

/// 3.1.1.
const PROTOCOL_LEVEL: u8 = 4;

type Result<T> = std::result::Result<T, DecodeError>;

fn malformed<T>(why: &'static str) -> Result<T> {
    Err(DecodeError::Malformed(why))
}

/// The first packet of the bytes and how many bytes it has; `None` if there are not enough of them yet.
pub(crate) fn decode(bytes: &[u8], most: usize) -> Result<Option<(Packet, usize)>> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    // At once, so that whoever speaks something else does not wait for an answer.
    if !matches!((first >> 4, first & 0x0f), (1 | 2 | 4 | 9 | 11..=14, 0) | (3, _) | (8 | 10, 2)) {
        return malformed("a kind of packet or flags that are not known");
    }
    let Some((length, digits)) = remaining_length(rest)? else { return Ok(None) };
    if length > most {
        return malformed("packet too large");
    }
    let Some(body) = rest[digits..].get(..length) else { return Ok(None) };
    let mut reader = Reader(body);
    let packet = packet(first >> 4, first & 0x0f, &mut reader)?;
    if !reader.0.is_empty() {
        return malformed("bytes behind the packet's end");
    }
    Ok(Some((packet, 1 + digits + length)))
}

/// Seven bits a byte, at most four bytes.
fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let mut length = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((length, index + 1)));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { malformed("remaining length of more than four bytes") }
}

fn packet(kind: u8, flags: u8, reader: &mut Reader<'_>) -> Result<Packet> {
    match (kind, flags) {
        (1, 0) => connect(reader),
        (2, 0) => connack(reader),
        (3, _) => publish(flags, reader),
        (4, 0) => reader.packet_id().map(Packet::PubAck),
        (8, 2) => {
            let packet_id = reader.packet_id()?;
            let filters = reader.list(|reader| Ok((reader.filter()?, reader.requested_qos()?)))?;
            Ok(Packet::Subscribe { packet_id, filters })
        }
        (9, 0) => Ok(Packet::SubAck { packet_id: reader.packet_id()?, codes: reader.list(Reader::byte)? }),
        (10, 2) => Ok(Packet::Unsubscribe { packet_id: reader.packet_id()?, filters: reader.list(Reader::filter)? }),
        (11, 0) => reader.packet_id().map(Packet::UnsubAck),
        (12, 0) => Ok(Packet::PingReq),
        (13, 0) => Ok(Packet::PingResp),
        (14, 0) => Ok(Packet::Disconnect),
        _ => malformed("a kind of packet that is not known"),
    }
}

fn connect(reader: &mut Reader<'_>) -> Result<Packet> {
    let name = reader.bytes()?;
    let level = reader.byte()?;
    if (name, level) != (b"MQTT", PROTOCOL_LEVEL) {
        if !matches!(name, b"MQTT" | b"MQIsdp") {
            return malformed("not MQTT");
        }
        return Err(DecodeError::ProtocolLevel(level));
    }
    let flags = reader.byte()?;
    let has = |bit: u8| flags & bit != 0;
    if has(0x01) || (has(0x40) && !has(0x80)) || (!has(0x04) && flags & 0x38 != 0) {
        return malformed("connect flags");
    }
    let keep_alive = reader.number()?;
    let client_id = reader.text()?;
    let will = if has(0x04) { Some(will(flags, reader)?) } else { None };
    let user_name = if has(0x80) { Some(reader.text()?) } else { None };
    let password = if has(0x40) { Some(reader.bytes()?.to_vec()) } else { None };
    Ok(Packet::Connect(Connect { client_id, clean_session: has(0x02), keep_alive, will, user_name, password }))
}

fn will(flags: u8, reader: &mut Reader<'_>) -> Result<Publish> {
    let qos = qos(flags >> 3 & 0x03)?;
    let (topic, payload) = (reader.topic()?, reader.bytes()?.to_vec());
    Ok(Publish { topic, payload, qos, packet_id: 0, retain: flags & 0x20 != 0, duplicate: false })
}

fn connack(reader: &mut Reader<'_>) -> Result<Packet> {
    let session_present = match reader.byte()? {
        flag @ (0 | 1) => flag == 1,
        _ => return malformed("acknowledge flags"),
    };
    match ConnectCode::from_number(reader.byte()?) {
        Some(code) => Ok(Packet::ConnAck { session_present, code }),
        None => malformed("return code"),
    }
}

fn publish(flags: u8, reader: &mut Reader<'_>) -> Result<Packet> {
    let qos = qos(flags >> 1 & 0x03)?;
    let duplicate = flags & 0x08 != 0;
    if duplicate && qos == Qos::AtMostOnce {
        return malformed("a duplicate of what is sent once");
    }
    let topic = reader.topic()?;
    let packet_id = if qos == Qos::AtMostOnce { 0 } else { reader.packet_id()? };
    let payload = std::mem::take(&mut reader.0).to_vec();
    Ok(Packet::Publish(Publish { topic, payload, qos, packet_id, retain: flags & 0x01 != 0, duplicate }))
}

fn qos(bits: u8) -> Result<Qos> {
    match bits {
        0 => Ok(Qos::AtMostOnce),
        1 => Ok(Qos::AtLeastOnce),
        _ => malformed("quality of service 2 or 3"),
    }
}

/// What is left of a packet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else { return malformed("packet too short") };
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Result<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn packet_id(&mut self) -> Result<u16> {
        match self.number()? {
            0 => malformed("packet identifier 0"),
            id => Ok(id),
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::from(length))
    }

    fn text(&mut self) -> Result<String> {
        match std::str::from_utf8(self.bytes()?) {
            Ok(text) if !text.contains('\0') => Ok(text.to_owned()),
            Ok(_) | Err(_) => malformed("a text that is not UTF-8 or has a null in it"),
        }
    }

    fn topic(&mut self) -> Result<String> {
        let topic = self.text()?;
        if topic.is_empty() || topic.contains(['+', '#']) { malformed("topic name") } else { Ok(topic) }
    }

    fn filter(&mut self) -> Result<String> {
        let filter = self.text()?;
        if filter.is_empty() { malformed("empty topic filter") } else { Ok(filter) }
    }

    fn requested_qos(&mut self) -> Result<u8> {
        match self.byte()? {
            qos @ 0..=2 => Ok(qos),
            _ => malformed("requested quality of service"),
        }
    }

    /// One at least, to the packet's end.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while !self.0.is_empty() {
            items.push(item(self)?);
        }
        Ok(items)
    }
}
