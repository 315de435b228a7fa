//! Connections on demand: one for each device that is being written to, closed when it is idle or when there are too many.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use serde_json::Value;
use tokio::sync::{Mutex as TurnMutex, MutexGuard};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connection::{Connection, NotOpen, unavailable};
use super::rate::{Rate, Rates};
use super::{Endpoint, Policy};
use crate::error::{Error, Peer, Retry};
use crate::iot_hub::DeviceId;

/// Devices that may be connected at once. The one used longest ago makes way.
const MAX_DEVICES: usize = 500;

/// Tokens are valid for at least a quarter of an hour when a connection is opened; the hub closes it when they expire.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// Longest goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Part of the time left that one attempt may take.
const ATTEMPT: f64 = 0.6;

/// Pause before a connection that was closed on us is made again; it doubles with each try, and half of it is random.
/// Another instance may be using the device's only connection.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How long a device counts as one that another instance connects as, too.
const SHARED: Duration = Duration::from_secs(5 * 60);

/// What is written depends on what is there.
pub(in crate::iot_hub) type Checked<'a> = &'a (dyn Fn(&Value) -> Option<Value> + Sync);

/// All connections of this process.
#[derive(Debug)]
pub(in crate::iot_hub) struct Pool {
    endpoint: Endpoint,
    idle: Duration,
    connections: Rate,
    updates: Rate,
    devices: Mutex<LruCache<DeviceId, Arc<Slot>>>,
}

/// A device's place. Who holds the turn uses the connection; turns are given in the order they were asked for.
#[derive(Debug, Default)]
struct Slot {
    turn: TurnMutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    connection: Option<Connection>,
    used_at: Option<Instant>,
    /// When a connection was last found closed.
    closed_at: Option<Instant>,
}

impl Open {
    /// Lets go of a connection that is of no use any more.
    fn look(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        if connection.is_closed() {
            self.closed_at = Some(Instant::now());
            self.connection = None;
        } else if connection.opened_at.elapsed() > MAX_AGE {
            self.connection = None;
        }
    }

    /// Whether another instance may be writing to the device, too.
    fn is_shared(&self) -> bool {
        self.closed_at.is_some_and(|at| at.elapsed() < SHARED)
    }
}

/// Why a twin was not written.
#[derive(Debug)]
pub(in crate::iot_hub) enum NotWritten {
    /// The device may not connect, or not yet.
    NotAuthorized,
    Failed(Error),
}

impl From<Error> for NotWritten {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Pool {
    /// No connection yet. One that is idle for `idle` is closed.
    pub(in crate::iot_hub) fn new(
        policy: &Policy,
        port: u16,
        tls: Arc<rustls::ClientConfig>,
        idle: Duration,
        rates: Rates,
    ) -> Self {
        Self {
            endpoint: Endpoint::new(policy, port, &tls),
            idle,
            connections: Rate::new("new connections", rates.connections_per_second),
            updates: Rate::new("twin updates", rates.twin_updates_per_second),
            devices: Mutex::new(LruCache::unbounded()),
        }
    }

    /// Merges a patch into a device's reported properties. If it `reads_first`, what is there is read on the same
    /// connection, and decides through `checked` what is written, if anything. Says whether something was.
    ///
    /// A further try always reads first, and so does a new connection of a device that another instance connects as,
    /// too: the turn was given away, or the connection was, and both may have brought something newer. Whoever writes
    /// later needs the connection, so what was read holds until the patch is written or refused.
    pub(in crate::iot_hub) async fn write(
        &self,
        device_id: &DeviceId,
        patch: &Value,
        checked: Checked<'_>,
        mut reads_first: bool,
        deadline: Instant,
    ) -> Result<bool, NotWritten> {
        let slot = self.slot(device_id);
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.write_in_turn(&slot, device_id, patch, (checked, reads_first), deadline).await {
                Err(NotWritten::Failed(error)) if error.is_worth_retrying_now() => error,
                result => return result,
            };
            let wait = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
            if Instant::now() + wait * 2 > deadline {
                return Err(error.into());
            }
            // Nobody else waits for this pause.
            sleep(wait).await;
            pause *= 2;
            reads_first = true;
        }
    }

