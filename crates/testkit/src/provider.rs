//! The running provider: its listener, its connections and the handle that tests hold.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::capture::Captured;
use crate::fault::Fault;
use crate::options::{Options, Protocol};
use crate::realtime;
use crate::service::Shared;
use crate::tls::Identity;
use crate::truth::Truth;

/// A running provider. It stops, with all its connections, when this is dropped.
pub struct SimulatedProvider {
    address: SocketAddr,
    shared: Arc<Shared>,
    identity: Option<Identity>,
    task: JoinHandle<()>,
}

impl SimulatedProvider {
    /// Listens and serves on the current tokio runtime.
    ///
    /// # Errors
    /// An address that cannot be listened on; a certificate that cannot be made.
    pub async fn start(options: Options) -> io::Result<SimulatedProvider> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let identity = if options.tls { Some(Identity::generate(options.protocol)?) } else { None };
        let shared = Arc::new(Shared::new(options));
        let acceptor = identity.as_ref().map(|identity| identity.acceptor.clone());
        let task = tokio::spawn(accept(listener, Arc::clone(&shared), acceptor));
        Ok(SimulatedProvider { address, shared, identity, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What an upstream's `base_url` has to be: `http://127.0.0.1:PORT/v1` (`https://localhost:PORT/v1` with TLS).
    pub fn base_url(&self) -> String {
        match self.identity {
            Some(_) => format!("https://localhost:{}/v1", self.address.port()),
            None => format!("http://{}/v1", self.address),
        }
    }

    /// The certificate to trust, as PEM; `None` without TLS. It names `localhost` and `127.0.0.1`.
    pub fn certificate_pem(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| identity.certificate_pem.as_str())
    }

    /// The certificate to trust, as DER.
    pub fn certificate_der(&self) -> Option<&[u8]> {
        self.identity.as_ref().map(|identity| identity.certificate.as_ref())
    }

    /// Appends faults to the script: each of the next requests to billed endpoints takes one, and goes before every
    /// other wish. [`Fault::Nothing`] lets one request pass.
    pub fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.shared.script.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// Faults of the script that no request has taken yet.
    pub fn script_len(&self) -> usize {
        self.shared.script.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The newest requests, oldest first, at most the options' `captures_max`.
    pub fn requests(&self) -> Vec<Captured> {
        self.shared.captures.all()
    }

    /// The same, and forgets them.
    pub fn take_requests(&self) -> Vec<Captured> {
        self.shared.captures.take()
    }

    /// What was attempted and billed until now. Attempts that still run are counted in `open`.
    pub fn truth(&self) -> Truth {
        self.shared.books.snapshot()
    }

    /// The truth once no attempt is running, or after `patience` (then `open` is not 0).
    pub async fn settled_truth(&self, patience: Duration) -> Truth {
        // Whether it settled or patience ended is in the truth itself.
        let _ = tokio::time::timeout(patience, self.shared.books.settled()).await;
        self.truth()
    }

    /// Closes the listener and all connections, and returns when they are closed.
    pub async fn stop(mut self) {
        self.task.abort();
        // The task was aborted: its join error says only that.
        let _ = (&mut self.task).await;
    }
}

impl Drop for SimulatedProvider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, acceptor: Option<TlsAcceptor>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&shared), acceptor.clone()));
                }
                // Out of file descriptors, most likely: wait for some to come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, acceptor: Option<TlsAcceptor>) {
    // Without it small chunks wait for acknowledgements.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match acceptor {
        None => speak(stream, shared).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                speak(stream, shared).await;
            }
        }
    }
}

/// How a connection ends is the client's business, or a fault's: errors are expected.
async fn speak(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: Arc<Shared>) {
    let protocol = shared.options.protocol;
    let service = service_fn(move |req| {
        let shared = Arc::clone(&shared);
        async move {
            if realtime::is_for_session(&req) {
                return Ok(realtime::open(&shared, req));
            }
            shared.serve(req).await
        }
    });
    let io = TokioIo::new(stream);
    let _ = match protocol {
        Protocol::Http1 => {
            http1::Builder::new().serve_connection(io, service).with_upgrades().await.map_err(Into::into)
        }
        Protocol::Http2 => auto::Builder::new(TokioExecutor::new()).http2_only().serve_connection(io, service).await,
        Protocol::Any => auto::Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(io, service).await,
    };
}
