//! What a connected client does: packets in, packets out.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use super::connection::{End, Stream};
use super::packet::{Connect, ConnectCode, Packet, Publish, Qos};
use crate::iot_hub::hub::Hub;

/// The hub lets nobody be silent for longer.
const LONGEST_SILENCE: Duration = Duration::from_secs(1767);

/// One client that has been let in.
pub(crate) struct Session<'a> {
    pub(super) hub: &'a Hub,
    pub(super) stream: &'a mut Stream,
    pub(super) device_id: &'a str,
    /// Of the token.
    pub(super) scope: &'static str,
    /// One and a half times what the client said; `None` is for ever.
    patience: Option<Duration>,
    heard: Instant,
    last_packet_id: u16,
}

impl<'a> Session<'a> {
    pub(crate) fn new(hub: &'a Hub, stream: &'a mut Stream, connect: &'a Connect, scope: &'static str) -> Self {
        let keep_alive = Duration::from_secs(u64::from(connect.keep_alive));
        let patience = (keep_alive + keep_alive / 2).min(LONGEST_SILENCE);
        Self {
            hub,
            stream,
            device_id: &connect.client_id,
            scope,
            patience: (!patience.is_zero()).then_some(patience),
            heard: Instant::now(),
            last_packet_id: 0,
        }
    }

    /// Says hello, under the log's number, and serves until the end.
    pub(crate) async fn run(&mut self, hello: (usize, bool), outbox: &mut UnboundedReceiver<Publish>) -> End {
        match self.serve(hello, outbox).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn serve(
        &mut self,
        (number, session_present): (usize, bool),
        outbox: &mut UnboundedReceiver<Publish>,
    ) -> Result<Infallible, End> {
        let code = ConnectCode::Accepted;
        self.hub.mqtt.log.answered(number, u16::from(code.number()));
        if let Some(observer) = &self.hub.observer {
            observer.connected(self.device_id, true);
        }
        self.write(&[Packet::ConnAck { session_present, code }]).await?;
        // A session that was kept may listen already.
        self.hub.push_c2d(self.device_id);
        loop {
            let silence = self.patience.map(|patience| self.heard + patience);
            tokio::select! {
                packet = self.stream.read() => {
                    self.handle(packet.map_err(|_| End::Closed)?).await?;
                    self.heard = Instant::now();
                }
                Some(publish) = outbox.recv() => self.send(publish).await?,
                () = until(silence) => return Err(End::Closed),
            }
        }
    }

    pub(super) async fn write(&mut self, packets: &[Packet]) -> Result<(), End> {
        self.stream.write(packets).await.map_err(|_| End::Closed)
    }

    /// A message of the hub's own.
    async fn send(&mut self, publish: Publish) -> Result<(), End> {
        let packet = self.numbered(publish);
        self.write(&[packet]).await
    }

    /// Nothing is sent twice, so nobody needs to know which ids are still in use.
    pub(super) fn numbered(&mut self, mut publish: Publish) -> Packet {
        if publish.qos == Qos::AtLeastOnce {
            self.last_packet_id = self.last_packet_id.checked_add(1).unwrap_or(1);
            publish.packet_id = self.last_packet_id;
        }
        Packet::Publish(publish)
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
