//! A device's place in the pool.

use std::time::Duration;

use tokio::sync::Mutex as TurnMutex;
use tokio::time::Instant;

use super::connection::Connection;
use super::update::Unconfirmed;

/// Tokens are valid for at least a quarter of an hour when a connection is opened; the hub closes it when they expire.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// How long a device counts as one that another instance connects as, too.
const SHARED: Duration = Duration::from_secs(5 * 60);

/// Who holds the turn uses the connection; turns are given in the order they were asked for.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) turn: TurnMutex<Open>,
}

#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) connection: Option<Connection>,
    /// Somebody waits to close the connection as long as there is a time.
    pub(super) used_at: Option<Instant>,
    /// When a connection was last found closed.
    closed_at: Option<Instant>,
    /// As long as the connection stands, nobody has written over these.
    pub(super) unconfirmed: Unconfirmed,
}

impl Open {
    /// Lets go of a connection that is of no use any more.
    pub(super) fn look(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        if connection.is_closed() {
            self.was_closed();
        } else if connection.opened_at.elapsed() > MAX_AGE {
            self.connection = None;
        }
    }

    /// The connection was closed on us: another instance may have connected as the device.
    pub(super) fn was_closed(&mut self) {
        self.closed_at = Some(Instant::now());
        self.connection = None;
    }

    /// Whether, without a connection, another instance may have written to the device, or may be about to.
    pub(super) fn is_shared(&self) -> bool {
        !self.unconfirmed.is_empty() || self.closed_at.is_some_and(|at| at.elapsed() < SHARED)
    }
}
