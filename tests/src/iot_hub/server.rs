//! TLS and HTTP/1.1 for the hub, and connections that break when a fault says so.

use std::convert::Infallible;
use std::future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::dispatch;
use super::faults::{Effect, Operation};
use super::hub::Hub;

/// A server that runs in the background until it is stopped or dropped.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<Option<JoinHandle<()>>>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(server) = self.task().take() {
            server.abort();
        }
    }
}

impl Running {
    pub(crate) fn start(&self, server: impl Future<Output = ()> + Send + 'static) {
        *self.task() = Some(tokio::spawn(server));
    }

    /// When this returns, nothing is left of it.
    pub(crate) async fn stop(&self) {
        let server = self.task().take();
        if let Some(server) = server {
            server.abort();
            // An aborted task always ends in an error.
            let _ = server.await;
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.task().is_none()
    }

    fn task(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves HTTPS until dropped.
pub(crate) async fn serve(listener: TcpListener, tls: TlsAcceptor, hub: Arc<Hub>) {
    accept(listener, |stream| serve_connection(stream, tls.clone(), hub.clone())).await;
}

/// Serves every connection until dropped; dropping it closes all of them.
pub(crate) async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(serve(stream));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Errors end the connection and nothing else: they are the client's to notice.
async fn serve_connection(stream: TcpStream, tls: TlsAcceptor, hub: Arc<Hub>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    if hub.faults.take_handshake() {
        return end_handshake(stream, &hub, Operation::Other).await;
    }
    let Ok(stream) = tls.accept(stream).await else { return };
    let reset = Notify::new();
    let service = service_fn(|request| {
        let (hub, reset) = (&hub, &reset);
        async move {
            let Some(reply) = dispatch::answer(hub, request).await else {
                reset.notify_one();
                return future::pending().await;
            };
            Ok::<_, Infallible>(reply.into_response())
        }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let is_reset = tokio::select! {
        _ = &mut connection => false,
        () = reset.notified() => true,
    };
    if is_reset {
        let (tcp, _) = connection.into_parts().io.into_inner().into_inner();
        // Without lingering, closing the socket sends RST instead of FIN; nothing is left to do if that fails.
        let _ = tcp.set_zero_linger();
    }
}

/// Ends a connection once the client has begun its handshake.
pub(crate) async fn end_handshake(stream: TcpStream, hub: &Hub, operation: Operation) {
    if let Some(observer) = &hub.observer {
        observer.spoiled(operation, None, &Effect::EndHandshake);
    }
    // A client that says nothing has gone, which is no other end.
    let _ = stream.readable().await;
}
