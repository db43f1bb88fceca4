//! HTTP/1.1 as a server speaks it on one connection: one request after the other, each answered by the task of the
//! connection itself. Source: RFC 9112. Why it is not hyper's: `docs/decisions/0009-http1-listener.md`.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::BytesMut;
use http::Method;
use tokio::io::AsyncWrite as _;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::head::{self, Head, Malformed};
use super::line::{ClientStream, RequestBody, SharedLine};
use super::stopping::Stopping;
use super::writing::{Manner, Writing, write_date, write_status};
use crate::client_body::ClientBody;
use crate::clock::LazyTimer;
use crate::pipeline;
use crate::relay::Relay;

/// How long a closed connection is read on, so that its client gets the answer before it learns that nobody listens:
/// unread bytes make the kernel throw away what was written.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes that are read on meanwhile.
const LINGER_BYTES: usize = 1 << 20;

/// What a client's side of a connection comes to.
enum Next {
    Request(Box<Head>),
    Malformed(Malformed),
    /// It has left, asked for nothing in time, or the process stops.
    Over,
}

/// What becomes of a connection after a reply.
enum Then {
    Next,
    Close,
    /// It speaks another protocol from now on, and is somebody else's.
    HandOver(oneshot::Sender<ClientStream>),
}

/// Answers requests until the client leaves, either side wants the connection closed, or the process stops.
pub(super) async fn serve(relay: &Arc<Relay>, line: SharedLine, address: IpAddr, stopping: &mut Stopping) {
    let mut patience = Patience::new(relay.settings.head_timeout);
    let mut looked = 0;
    loop {
        patience.begin();
        let next = core::future::poll_fn(|cx| poll_next(relay, &line, &mut looked, &mut patience, stopping, cx)).await;
        let then = match next {
            Next::Request(head) => answer(relay, &line, address, *head, stopping).await,
            Next::Malformed(malformed) => refuse(relay, &line, malformed).await,
            Next::Over => Then::Close,
        };
        line.lock().end();
        match then {
            Then::Next => {}
            Then::Close => return close(&line).await,
            Then::HandOver(successor) => {
                // Whoever is to have it may have gone meanwhile; then it is closed.
                let _ = line.into_stream().map(|stream| successor.send(stream));
                return;
            }
        }
    }
}

/// The next request, once its head is whole.
fn poll_next(
    relay: &Relay,
    line: &SharedLine,
    looked: &mut usize,
    patience: &mut Patience,
    stopping: &mut Stopping,
    cx: &mut Context<'_>,
) -> Poll<Next> {
    let mut line = line.lock();
    loop {
        if !line.input.is_empty() {
            match head::take(&mut line.input, looked, &relay.settings) {
                Ok(Some(head)) => return Poll::Ready(Next::Request(Box::new(head))),
                Ok(None) => {}
                Err(malformed) => return Poll::Ready(Next::Malformed(malformed)),
            }
        }
        match line.poll_fill(cx) {
            Poll::Ready(Ok(1..)) => {}
            Poll::Ready(_) => return Poll::Ready(Next::Over),
            Poll::Pending => break,
        }
    }
    if line.input.is_empty() {
        // Nothing is kept for a client that asks for nothing.
        line.input = BytesMut::new();
        if stopping.poll(cx).is_ready() {
            return Poll::Ready(Next::Over);
        }
    }
    patience.poll_over(cx).map(|()| Next::Over)
}

/// Answers one request.
async fn answer(relay: &Arc<Relay>, line: &SharedLine, address: IpAddr, head: Head, stopping: &mut Stopping) -> Then {
    let (is_head, is_http10, keeps) = (head.parts.method == Method::HEAD, head.is_http10(), head.keeps);
    line.lock().begin(head.framing, head.expects_continue);
    let body = ClientBody::Http1(RequestBody::of(line));
    // On the heap, since it has some kilobytes, which a connection that waits must not hold. `Box::pin` would make it
    // elsewhere and copy all of them.
    let place = Box::new_uninit();
    let mut reply = Box::into_pin(Box::write(place, pipeline::handle(relay.clone(), address, head.parts, body)));
    let replied = core::future::poll_fn(|cx| match reply.as_mut().poll(cx) {
        Poll::Ready(reply) => Poll::Ready(Some(reply)),
        // Dropping the call cancels it.
        Poll::Pending => line.lock().poll_gone(cx).map(|()| None),
    });
    let Some(mut replied) = replied.await else { return Then::Close };
    drop(reply);
    let keeps = keeps && !replied.closes && line.lock().skip_rest() && !stopping.is_on();
    let successor = replied.successor.take();
    let manner = Manner { is_head, is_http10, keeps, now: relay.clock.now() };
    let mut writing = Writing::new(replied, manner);
    let written = core::future::poll_fn(|cx| writing.poll(line, cx)).await;
    match successor {
        Some(successor) if written.is_ok() => Then::HandOver(successor),
        None if written.is_ok() && keeps => Then::Next,
        _ => Then::Close,
    }
}

/// Says what is wrong with a head. Nothing is known of its dialect.
async fn refuse(relay: &Relay, line: &SharedLine, Malformed(status): Malformed) -> Then {
    let mut output = BytesMut::with_capacity(128);
    write_status(&mut output, status);
    output.extend_from_slice(b"content-length: 0\r\nconnection: close\r\n");
    write_date(&mut output, relay.clock.now());
    output.extend_from_slice(b"\r\n");
    let written = core::future::poll_fn(|cx| line.lock().poll_write_all(cx, &mut output)).await;
    tracing::debug!(%status, told = written.is_ok(), "a request's head was refused");
    Then::Close
}

/// Closes our side, and reads on for a moment where the client is still sending.
async fn close(line: &SharedLine) {
    let shut = core::future::poll_fn(|cx| Pin::new(&mut *line.lock()).poll_shutdown(cx)).await;
    if shut.is_err() || !line.lock().has_unread() {
        return;
    }
    let mut bytes = 0;
    let read_on = core::future::poll_fn(|cx| {
        loop {
            let mut line = line.lock();
            line.input = BytesMut::new();
            match ready!(line.poll_fill(cx)) {
                Ok(read @ 1..) if bytes < LINGER_BYTES => bytes += read,
                _ => return Poll::Ready(()),
            }
        }
    });
    let _left = tokio::time::timeout(LINGER, read_on).await;
}

/// How long a client may take for a head, from the moment when the connection is ready for it.
struct Patience {
    timeout: Duration,
    since: Instant,
    timer: LazyTimer,
}

impl Patience {
    fn new(timeout: Duration) -> Patience {
        Patience { timeout, since: Instant::now(), timer: LazyTimer::default() }
    }

    fn begin(&mut self) {
        self.since = Instant::now();
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.poll_past(self.since + self.timeout, cx)
    }
}
