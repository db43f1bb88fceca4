//! The two control listeners: a Unix socket for commands, and a TCP port that knows nothing but health.

use core::convert::Infallible;
use core::time::Duration;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};

/// The socket's name in the data folder.
pub const SOCKET_NAME: &str = "control.sock";
/// Connections at once on one control listener; more wait.
const CONNECTIONS_MAX: usize = 64;
/// A client must deliver the head of its request within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// After this long a connection is closed, whatever it does.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(600);

/// A bound control socket. Dropping it removes the file.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Binds the socket in `data_dir`, for its owner only. The caller holds the right to serve this folder, so that a socket
    /// on which nobody answers is a leftover and is replaced.
    ///
    /// # Errors
    /// When somebody answers on it, or the system refuses.
    pub async fn bind(data_dir: &Path) -> io::Result<ControlSocket> {
        let path = data_dir.join(SOCKET_NAME);
        if tokio::net::UnixStream::connect(&path).await.is_ok() {
            let message = format!("another process answers on {}", path.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(ControlSocket { listener, path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Serves `router` until `stop` turns true, then lets requests under way end.
    pub async fn serve(self, router: Router, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        while !*stop.borrow() {
            tokio::select! {
                _ = stop.changed() => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => spawn(stream, router.clone(), &places, stop.clone()).await,
                    Err(error) => pause(&error).await,
                },
            }
        }
        drain(&places).await;
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Serves `router` over TCP until `stop` turns true, then lets requests under way end.
pub async fn serve_tcp(listener: TcpListener, router: Router, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while !*stop.borrow() {
        tokio::select! {
            _ = stop.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => spawn(stream, router.clone(), &places, stop.clone()).await,
                Err(error) => pause(&error).await,
            },
        }
    }
    drain(&places).await;
}

/// Out of file descriptors, most likely: trying again at once would only burn the processor.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "a control connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Waits until all places are free, that is, until no connection is left; not for ever.
async fn drain(places: &Semaphore) {
    let all = u32::try_from(CONNECTIONS_MAX).expect("the constant is small");
    let _ = tokio::time::timeout(Duration::from_secs(5), places.acquire_many(all)).await;
}

async fn spawn<S>(stream: S, router: Router, places: &Arc<Semaphore>, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
    tokio::spawn(async move {
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let router = hyper_util::service::TowerToHyperService::new(router.clone());
            async move {
                let answer = hyper::service::Service::call(&router, request.map(Body::new)).await;
                Ok::<_, Infallible>(answer.unwrap_or_else(|never| match never {}))
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = core::pin::pin!(connection);
        let ending = tokio::time::timeout(CONNECTION_TIMEOUT, async {
            tokio::select! {
                ended = connection.as_mut() => return ended,
                _ = stop.changed() => connection.as_mut().graceful_shutdown(),
            }
            connection.await
        });
        if let Ok(Err(error)) = ending.await {
            tracing::debug!(%error, "a control connection ended early");
        }
        drop(place);
    });
}
