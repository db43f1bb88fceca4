//! A connection that carries one request: its own over HTTP/1.1, or a shared one over HTTP/2.

use core::error::Error as _;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http2};
use thiserror::Error;
use tokio::time::Instant;

use super::http1::{self, Http1};
use super::pool::Pool;
use crate::body::OutgoingBody;
use crate::clock::LazyTimer;
use crate::heads::{Outgoing, ResponseHead};

/// See the module's description.
pub(crate) struct Connection {
    kind: Kind,
    /// Whether it served an earlier request, so that it may have been closed meanwhile.
    pub(crate) reused: bool,
    pool: Arc<Pool>,
}

pub(super) enum Kind {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

/// One request on a shared connection.
pub(super) struct Http2 {
    sender: http2::SendRequest<OutgoingBody>,
    stage: Stage,
    timer: LazyTimer,
    /// Uncounted when dropped.
    _counted: Counted,
}

type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<Incoming>, SendError>> + Send>>;

/// How far it is.
enum Stage {
    Unsent,
    Sent(ResponseFuture),
    Reading(Incoming),
    Ended,
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Kind {
    /// On a shared connection with so many `requests`.
    pub(super) fn http2(sender: http2::SendRequest<OutgoingBody>, requests: &Arc<AtomicUsize>) -> Kind {
        requests.fetch_add(1, Ordering::Relaxed);
        Kind::Http2(Box::new(Http2 {
            sender,
            stage: Stage::Unsent,
            timer: LazyTimer::default(),
            _counted: Counted(requests.clone()),
        }))
    }
}

/// Why there is no answer, or no more of it.
#[derive(Debug, Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Http1(#[from] http1::Fault),
    #[error(transparent)]
    Http2(#[from] hyper::Error),
}

/// Why a request got no response head, and whether anything may have come of it.
#[derive(Debug)]
pub(crate) struct SendError {
    /// False only when it is certain that no byte left, or when the upstream says that it did nothing with them.
    pub(crate) may_have_left: bool,
    pub(crate) source: Fault,
}

impl From<TrySendError<Request<OutgoingBody>>> for SendError {
    fn from(mut error: TrySendError<Request<OutgoingBody>>) -> SendError {
        // hyper hands the request back exactly when it never began to write it.
        let has_begun = error.take_message().is_none();
        let error = error.into_error();
        SendError { may_have_left: has_begun && !is_unprocessed(&error), source: error.into() }
    }
}

/// Whether the upstream says that it did nothing with the request (RFC 9113, section 8.7): it refused the stream, or went
/// away and named an earlier one as the last. Of streams up to that one nothing is told but that the connection broke.
fn is_unprocessed(error: &hyper::Error) -> bool {
    let Some(cause) = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>()) else { return false };
    let is_refused = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
    cause.is_remote() && (is_refused || cause.is_go_away())
}

impl Connection {
    pub(super) fn new(kind: Kind, reused: bool, pool: Arc<Pool>) -> Connection {
        Connection { kind, reused, pool }
    }

    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.kind, Kind::Http2(..))
    }

    /// Begins the request, which goes on while its response is waited for.
    pub(crate) fn send(&mut self, request: Outgoing) {
        match &mut self.kind {
            Kind::Http1(connection) => connection.send(request),
            Kind::Http2(shared) => {
                let response = shared.sender.try_send_request(request.into_http2());
                shared.stage = Stage::Sent(Box::pin(async { response.await.map_err(SendError::from) }));
            }
        }
    }

    /// The head of the response.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, SendError>> {
        match &mut self.kind {
            Kind::Http1(connection) => connection
                .poll_head(cx)
                .map_err(|fault| SendError { may_have_left: connection.has_sent(), source: fault.into() }),
            Kind::Http2(shared) => {
                let Stage::Sent(response) = &mut shared.stage else { unreachable!("a head follows a request") };
                let (head, body) = core::task::ready!(response.as_mut().poll(cx))?.into_parts();
                shared.stage = Stage::Reading(body);
                Poll::Ready(Ok(head.into()))
            }
        }
    }

    /// Ready once `due` is over, for whoever waits for the head or the next bytes.
    pub(crate) fn poll_past(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.kind {
            Kind::Http1(connection) => connection.poll_past(due, cx),
            Kind::Http2(shared) => shared.timer.poll_past(due, cx),
        }
    }

    /// The next bytes of the body; `None` at its end. Trailers are not handed out: none of the dialects uses them.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        match &mut self.kind {
            Kind::Http1(connection) => connection.poll_data(cx).map_err(Fault::from),
            Kind::Http2(shared) => shared.poll_data(cx).map_err(Fault::from),
        }
    }

    /// Gives a connection back whose response was read to its end.
    pub(crate) fn release(self) {
        // An HTTP/2 connection is in the pool already; dropping uncounts this request.
        if let Kind::Http1(mut connection) = self.kind
            && connection.can_carry_another()
        {
            connection.rest();
            self.pool.keep(connection);
        }
    }
}

impl Http2 {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        let Stage::Reading(body) = &mut self.stage else { return Poll::Ready(None) };
        loop {
            match core::task::ready!(Pin::new(&mut *body).poll_frame(cx)).transpose()? {
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                None => {
                    self.stage = Stage::Ended;
                    return Poll::Ready(None);
                }
            }
        }
    }
}
