//! One connection from its CONNECT to its end.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::packet::{Connect, ConnectCode, DecodeError, Packet};
use super::session::Session;
use super::sessions::Seat;
use super::spoil::Spoil;
use super::stream::{PacketStream, ReadError};
use super::topic::Request;
use super::{provisioning, telemetry, user_name};
use crate::iot_hub::access::Claim;
use crate::iot_hub::clock;
use crate::iot_hub::faults::Operation;
use crate::iot_hub::hub::Hub;
use crate::iot_hub::sas::Token;

/// How long a client may take for its handshake, and then for its CONNECT.
pub(crate) const FIRST_PACKET: Duration = Duration::from_secs(30);

/// A client's side of the wire.
pub(crate) type Stream = PacketStream<TlsStream<TcpStream>>;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The client said so: its will is void.
    Disconnected,
    /// Anything else.
    Closed,
    /// A fault breaks it.
    Reset,
}

/// Serves one client.
pub(crate) async fn run(hub: &Hub, stream: &mut Stream) -> End {
    let connect = match timeout(FIRST_PACKET, stream.read()).await {
        Ok(Ok(Packet::Connect(connect))) => connect,
        Ok(Err(ReadError::Decode(DecodeError::ProtocolLevel(level)))) => return reject_level(hub, stream, level).await,
        Ok(_) | Err(_) => return End::Closed,
    };
    if provisioning::is_for_provisioning(&connect) {
        return provisioning::run(hub, stream, &connect).await;
    }
    let number = hub.mqtt.log.arrived(&connect.client_id, Operation::MqttConnect);
    let spoil = Spoil::take(hub, Operation::MqttConnect, &connect.client_id, None);
    if let Err(end) = spoil.before().await {
        return end;
    }
    match admit(hub, &connect, &spoil).await {
        Ok(guest) => serve(hub, stream, &connect, guest, (&spoil, number)).await,
        Err(refusal) => {
            hub.mqtt.log.refused(number, Some(refusal.why));
            refuse(hub, stream, &connect.client_id, (number, refusal.code)).await
        }
    }
}

/// Who has been let in.
struct Guest<'a> {
    seat: Seat<'a>,
    scope: &'static str,
    /// Unix seconds: when the token ends, and the connection with it.
    expiry: i64,
}

struct Refusal {
    code: ConnectCode,
    why: String,
}

impl Refusal {
    fn new(code: ConnectCode, why: impl Into<String>) -> Self {
        Self { code, why: why.into() }
    }
}

/// Lets a client in, or says why not. Faults and throttle come first: they do not know who it is.
async fn admit<'a>(hub: &'a Hub, connect: &Connect, spoil: &Spoil) -> Result<Guest<'a>, Refusal> {
    if let Some((status, error_code, message)) = spoil.refusal() {
        let code =
            if matches!(status, 401 | 403) { ConnectCode::NotAuthorized } else { ConnectCode::ServerUnavailable };
        return Err(Refusal::new(code, format!("{error_code}: {message}")));
    }
    match hub.mqtt.connects.turn(Instant::now()) {
        Some(wait) if wait.is_zero() => {}
        Some(wait) => sleep(wait).await,
        None => return Err(Refusal::new(ConnectCode::ServerUnavailable, "too many connections")),
    }
    if connect.client_id.is_empty() {
        return Err(Refusal::new(ConnectCode::IdentifierRejected, "no client id"));
    }
    check(hub, connect).map_err(|why| Refusal::new(ConnectCode::NotAuthorized, why))
}

/// Checks who it says it is, and gives it its place before that can change.
fn check<'a>(hub: &'a Hub, connect: &Connect) -> Result<Guest<'a>, String> {
    let device_id = &connect.client_id;
    let name = connect.user_name.as_deref().ok_or("no user name")?;
    user_name::check(name, device_id, |host| hub.access.is_host(host))?;
    let password = connect.password.as_deref().map(std::str::from_utf8).transpose();
    let token = password.map_err(|_| "the password is not UTF-8")?;
    let path = ["devices".to_owned(), device_id.clone()];
    let claim = Claim { token, method: "CONNECT", path: &path, now: clock::now().unix_timestamp() };
    let registry = hub.registry();
    let identity = registry.get(device_id).map(|device| &device.identity);
    let scope = hub.access.check_device(claim, device_id, identity).map_err(|error| error.to_string())?;
    let expiry = token.and_then(Token::parse).and_then(|token| token.expiry()).ok_or("no expiry")?;
    Ok(Guest { seat: hub.mqtt.sessions.open(device_id, connect.clean_session), scope, expiry })
}

/// Until the client, the hub or a fault ends it.
async fn serve(
    hub: &Hub,
    stream: &mut Stream,
    connect: &Connect,
    guest: Guest<'_>,
    (spoil, number): (&Spoil, usize),
) -> End {
    let Guest { mut seat, scope, expiry } = guest;
    let session_present = seat.session_present;
    let mut session = Session::new(hub, stream, connect, scope);
    // Whoever has lost the place does nothing any more, whatever it has sent.
    let end = tokio::select! {
        biased;
        _ = &mut seat.closed => End::Closed,
        () = until(expiry) => End::Closed,
        end = async {
            match spoil.after().await {
                Ok(()) => session.run((number, session_present), &mut seat.outbox).await,
                Err(end) => end,
            }
        } => end,
    };
    drop(seat);
    if end != End::Disconnected {
        execute_will(hub, connect, scope);
    }
    end
}

async fn until(unix_seconds: i64) {
    let left = OffsetDateTime::from_unix_timestamp(unix_seconds).map(|end| end - clock::now());
    match left.map(Duration::try_from) {
        Ok(Ok(left)) => sleep(left).await,
        // Over already.
        Ok(Err(_)) => {}
        // Later than any calendar knows.
        Err(_) => std::future::pending().await,
    }
}

/// A will is one more message of the device, with a mark; under any other topic it is ignored.
fn execute_will(hub: &Hub, connect: &Connect, scope: &'static str) {
    let Some(will) = &connect.will else { return };
    let Some(Request::Telemetry(bag)) = Request::parse(&will.topic, &connect.client_id) else { return };
    let is_enabled = hub.registry().get(&connect.client_id).is_some_and(|device| device.identity.enabled);
    let Ok(mut draft) = telemetry::draft_from(bag, will.retain, will.payload.clone()) else { return };
    draft.properties.insert("iothub-MessageType".to_owned(), "Will".to_owned());
    if is_enabled {
        hub.accept(&connect.client_id, vec![draft], scope);
    }
}

async fn reject_level(hub: &Hub, stream: &mut Stream, level: u8) -> End {
    let number = hub.mqtt.log.arrived("", Operation::MqttConnect);
    hub.mqtt.log.refused(number, Some(format!("protocol level {level}")));
    refuse(hub, stream, "", (number, ConnectCode::UnacceptableProtocol)).await
}

async fn refuse(hub: &Hub, stream: &mut Stream, device_id: &str, (number, code): (usize, ConnectCode)) -> End {
    hub.mqtt.sessions.refuse();
    hub.mqtt.log.answered(number, u16::from(code.number()));
    if let Some(observer) = &hub.observer {
        observer.connected(device_id, false);
    }
    // The connection ends either way.
    let _ = stream.write(&[Packet::ConnAck { session_present: false, code }]).await;
    End::Closed
}
