//! A client's socket and what was read from it, shared by the task of the connection and the body of the request under way.

use core::mem::MaybeUninit;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use crate::client_body::BrokenOff;
use crate::http1::{Framing, Next};
use crate::stalling::Stalling;

/// What one look at the socket reads at most. It lies on the stack: a connection that waits holds no memory for bytes.
const READ_BYTES: usize = 8 << 10;
/// What is read at a time of a body that is longer.
const LONG_READ_BYTES: usize = 64 << 10;
/// What a client that waits for it is told before its body is read.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// See the module's description.
pub(crate) struct Line {
    socket: Stalling<TcpStream>,
    /// What was read and belongs to nobody yet.
    pub(super) input: BytesMut,
    /// Where the body of the request under way ends.
    pub(super) framing: Framing,
    /// What is left of [`CONTINUE`] to be said before the body is read.
    interim: Bytes,
    /// Counts the requests: a body is that of one of them.
    request: u64,
}

impl Line {
    pub(super) fn new(socket: Stalling<TcpStream>) -> Line {
        Line { socket, input: BytesMut::new(), framing: Framing::length(0), interim: Bytes::new(), request: 0 }
    }

    /// A request has begun. Its client may wait to be told that its body is wanted.
    pub(super) fn begin(&mut self, framing: Framing, expects_continue: bool) {
        self.framing = framing;
        self.interim = if expects_continue { Bytes::from_static(CONTINUE) } else { Bytes::new() };
    }

    /// Nobody reads the body of the request under way any more.
    pub(super) fn end(&mut self) {
        self.request += 1;
    }

    /// Reads more into `input`; how many bytes came, 0 at the end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.framing.has(READ_BYTES) {
            if self.input.capacity() - self.input.len() < READ_BYTES {
                self.input.reserve(LONG_READ_BYTES);
            }
            return poll_read_buf(Pin::new(&mut self.socket), cx, &mut self.input);
        }
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut read = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
        self.input.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Ready when the client has gone, while its answer is made. What it says meanwhile is kept for later.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Whoever reads the body finds out by itself.
        while self.framing.is_ended() && self.input.is_empty() {
            match ready!(self.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
        Poll::Pending
    }

    /// Throws away what has come of a body that nobody read; says whether that was all of it.
    pub(super) fn skip_rest(&mut self) -> bool {
        loop {
            match self.framing.next(&mut self.input) {
                Ok(Next::Data(_)) => {}
                Ok(Next::Ended) => return true,
                Ok(Next::More) | Err(_) => return false,
            }
        }
    }

    /// Whether the client sent, or is sending, what nobody reads.
    pub(super) fn has_unread(&self) -> bool {
        !self.framing.is_ended() || !self.input.is_empty()
    }

    /// Writes some of `bytes` and takes them off; ready when none is left.
    pub(super) fn poll_write_all(&mut self, cx: &mut Context<'_>, bytes: &mut impl bytes::Buf) -> Poll<io::Result<()>> {
        while bytes.has_remaining() {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, bytes.chunk()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => bytes.advance(written),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The next bytes of the body; `None` at its end.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            match self.framing.next(&mut self.input) {
                Ok(Next::Data(data)) => return Poll::Ready(Some(Ok(data))),
                Ok(Next::Ended) => return Poll::Ready(None),
                Ok(Next::More) => {}
                Err(reason) => {
                    tracing::debug!(reason, "a request body breaks HTTP/1.1");
                    return Poll::Ready(Some(Err(BrokenOff)));
                }
            }
            let mut interim = core::mem::take(&mut self.interim);
            let told = self.poll_write_all(cx, &mut interim);
            self.interim = interim;
            if ready!(told).is_err() {
                return Poll::Ready(Some(Err(BrokenOff)));
            }
            if !matches!(ready!(self.poll_fill(cx)), Ok(1..)) {
                return Poll::Ready(Some(Err(BrokenOff)));
            }
        }
    }
}

/// For HTTP/2 and whatever a request has switched to: what was read comes first.
impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            return Pin::new(&mut self.socket).poll_read(cx, into);
        }
        let bytes = self.input.len().min(into.remaining());
        into.put_slice(&self.input[..bytes]);
        self.input.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// A [`Line`] that speaks another protocol from now on, with what was read of that already.
pub(crate) type ClientStream = Box<Line>;

/// A [`Line`] in two hands, of which one at a time uses it.
#[derive(Clone)]
pub(super) struct SharedLine(Arc<Mutex<Line>>);

impl SharedLine {
    pub(super) fn new(line: Line) -> SharedLine {
        SharedLine(Arc::new(Mutex::new(line)))
    }

    /// The line, when this is the last hand that has it.
    pub(super) fn into_stream(self) -> Option<ClientStream> {
        Arc::into_inner(self.0).map(|line| Box::new(line.into_inner().expect("no panic while a line is used")))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().expect("no panic while a line is used")
    }
}

/// The body of the request under way.
pub(crate) struct RequestBody {
    line: SharedLine,
    request: u64,
}

impl RequestBody {
    pub(super) fn of(line: &SharedLine) -> RequestBody {
        let request = line.lock().request;
        RequestBody { line: line.clone(), request }
    }

    /// The next bytes; `None` at the end.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let mut line = self.line.lock();
        // Whoever still reads after its request was answered must not get the next one's.
        if line.request != self.request {
            return Poll::Ready(Some(Err(BrokenOff)));
        }
        line.poll_data(cx)
    }

    /// How much is to come, where that is known.
    pub(crate) fn bytes_left(&self) -> Option<u64> {
        self.line.lock().framing.bytes_left()
    }
}

#[cfg(test)]
mod tests {
    use core::task::Waker;
    use core::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_body_that_outlives_its_request_reads_nothing_of_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let line = SharedLine::new(Line::new(Stalling::new(socket, Duration::from_secs(1))));
        client.write_all(b"firstnext!").await.unwrap();
        line.lock().begin(Framing::length(5), false);
        let mut first = RequestBody::of(&line);
        let data = core::future::poll_fn(|cx| first.poll_data(cx)).await;
        assert_eq!(data.unwrap().unwrap(), "first");
        line.lock().end();
        line.lock().begin(Framing::length(5), false);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(first.poll_data(&mut cx), Poll::Ready(Some(Err(BrokenOff)))));
        let next = core::future::poll_fn(|cx| RequestBody::of(&line).poll_data(cx)).await;
        assert_eq!(next.unwrap().unwrap(), "next!");
    }
}
