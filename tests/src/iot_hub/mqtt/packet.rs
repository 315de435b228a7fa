//! The packets of MQTT 3.1.1 that IoT Hub knows: nothing of quality of service 2.

/// How often a message may arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Qos {
    AtMostOnce,
    AtLeastOnce,
}

/// One control packet, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packet {
    Connect(Connect),
    ConnAck {
        session_present: bool,
        code: ConnectCode,
    },
    Publish(Publish),
    PubAck(u16),
    Subscribe {
        packet_id: u16,
        /// Filters with the quality asked for: 0, 1 or 2.
        filters: Vec<(String, u8)>,
    },
    SubAck {
        packet_id: u16,
        /// The quality granted, or 0x80.
        codes: Vec<u8>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    UnsubAck(u16),
    PingReq,
    PingResp,
    Disconnect,
}

/// Who connects, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Connect {
    pub(crate) client_id: String,
    pub(crate) clean_session: bool,
    /// Seconds; 0 is never.
    pub(crate) keep_alive: u16,
    pub(crate) will: Option<Publish>,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<Vec<u8>>,
}

/// A message under a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: Qos,
    /// With [`Qos::AtLeastOnce`] only, and never 0 there; a will has none.
    pub(crate) packet_id: u16,
    pub(crate) retain: bool,
    pub(crate) duplicate: bool,
}

/// What a server says to a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectCode {
    Accepted,
    UnacceptableProtocol,
    IdentifierRejected,
    ServerUnavailable,
    BadUserNameOrPassword,
    NotAuthorized,
}

impl ConnectCode {
    const ALL: [Self; 6] = [
        Self::Accepted,
        Self::UnacceptableProtocol,
        Self::IdentifierRejected,
        Self::ServerUnavailable,
        Self::BadUserNameOrPassword,
        Self::NotAuthorized,
    ];

    /// The byte on the wire.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Why bytes are not a packet; the connection ends either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// Another version of MQTT, which must be told so.
    #[error("protocol level {0}")]
    ProtocolLevel(u8),
    #[error("{0}")]
    Malformed(&'static str),
}