    async fn write_in_turn(
        &self,
        slot: &Arc<Slot>,
        device_id: &DeviceId,
        patch: &Value,
        checked: (Checked<'_>, bool),
        deadline: Instant,
    ) -> Result<bool, NotWritten> {
        let in_turn = timeout_at(deadline, slot.turn.lock()).await;
        let mut open = in_turn.map_err(|_| busy())?;
        // A connection gone silent leaves time for another.
        let give_up = Instant::now() + deadline.saturating_duration_since(Instant::now()).mul_f64(ATTEMPT);
        // Until it has succeeded, nobody knows what the connection is in the middle of: it is given back only then.
        open.look();
        let kept = open.connection.take();
        let was_kept = kept.is_some();
        let (checked, mut reads_first) = checked;
        reads_first |= !was_kept && open.is_shared();
        let attempt = self.attempt(device_id, kept, patch, (checked, reads_first), give_up);
        let attempt = timeout_at(give_up, attempt).await;
        match attempt.unwrap_or_else(|_| Err(timed_out("a twin request").into())) {
            Ok((connection, is_written)) => {
                open.connection = Some(connection);
                self.keep_for_a_while(slot, open);
                Ok(is_written)
            }
            Err(reason) => {
                if was_kept && matches!(&reason, NotWritten::Failed(error) if error.is_worth_retrying_now()) {
                    open.closed_at = Some(Instant::now());
                }
                Err(reason)
            }
        }
    }

    async fn attempt(
        &self,
        device_id: &DeviceId,
        kept: Option<Connection>,
        patch: &Value,
        (checked, reads_first): (Checked<'_>, bool),
        deadline: Instant,
    ) -> Result<(Connection, bool), NotWritten> {
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                self.connections.turn(deadline).await?;
                Connection::open(&self.endpoint, device_id).await.map_err(|reason| match reason {
                    NotOpen::NotAuthorized => NotWritten::NotAuthorized,
                    NotOpen::Failed(error) => NotWritten::Failed(error),
                })?
            }
        };
        self.updates.turn(deadline).await?;
        if !reads_first {
            connection.patch(patch).await?;
            return Ok((connection, true));
        }
        let twin = connection.twin().await?;
        let Some(patch) = checked(&twin) else { return Ok((connection, false)) };
        self.updates.turn(deadline).await?;
        connection.patch(&patch).await?;
        Ok((connection, true))
    }

    fn slot(&self, device_id: &DeviceId) -> Arc<Slot> {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = devices.get(device_id) {
            return Arc::clone(slot);
        }
        if devices.len() >= MAX_DEVICES {
            let is_unused = |(_, slot): &(&DeviceId, &Arc<Slot>)| slot.turn.try_lock().is_ok();
            let used_longest_ago = devices.iter().rev().find(is_unused).map(|(device_id, _)| device_id.clone());
            if let Some(slot) = used_longest_ago.and_then(|device_id| devices.pop(&device_id)) {
                tokio::spawn(close_when_idle(slot, Duration::ZERO));
            }
        }
        let slot = Arc::<Slot>::default();
        devices.put(device_id.clone(), Arc::clone(&slot));
        slot
    }

    /// Gives the turn back, and has the connection closed when nobody has used it for the idle time.
    fn keep_for_a_while(&self, slot: &Arc<Slot>, mut open: MutexGuard<'_, Open>) {
        let is_watched = open.used_at.is_some();
        if open.connection.is_none() {
            return;
        }
        open.used_at = Some(Instant::now());
        if !is_watched {
            tokio::spawn(close_when_idle(Arc::clone(slot), self.idle));
        }
    }
}

async fn close_when_idle(slot: Arc<Slot>, idle: Duration) {
    let mut wait = idle;
    loop {
        sleep(wait).await;
        let mut open = slot.turn.lock().await;
        let unused = open.used_at.map_or(idle, |at| at.elapsed());
        if unused >= idle || open.connection.is_none() {
            open.used_at = None;
            open.look();
            if let Some(connection) = open.connection.take() {
                // Whether the hub hears it does not matter.
                let _ = timeout(GOODBYE, connection.close()).await;
            }
            return;
        }
        wait = idle - unused;
    }
}

fn busy() -> Error {
    let what = "its device's only connection was in use all the time".to_owned();
    Error::NotAsked { peer: Peer::IotHub, what, wait: Duration::from_secs(1) }
}

fn timed_out(what: &str) -> Error {
    unavailable(format!("timed out: {what}"), Retry::Soon)
}
