//! The listening side: accepts connections within their caps and speaks HTTP/1.1 and HTTP/2 on them, with a deadline on
//! everything that a client may be slow at.

mod head;
mod http1;
mod line;
mod stopping;
mod writing;

use core::task::Poll;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

pub(crate) use self::line::{ClientStream, RequestBody};

use self::line::{Line, SharedLine};
use self::stopping::Stopping;
use crate::client_body::ClientBody;
use crate::pipeline;
use crate::relay::Relay;
use crate::settings::Settings;
use crate::stalling::Stalling;

/// Wait after an error of the listener itself, such as too many open files.
const ACCEPT_RETRY: core::time::Duration = core::time::Duration::from_millis(50);
/// How a connection begins that speaks HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

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
    let http2 = Arc::new(http2_builder(&relay.settings));
    let places = Arc::new(Semaphore::new(relay.settings.connections_max));
    let addresses = Arc::new(Addresses::new(relay.settings.connections_per_address_max));
    let (stopping, _) = watch::channel(false);
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
        let connection = serve(relay.clone(), http2.clone(), stream, peer.ip(), Stopping::new(stopping.subscribe()));
        tokio::spawn(async move {
            connection.await;
            drop((place, share));
        });
    }
    drop(listener);
    stopping.send_replace(true);
    stopping.closed().await;
}

/// Speaks HTTP on one connection until it ends.
async fn serve(
    relay: Arc<Relay>,
    http2: Arc<http2::Builder<TokioExecutor>>,
    stream: TcpStream,
    address: IpAddr,
    mut stopping: Stopping,
) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut line = Line::new(Stalling::new(stream, relay.settings.stall_timeout));
    match timeout(relay.settings.head_timeout, speaks_http2(&mut line, &mut stopping)).await {
        Ok(Some(true)) => serve_http2(relay, &http2, line, address, stopping).await,
        Ok(Some(false)) => http1::serve(&relay, SharedLine::new(line), address, &mut stopping).await,
        Ok(None) | Err(_) => {}
    }
}

/// Whether a connection begins as HTTP/2 does; `None` when it ends before that is known, or the process stops.
async fn speaks_http2(line: &mut Line, stopping: &mut Stopping) -> Option<bool> {
    core::future::poll_fn(|cx| {
        loop {
            let seen = line.input.len().min(PREFACE.len());
            if seen > 0 && (seen == PREFACE.len() || line.input[..seen] != PREFACE[..seen]) {
                return Poll::Ready(Some(line.input[..seen] == PREFACE[..seen]));
            }
            match line.poll_fill(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending => return stopping.poll(cx).map(|()| None),
            }
        }
    })
    .await
}

/// Many requests at a time, by hyper.
async fn serve_http2(
    relay: Arc<Relay>,
    builder: &http2::Builder<TokioExecutor>,
    line: Line,
    address: IpAddr,
    mut stopping: Stopping,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let relay = relay.clone();
        let (head, body) = request.into_parts();
        // Boxed, since hyper moves what it is given several times, and a call's future has some kilobytes.
        let reply = Box::pin(pipeline::handle(relay, address, head.into(), ClientBody::Http2(body)));
        async move { Ok::<_, core::convert::Infallible>(reply.await.into_response()) }
    });
    let mut connection = core::pin::pin!(builder.serve_connection(TokioIo::new(line), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = core::future::poll_fn(|cx| stopping.poll(cx)) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client connection ended");
    }
}

/// hyper's limits. Without a timer its own deadlines would do nothing.
fn http2_builder(settings: &Settings) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.http2_streams_max)
        .max_header_list_size(u32::try_from(settings.head_bytes_max).unwrap_or(u32::MAX))
        // A client may leave all its calls at once before a busy relay has looked at them.
        .max_pending_accept_reset_streams(usize::try_from(settings.http2_streams_max).ok())
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
