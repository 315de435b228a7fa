//! Takes every request over TLS, keeps the last body, answers 204.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use local::tls::CertificateAuthority;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::Failure;

#[derive(Clone)]
pub(crate) struct Sink {
    port: u16,
    last_body: Arc<Mutex<Bytes>>,
}

impl Sink {
    pub(crate) async fn start(authority: &CertificateAuthority) -> Result<Self, Failure> {
        let tls = TlsAcceptor::from(authority.server_config(rustls::ALL_VERSIONS)?);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let sink = Self { port: listener.local_addr()?.port(), last_body: Arc::default() };
        let accepting = sink.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(stream, tls.clone()));
            }
        });
        Ok(sink)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn last_body(&self) -> Bytes {
        self.last_body.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Until the client ends the connection, in whatever way.
    async fn serve(self, stream: TcpStream, tls: TlsAcceptor) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let Ok(stream) = tls.accept(stream).await else { return };
        let service = service_fn(|request| self.answer(request));
        drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
        if let Ok(body) = request.into_body().collect().await {
            *self.last_body.lock().unwrap_or_else(PoisonError::into_inner) = body.to_bytes();
        }
        let mut answer = Response::new(Empty::new());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        Ok(answer)
    }
}
