//! HTTP/1.1 as a client speaks it on one connection, one request after the other.
//!
//! Whoever waits for the response drives the connection: there is no task beside the call's own, so that a byte of an
//! answer wakes one task and not two. What is read is bounded, and what is not HTTP/1.1 breaks the connection; it is never
//! guessed at. Source: RFC 9112.

#[cfg(test)]
mod fuzzed;
mod head;
#[cfg(test)]
mod tests;

use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::io;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body as _;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::io::{poll_read_buf, poll_write_buf};

use crate::body::{OutgoingBody, SMALL_BYTES};
use crate::clock::LazyTimer;
use crate::heads::{Outgoing, ResponseHead};
use crate::http1::{Framing, Next, Output};
use crate::upload::GivenUp;

/// What one look at the socket reads at most, when the body does not say that it is longer.
const READ_BYTES: usize = 8 << 10;
/// The same for a body that is.
const LONG_READ_BYTES: usize = 64 << 10;
/// Room for most heads of requests.
const HEAD_BYTES: usize = 512;

/// Bytes of an answer that is read where another protocol was asked for.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A socket, with TLS or without.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// Why there is no response, or no more of it.
#[derive(Debug, Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it closed the connection before the answer was whole")]
    Closed,
    #[error("{0}")]
    Protocol(&'static str),
    #[error(transparent)]
    Upload(#[from] GivenUp),
}

/// What became of a request for another protocol.
pub(crate) enum Upgrade {
    /// It is spoken from here on.
    Switched {
        /// The answer.
        head: ResponseHead,
        /// The connection.
        socket: Box<dyn Socket>,
        /// What came behind the head already.
        rest: Bytes,
    },
    /// The upstream said something else.
    Answered {
        /// The answer.
        head: ResponseHead,
        /// Its body, as far as it was read.
        body: Bytes,
    },
}

/// See the module's description.
pub(super) struct Http1 {
    socket: Box<dyn Socket>,
    /// What was read and belongs to nobody yet.
    input: BytesMut,
    /// How far it was searched for the end of a head.
    looked: usize,
    /// What is written first: the head, and a small body with it.
    output: Output,
    /// What is written after it.
    piece: Bytes,
    /// What is to be written after that.
    body: OutgoingBody,
    /// Whether a byte of the request may have left.
    left: bool,
    /// Whether it can write, as far as is known.
    writes: Writes,
    framing: Framing,
    /// Whether it can carry another request after this response.
    keeps: bool,
    /// Whether the request asked for another protocol.
    may_switch: bool,
    /// Of whoever waits for it. It stays with the connection, so that not every call makes one.
    timer: LazyTimer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    /// Some of the request has to be written.
    Some,
    /// It is written; what the socket keeps of it has to leave.
    Flush,
    All,
    /// The upstream takes no more; what it has to say is read none the less.
    Refused,
}

impl Http1 {
    pub(super) fn new(socket: Box<dyn Socket>) -> Http1 {
        Http1 {
            socket,
            input: BytesMut::new(),
            looked: 0,
            output: Output::default(),
            piece: Bytes::new(),
            body: OutgoingBody::default(),
            left: false,
            writes: Writes::All,
            framing: Framing::length(0),
            keeps: true,
            may_switch: false,
            timer: LazyTimer::default(),
        }
    }

    /// Whether it waits for a request, and the upstream has neither closed it nor said anything unasked.
    pub(super) fn is_idle(&mut self) -> bool {
        if !self.can_carry_another() {
            return false;
        }
        // Most often no system call: the event loop knows already that there is nothing to read.
        let mut cx = Context::from_waker(Waker::noop());
        let mut byte = [0];
        let mut byte = tokio::io::ReadBuf::new(&mut byte);
        Pin::new(&mut *self.socket).poll_read(&mut cx, &mut byte).is_pending()
    }

    /// Whether the last response was read to its end, with nothing behind it, and the connection can be used again.
    pub(super) fn can_carry_another(&self) -> bool {
        self.keeps && self.framing.is_ended() && self.writes == Writes::All && self.input.is_empty()
    }

    /// Holds no memory for bytes while it waits for its next request.
    pub(super) fn rest(&mut self) {
        self.input = BytesMut::new();
    }

    /// Whether a byte of the request may have left.
    pub(super) fn has_sent(&self) -> bool {
        self.left
    }

    /// Ready once `due` is over, for whoever waits for the connection.
    pub(super) fn poll_past(&mut self, due: Instant, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.poll_past(due, cx)
    }

    /// Begins a request. It is written while its response is waited for.
    pub(super) fn send(&mut self, request: Outgoing) {
        let length = request.body.size_hint().exact().expect("an outgoing body knows its length");
        let is_small = length <= SMALL_BYTES;
        let room = if is_small { usize::try_from(length).unwrap_or(0) } else { 0 };
        let mut output = Output::with_room(HEAD_BYTES + room);
        head::write_request(&mut output, &request, length);
        self.body = request.body;
        if is_small && self.body.is_whole() {
            while let Some(piece) = self.body.next_piece() {
                output.extend_from_slice(&piece);
            }
        }
        self.output = output;
        self.looked = 0;
        (self.left, self.writes, self.keeps) = (false, Writes::Some, false);
    }

    /// Writes what the socket takes now.
    ///
    /// # Errors
    /// When the request will never be whole: there is no response to wait for.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, GivenUp> {
        while self.writes == Writes::Some {
            if self.output.is_empty() && self.piece.is_empty() {
                // What is written is let go of: it counts against its tenant while it is in memory.
                match self.body.poll_piece(cx) {
                    Poll::Pending => return Ok(Poll::Pending),
                    Poll::Ready(Some(piece)) => (self.output, self.piece) = (Output::default(), piece?),
                    Poll::Ready(None) => {
                        self.end_writing(Writes::Flush);
                        break;
                    }
                }
            }
            let socket = Pin::new(&mut *self.socket);
            let written = if self.output.is_empty() {
                poll_write_buf(socket, cx, &mut self.piece)
            } else {
                poll_write_buf(socket, cx, &mut *self.output)
            };
            match written {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Ok(0) | Err(_)) => self.end_writing(Writes::Refused),
                Poll::Ready(Ok(_)) => self.left = true,
            }
        }
        // TLS keeps records until it is told to let them go.
        if self.writes == Writes::Flush {
            let Poll::Ready(flushed) = Pin::new(&mut *self.socket).poll_flush(cx) else { return Ok(Poll::Pending) };
            self.writes = if flushed.is_ok() { Writes::All } else { Writes::Refused };
        }
        Ok(Poll::Ready(()))
    }

    fn end_writing(&mut self, writes: Writes) {
        (self.output, self.piece, self.body, self.writes) =
            (Output::default(), Bytes::new(), OutgoingBody::default(), writes);
    }

    /// Reads more into `input`.
    fn poll_read(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<Result<(), Fault>> {
        if self.input.capacity() - self.input.len() < bytes / 2 {
            self.input.reserve(bytes);
        }
        match core::task::ready!(poll_read_buf(Pin::new(&mut *self.socket), cx, &mut self.input)) {
            Ok(0) => Poll::Ready(Err(Fault::Closed)),
            Ok(_) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(Fault::Io(error))),
        }
    }

    /// The head of the response, once it has come.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Fault>> {
        loop {
            let _written_later = self.poll_write(cx)?;
            core::task::ready!(self.poll_read(cx, READ_BYTES))?;
            if let Some(head) =
                head::take(&mut self.input, &mut self.looked, self.may_switch).map_err(Fault::Protocol)?
            {
                (self.framing, self.keeps) = (head.framing, head.keeps);
                return Poll::Ready(Ok(head.parts));
            }
        }
    }

    /// Asks for another protocol, on a connection that carries nothing else.
    ///
    /// # Errors
    /// [`Fault`] when there is no answer.
    pub(super) async fn upgrade(mut self, request: Outgoing) -> Result<Upgrade, Fault> {
        self.send(request);
        self.may_switch = true;
        let head = core::future::poll_fn(|cx| self.poll_head(cx)).await?;
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Upgrade::Switched { head, socket: self.socket, rest: self.input.freeze() });
        }
        let mut body = BytesMut::new();
        // What is longer, or breaks off, explains nothing that has to be known.
        while let Some(Ok(data)) = core::future::poll_fn(|cx| self.poll_data(cx)).await {
            if body.len() + data.len() > ANSWER_BYTES_MAX {
                break;
            }
            body.extend_from_slice(&data);
        }
        Ok(Upgrade::Answered { head, body: body.freeze() })
    }

    /// The next bytes of the body; `None` at its end.
    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        loop {
            match self.framing.next(&mut self.input) {
                Ok(Next::Data(data)) => return Poll::Ready(Some(Ok(data))),
                Ok(Next::Ended) => return Poll::Ready(None),
                Ok(Next::More) => {}
                Err(reason) => return Poll::Ready(Some(Err(Fault::Protocol(reason)))),
            }
            let _written_later = match self.poll_write(cx) {
                Ok(written) => written,
                Err(given_up) => return Poll::Ready(Some(Err(given_up.into()))),
            };
            let bytes = if self.framing.has(LONG_READ_BYTES) { LONG_READ_BYTES } else { READ_BYTES };
            match core::task::ready!(self.poll_read(cx, bytes)) {
                Ok(()) => {}
                Err(Fault::Closed) if self.framing.close() => return Poll::Ready(None),
                Err(fault) => return Poll::Ready(Some(Err(fault))),
            }
        }
    }
}
