//! One attempt at a device's twin, in the device's turn.

use serde_json::Value;
use tokio::time::Instant;

use super::connection::{Connection, NotOpen};
use super::pool::{NotWritten, Pool};
use super::update::{Unconfirmed, Update};
use crate::error::Error;
use crate::iot_hub::DeviceId;

impl Pool {
    /// Writes an update, by the connection that was kept or by a new one. It is asked whether it reads first when the
    /// connection stands: who has written something newer until then is disconnected by it, and looks once more. Its first
    /// turn among the updates has been waited for.
    pub(super) async fn attempt(
        &self,
        device_id: &DeviceId,
        kept: Option<Connection>,
        update: &dyn Update,
        (must_read, unconfirmed): (bool, &Unconfirmed),
        deadline: Instant,
    ) -> Result<(Connection, bool), NotWritten> {
        let mut connection = match kept {
            Some(connection) => connection,
            // Boxed, or else every future around it is as large, and copied on its way to where it is polled.
            None => Box::pin(self.connect(device_id, deadline)).await?,
        };
        if !(update.reads_first() || must_read) {
            connection.patch(update.patch()).await?;
            return Ok((connection, true));
        }
        let twin = self.settle(device_id, &mut connection, unconfirmed, deadline).await?;
        let Some(patch) = update.beside(&twin) else { return Ok((connection, false)) };
        self.updates.turn(deadline).await?;
        connection.patch(&patch).await?;
        Ok((connection, true))
    }

    /// Looks whether the twin still shows what was written, by a connection of its own; gives that back.
    pub(super) async fn look_once_more(
        &self,
        device_id: &DeviceId,
        unconfirmed: &Unconfirmed,
        deadline: Instant,
    ) -> Result<Connection, NotWritten> {
        let mut connection = self.connect(device_id, deadline).await?;
        self.updates.turn(deadline).await?;
        self.settle(device_id, &mut connection, unconfirmed, deadline).await?;
        Ok(connection)
    }

    async fn connect(&self, device_id: &DeviceId, deadline: Instant) -> Result<Connection, NotWritten> {
        self.connections.turn(deadline).await?;
        Connection::open(&self.endpoint, device_id).await.map_err(|reason| match reason {
            NotOpen::NotAuthorized => NotWritten::NotAuthorized,
            NotOpen::Failed(error) => NotWritten::Failed(error),
        })
    }

    /// Reads the twin, and writes again what somebody has written something older over. Whoever writes later needs the
    /// connection, so what was read holds until something is written, or refused.
    async fn settle(
        &self,
        device_id: &DeviceId,
        connection: &mut Connection,
        unconfirmed: &Unconfirmed,
        deadline: Instant,
    ) -> Result<Value, Error> {
        let mut twin = connection.twin().await?;
        for _ in 0..unconfirmed.len() {
            let Some(patch) = unconfirmed.lost_in(&twin).and_then(|update| update.beside(&twin)) else { break };
            self.updates.turn(deadline).await?;
            match connection.patch(&patch).await {
                // It does not fit beside what is there now. That is no reason for what comes next to fail.
                Err(Error::Refused { what, .. }) => {
                    tracing::warn!(device_id = device_id.as_str(), "a newer update was not written again: {what}");
                    break;
                }
                written => written?,
            }
            tracing::info!(device_id = device_id.as_str(), "another instance wrote something older; written again");
            self.updates.turn(deadline).await?;
            twin = connection.twin().await?;
        }
        Ok(twin)
    }
}
