//! The listening side: accepts connections within their caps and speaks HTTP/1.1 and HTTP/2 on them, with a deadline on
//! everything that a client may be slow at.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::pipeline;
use crate::relay::Relay;
use crate::settings::Settings;
use crate::stalling::Stalling;

/// Wait after an error of the listener itself, such as too many open files.
const ACCEPT_RETRY: core::time::Duration = core::time::Duration::from_millis(50);

/// Opens the listening socket. The backlog is large, so that a burst of connections waits rather than fails.
pub(crate) fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(4_096)?;
    TcpListener::from_std(socket.into())
}

/// Accepts connections until `stop` changes, then waits for those under way.
pub(crate) async fn accept(relay: Arc<Relay>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let builder = Arc::new(http_builder(&relay.settings));
    let places = Arc::new(Semaphore::new(relay.settings.connections_max));
    let addresses = Arc::new(Addresses::new(relay.settings.connections_per_address_max));
    let graceful = GracefulShutdown::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            break;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let Some(share) = addresses.enter(peer.ip()) else {
            continue;
        };
        let connection = serve(relay.clone(), builder.clone(), stream, peer.ip(), graceful.watcher());
        tokio::spawn(async move {
            connection.await;
            drop((place, share));
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Speaks HTTP on one connection until it ends.
async fn serve(
    relay: Arc<Relay>,
    builder: Arc<auto::Builder<TokioExecutor>>,
    stream: TcpStream,
    address: IpAddr,
    watcher: Watcher,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let stall_timeout = relay.settings.stall_timeout;
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let relay = relay.clone();
        // Boxed, since hyper moves what it is given several times, and a call's future has some kilobytes.
        async move { Ok::<_, core::convert::Infallible>(Box::pin(pipeline::handle(relay, address, request)).await) }
    });
    let stream = Stalling::new(stream, stall_timeout);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error, "a client connection ended");
    }
}

/// hyper's limits. Without a timer its own deadlines would do nothing.
fn http_builder(settings: &Settings) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.head_timeout)
        .max_headers(settings.headers_max)
        .max_buf_size(settings.head_bytes_max.max(8 << 10))
        // One buffer for head and body saves a system call's work. Not `pipeline_flush`: it would let a slow reader's answer
        // fill memory, since it buffers without limit.
        .writev(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.http2_streams_max)
        .max_header_list_size(u32::try_from(settings.head_bytes_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(20)
        .keep_alive_interval(settings.head_timeout)
        .keep_alive_timeout(settings.head_timeout);
    builder
}

/// Open connections by client address.
struct Addresses {
    open: Mutex<HashMap<IpAddr, usize>>,
    each_max: usize,
}

/// One connection's share of its address's cap; given back when dropped.
struct Share {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    fn new(each_max: usize) -> Addresses {
        Addresses { open: Mutex::default(), each_max }
    }

    fn enter(self: &Arc<Addresses>, address: IpAddr) -> Option<Share> {
        let mut open = self.open.lock().expect("no panic while connections are counted");
        let count = open.entry(address).or_insert(0);
        if *count >= self.each_max {
            return None;
        }
        *count += 1;
        Some(Share { addresses: self.clone(), address })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().expect("no panic while connections are counted");
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}
