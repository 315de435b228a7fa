//! Which device is connected by which connection, and what it listens for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::message;
use super::packet::{Publish, Qos};
use super::topic::Channel;

/// How many connections there are and were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MqttConnections {
    /// CONNECTs accepted so far.
    pub accepted: usize,
    /// CONNECTs refused so far, also by faults.
    pub refused: usize,
    /// Connections closed so far because their device connected again.
    pub takeovers: usize,
    /// Open now.
    pub open: usize,
    /// The most that were open at once.
    pub most_open: usize,
    /// TLS handshakes so far.
    pub handshakes: usize,
    /// Those of them that resumed a session.
    pub resumed: usize,
}

/// At most one connection for each device; subscriptions that outlive it.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    devices: BTreeMap<String, Session>,
    connections: MqttConnections,
    next_number: u64,
}

#[derive(Debug, Default)]
struct Session {
    subscriptions: BTreeMap<Channel, Qos>,
    is_kept: bool,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    number: u64,
    outbox: mpsc::UnboundedSender<Publish>,
    /// The connection closes when this is dropped.
    _open: oneshot::Sender<()>,
}

/// A device's place in the hub, left when dropped.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    sessions: &'a Sessions,
    device_id: String,
    number: u64,
    pub(crate) session_present: bool,
    /// What the hub sends of its own accord.
    pub(crate) outbox: mpsc::UnboundedReceiver<Publish>,
    /// Ends when somebody else has taken the place, or the device may not be there any more.
    pub(crate) closed: oneshot::Receiver<()>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.sessions.lock().leave(&self.device_id, |connection| connection.number == self.number);
    }
}

impl State {
    fn leave(&mut self, device_id: &str, is_meant: impl Fn(&Connection) -> bool) {
        let Some(session) = self.devices.get_mut(device_id) else { return };
        if session.connection.take_if(|connection| is_meant(connection)).is_some() {
            self.connections.open -= 1;
            if !session.is_kept {
                self.devices.remove(device_id);
            }
        }
    }
}

impl Sessions {
    /// Takes the device's place, whoever has it.
    pub(crate) fn open(&self, device_id: &str, clean: bool) -> Seat<'_> {
        let mut state = self.lock();
        let State { devices, connections, next_number } = &mut *state;
        *next_number += 1;
        let kept = devices.remove(device_id);
        let is_takeover = kept.as_ref().is_some_and(|session| session.connection.is_some());
        let kept = kept.filter(|session| session.is_kept && !clean);
        let (sender, outbox) = mpsc::unbounded_channel();
        let (open, closed) = oneshot::channel();
        let connection = Connection { number: *next_number, outbox: sender, _open: open };
        let session_present = kept.is_some();
        let session = Session { connection: Some(connection), is_kept: !clean, ..kept.unwrap_or_default() };
        devices.insert(device_id.to_owned(), session);
        connections.accepted += 1;
        connections.takeovers += usize::from(is_takeover);
        connections.open += usize::from(!is_takeover);
        connections.most_open = connections.most_open.max(connections.open);
        let number = *next_number;
        Seat { sessions: self, device_id: device_id.to_owned(), number, session_present, outbox, closed }
    }

    /// Counts a TLS handshake.
    pub(crate) fn shook_hands(&self, is_resumed: bool) {
        let mut state = self.lock();
        state.connections.handshakes += 1;
        state.connections.resumed += usize::from(is_resumed);
    }

    /// Counts a CONNECT that got no place.
    pub(crate) fn refuse(&self) {
        self.lock().connections.refused += 1;
    }

    /// Closes a device's connection, if there is one.
    pub(crate) fn close(&self, device_id: &str) {
        self.lock().leave(device_id, |_| true);
    }

    /// Closes a device's connection and forgets its subscriptions.
    pub(crate) fn forget(&self, device_id: &str) {
        let mut state = self.lock();
        state.leave(device_id, |_| true);
        state.devices.remove(device_id);
    }

    pub(crate) fn subscribe(&self, device_id: &str, channel: Channel, qos: Qos) {
        if let Some(session) = self.lock().devices.get_mut(device_id) {
            session.subscriptions.insert(channel, qos);
        }
    }

    pub(crate) fn unsubscribe(&self, device_id: &str, channel: Channel) {
        if let Some(session) = self.lock().devices.get_mut(device_id) {
            session.subscriptions.remove(&channel);
        }
    }

    /// How a device wants to get what is on a channel; `None` is not at all.
    pub(crate) fn subscription(&self, device_id: &str, channel: Channel) -> Option<Qos> {
        self.lock().devices.get(device_id).and_then(|session| session.subscriptions.get(&channel).copied())
    }

    /// Whether a device is connected and listens.
    pub(crate) fn listens(&self, device_id: &str, channel: Channel) -> bool {
        let state = self.lock();
        let session = state.devices.get(device_id);
        session.is_some_and(|own| own.connection.is_some() && own.subscriptions.contains_key(&channel))
    }

    /// Sends to a device that is connected and listens; says whether it is.
    pub(crate) fn send(&self, device_id: &str, channel: Channel, topic: String, payload: Vec<u8>) -> bool {
        let state = self.lock();
        let Some(session) = state.devices.get(device_id) else { return false };
        let (Some(connection), Some(&qos)) = (&session.connection, session.subscriptions.get(&channel)) else {
            return false;
        };
        connection.outbox.send(message(topic, payload, qos)).is_ok()
    }

    pub(crate) fn connections(&self) -> MqttConnections {
        self.lock().connections
    }

    /// The ids of all connected devices, in order.
    pub(crate) fn connected(&self) -> Vec<String> {
        let state = self.lock();
        let connected = state.devices.iter().filter(|(_, session)| session.connection.is_some());
        connected.map(|(device_id, _)| device_id.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
