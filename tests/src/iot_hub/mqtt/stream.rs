//! Packets over a stream of bytes.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::decode;
use super::packet::{DecodeError, Packet};
use crate::iot_hub::message::MOST_BYTES;

/// A whole message with room for the topic and its property bag.
const LARGEST_PACKET: usize = MOST_BYTES + 65_536 + 4;
/// How long a peer may take to let go.
const GOODBYE: Duration = Duration::from_secs(1);

/// Either side of a connection.
#[derive(Debug)]
pub(crate) struct PacketStream<S> {
    stream: S,
    /// Bytes read and not decoded yet.
    buffer: Vec<u8>,
}

/// Why there is no packet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the peer is gone")]
    Gone,
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl<S: AsyncRead + AsyncWrite + Unpin> PacketStream<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next packet. Giving up waiting loses nothing.
    pub(crate) async fn read(&mut self) -> Result<Packet, ReadError> {
        loop {
            if let Some((packet, length)) = decode(&self.buffer, LARGEST_PACKET)? {
                self.buffer.drain(..length);
                return Ok(packet);
            }
            if !matches!(self.stream.read_buf(&mut self.buffer).await, Ok(1..)) {
                return Err(ReadError::Gone);
            }
        }
    }

    /// Several packets go out in one piece.
    pub(crate) async fn write(&mut self, packets: &[Packet]) -> std::io::Result<()> {
        let bytes: Vec<u8> = packets.iter().flat_map(Packet::encode).collect();
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await
    }

    /// Says goodbye to whoever listens.
    pub(crate) async fn close(mut self) {
        // The peer may be gone already.
        let _ = timeout(GOODBYE, self.stream.shutdown()).await;
    }

    #[cfg(test)]
    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    #[cfg(test)]
    pub(crate) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}
