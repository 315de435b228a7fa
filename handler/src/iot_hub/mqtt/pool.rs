//! Connections on demand: one for each device that is being written to, closed when it is idle or when there are too many.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::MutexGuard;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connection::unavailable;
use super::rate::{Rate, Rates};
use super::slot::{Open, Slot, Slots};
use super::update::Update;
use super::{Endpoint, Policy};
use crate::error::{Error, Peer, Retry};
use crate::iot_hub::{DeviceId, with_jitter};

/// Longest goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// Part of the time left that one attempt may take.
const ATTEMPT: f64 = 0.6;

/// Shortest time left in which a new connection and a request on it have a chance.
const SHORTEST: Duration = Duration::from_millis(250);

/// Pause before a connection that was closed on us is made again; it doubles with each try, and half of it is random.
/// Another instance may be using the device's only connection.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Tries of looking once more, and how long each may take: a device's turn is not held longer.
const LOOKS: u32 = 5;
const LOOK: Duration = Duration::from_secs(2);

/// All connections of this process.
#[derive(Debug)]
pub(in crate::iot_hub) struct Pool {
    pub(super) endpoint: Endpoint,
    pub(super) connections: Rate,
    pub(super) updates: Rate,
    idle: Duration,
    slots: Slots,
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
            connections: Rate::new("new connections", rates.connections_per_second),
            updates: Rate::new("twin updates", rates.twin_updates_per_second),
            idle,
            slots: Slots::default(),
        }
    }

    /// Merges an update into a device's reported properties. If it reads first, what is there is read on the same
    /// connection, and decides what is written, if anything. Says whether something was.
    ///
    /// A further try always reads first, and so does a new connection of a device that another instance connects as,
    /// too: the turn was given away, or the connection was, and both may have brought something newer.
    pub(in crate::iot_hub) async fn write(
        self: &Arc<Self>,
        device_id: &DeviceId,
        update: &Arc<dyn Update>,
        deadline: Instant,
    ) -> Result<bool, NotWritten> {
        let slot = self.slot(device_id);
        let mut pause = FIRST_PAUSE;
        let mut is_again = false;
        loop {
            let error = match self.write_in_turn(&slot, device_id, update, is_again, deadline).await {
                Err(NotWritten::Failed(error)) if error.is_worth_retrying_now() => error,
                result => return result,
            };
            let wait = with_jitter(pause);
            if Instant::now() + wait + SHORTEST > deadline {
                return Err(error.into());
            }
            // Nobody else waits for this pause.
            sleep(wait).await;
            pause *= 2;
            is_again = true;
        }
    }

    async fn write_in_turn(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        device_id: &DeviceId,
        update: &Arc<dyn Update>,
        is_again: bool,
        deadline: Instant,
    ) -> Result<bool, NotWritten> {
        let in_turn = timeout_at(deadline, slot.turn.lock()).await;
        let mut open = in_turn.map_err(|_| not_asked("its device's only connection was in use all the time"))?;
        // A connection gone silent leaves time for another.
        let left = deadline.saturating_duration_since(Instant::now());
        if left < SHORTEST {
            return Err(not_asked("too little time was left when it was its turn on its device's connection").into());
        }
        let give_up = Instant::now() + left.mul_f64(ATTEMPT);
        // Before the connection is touched: what is refused here leaves it as it is.
        self.updates.turn(give_up).await?;
        // Until it has succeeded, nobody knows what the connection is in the middle of: it is given back only then.
        open.look();
        let kept = open.connection.take();
        let was_kept = kept.is_some();
        let must_read = is_again || !was_kept && open.is_shared();
        let attempt = self.attempt(device_id, kept, update.as_ref(), (must_read, &open.unconfirmed), give_up);
        let attempt = timeout_at(give_up, attempt).await;
        match attempt.unwrap_or_else(|_| Err(timed_out("a twin request").into())) {
            Ok((connection, is_written)) => {
                open.connection = Some(connection);
                if is_written {
                    open.unconfirmed.note(update);
                }
                self.keep_for_a_while(slot, device_id, open);
                Ok(is_written)
            }
            Err(reason) => {
                if was_kept && matches!(&reason, NotWritten::Failed(error) if error.is_worth_retrying_now()) {
                    open.was_closed();
                }
                Err(reason)
            }
        }
    }

    fn slot(self: &Arc<Self>, device_id: &DeviceId) -> Arc<Slot> {
        let (slot, evicted) = self.slots.of(device_id);
        for (device_id, slot) in evicted {
            tokio::spawn(Arc::clone(self).close_when_idle(slot, device_id, Duration::ZERO));
        }
        slot
    }

    /// Gives the turn back, and has the connection closed when nobody has used it for the idle time.
    fn keep_for_a_while(self: &Arc<Self>, slot: &Arc<Slot>, device_id: &DeviceId, mut open: MutexGuard<'_, Open>) {
        let is_watched = open.used_at.replace(Instant::now()).is_some();
        if !is_watched {
            let close = Arc::clone(self).close_when_idle(Arc::clone(slot), device_id.clone(), self.idle);
            tokio::spawn(close);
        }
    }

    /// Waits until a connection is idle and closes it, unless somebody else has done that.
    async fn close_when_idle(self: Arc<Self>, slot: Arc<Slot>, device_id: DeviceId, idle: Duration) {
        let (mut wait, mut looks) = (idle, 0);
        loop {
            sleep(wait).await;
            let mut open = slot.turn.lock().await;
            let unused = open.used_at.map_or(idle, |at| at.elapsed());
            if unused < idle {
                wait = idle - unused;
                continue;
            }
            open.look();
            // Boxed: this future waits with every connection that is kept.
            if let Err(error) = Box::pin(self.confirm(&device_id, &mut open)).await {
                looks += 1;
                if looks < LOOKS && error.is_transient() {
                    let asked_for = if let Some(Retry::After(wait)) = error.retry() { wait } else { Duration::ZERO };
                    wait = with_jitter(FIRST_PAUSE * looks).max(asked_for);
                    continue;
                }
                tracing::warn!(
                    device_id = device_id.as_str(),
                    "another instance may have written something older into the device's twin: {error}"
                );
            }
            open.used_at = None;
            open.unconfirmed.clear();
            if let Some(connection) = open.connection.take() {
                // Whether the hub hears it does not matter.
                let _ = timeout(GOODBYE, connection.close()).await;
            }
            return;
        }
    }

    /// As long as the connection stands, nobody else has written. Without it, the twin is looked at once more: another
    /// instance that did not know of this one may have written something older.
    async fn confirm(&self, device_id: &DeviceId, open: &mut Open) -> Result<(), Error> {
        if open.connection.is_some() || open.unconfirmed.is_empty() {
            return Ok(());
        }
        let look = self.look_once_more(device_id, &open.unconfirmed, Instant::now() + LOOK);
        match timeout(LOOK, look).await.unwrap_or_else(|_| Err(timed_out("a look at a twin").into())) {
            Ok(connection) => open.connection = Some(connection),
            // The device is gone, and its twin with it.
            Err(NotWritten::NotAuthorized) => {}
            Err(NotWritten::Failed(error)) => return Err(error),
        }
        Ok(())
    }
}

fn not_asked(what: &str) -> Error {
    Error::NotAsked { peer: Peer::IotHub, what: what.to_owned(), wait: Duration::from_secs(1) }
}

fn timed_out(what: &str) -> Error {
    unavailable(format!("timed out: {what}"), Retry::Soon)
}
