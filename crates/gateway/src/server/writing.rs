//! A reply on its way to a client over HTTP/1.1: its head, and its body whole or in chunks.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::cell::RefCell;
use std::io;

use base::Timestamp;
use bytes::BytesMut;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;

use super::line::SharedLine;
use crate::answer::AnswerBody;
use crate::http1::{Fields, Output};
use crate::reply::Reply;

/// No more of a body is asked for while so much of it waits to be written: a client that reads slowly fills no memory.
const OUTPUT_BYTES: usize = 16 << 10;

/// What a request leaves open about its reply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// It was HEAD: the reply has no body.
    pub(super) is_head: bool,
    /// It was HTTP/1.0, which has no chunks.
    pub(super) is_http10: bool,
    /// Whether the connection can carry another request.
    pub(super) keeps: bool,
    pub(super) now: Timestamp,
}

/// See the module's description.
pub(super) struct Writing {
    output: Output,
    body: AnswerBody,
    framing: Framing,
    /// The body broke off: its end is not written, so that the client sees that it is not whole.
    is_broken: bool,
}

/// How the body's end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// By its length, or by the end of the connection.
    Plain,
    Chunks,
    /// It was written.
    Ended,
}

impl Writing {
    pub(super) fn new(reply: Reply, manner: Manner) -> Writing {
        let Reply { status, fields, body, .. } = reply;
        let length = body.size_hint().exact();
        let room = length.map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX).min(OUTPUT_BYTES));
        let mut output = Output::with_room(256 + fields.lines().len() + room);
        write_status(&mut output, status);
        output.extend_from_slice(fields.lines());
        let has_no_body =
            status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let framing = match length {
            _ if has_no_body => Framing::Ended,
            Some(length) => {
                output.extend_from_slice(b"content-length: ");
                output.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
                output.extend_from_slice(b"\r\n");
                Framing::Plain
            }
            None if manner.is_http10 => Framing::Plain,
            None => {
                output.extend_from_slice(b"transfer-encoding: chunked\r\n");
                Framing::Chunks
            }
        };
        if !manner.keeps && status != StatusCode::SWITCHING_PROTOCOLS {
            output.extend_from_slice(b"connection: close\r\n");
        }
        write_date(&mut output, manner.now);
        output.extend_from_slice(b"\r\n");
        Writing { output, body, framing: if manner.is_head { Framing::Ended } else { framing }, is_broken: false }
    }

    /// Ready when all is written.
    ///
    /// # Errors
    /// When the client is gone or takes nothing, or the body broke off.
    pub(super) fn poll(&mut self, line: &SharedLine, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.gather(cx);
            if self.output.is_empty() {
                if self.is_broken {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                if self.framing == Framing::Ended {
                    return Poll::Ready(Ok(()));
                }
                // Nothing to write: only the client's going is to be seen.
                return line.lock().poll_gone(cx).map(|()| Err(io::ErrorKind::ConnectionAborted.into()));
            }
            ready!(line.lock().poll_write_all(cx, &mut *self.output))?;
        }
    }

    /// Takes what there is of the body.
    fn gather(&mut self, cx: &mut Context<'_>) {
        while self.framing != Framing::Ended && !self.is_broken && self.output.len() < OUTPUT_BYTES {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else { return };
            let is_chunked = self.framing == Framing::Chunks;
            let Ok(frame) = frame.transpose() else {
                self.is_broken = true;
                return;
            };
            match frame.map(http_body::Frame::into_data) {
                Some(Ok(data)) if is_chunked => write_chunk(&mut self.output, &data),
                Some(Ok(data)) => self.output.extend_from_slice(&data),
                Some(Err(frame)) => self.end(frame.into_trailers().ok().as_ref()),
                None => self.end(None),
            }
        }
    }

    fn end(&mut self, trailers: Option<&HeaderMap>) {
        if self.framing == Framing::Chunks {
            self.output.extend_from_slice(b"0\r\n");
            let mut lines = Fields::default();
            for (name, value) in trailers.into_iter().flatten() {
                lines.put(name, value);
            }
            self.output.extend_from_slice(lines.lines());
            self.output.extend_from_slice(b"\r\n");
        }
        self.framing = Framing::Ended;
    }
}

/// The status line.
pub(super) fn write_status(output: &mut BytesMut, status: StatusCode) {
    output.extend_from_slice(b"HTTP/1.1 ");
    output.extend_from_slice(status.as_str().as_bytes());
    output.extend_from_slice(b" ");
    output.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    output.extend_from_slice(b"\r\n");
}

fn write_chunk(output: &mut BytesMut, data: &[u8]) {
    // A chunk of no bytes would be the last one.
    if data.is_empty() {
        return;
    }
    const DIGITS: usize = 16;
    let (mut text, mut first, mut rest) = ([0; DIGITS], DIGITS, data.len());
    while rest > 0 {
        first -= 1;
        text[first] = b"0123456789abcdef"[rest & 0xf];
        rest >>= 4;
    }
    output.extend_from_slice(&text[first..]);
    output.extend_from_slice(b"\r\n");
    output.extend_from_slice(data);
    output.extend_from_slice(b"\r\n");
}

/// The `Date` header (RFC 9110, section 6.6.1), which is made once a second.
pub(super) fn write_date(output: &mut BytesMut, now: Timestamp) {
    thread_local! {
        static LAST: RefCell<(i64, String)> = const { RefCell::new((-1, String::new())) };
    }
    LAST.with_borrow_mut(|(second, line)| {
        if *second != now.seconds() {
            let since = core::time::Duration::from_secs(now.seconds().unsigned_abs());
            *line = format!("date: {}\r\n", httpdate::fmt_http_date(std::time::UNIX_EPOCH + since));
            *second = now.seconds();
        }
        output.extend_from_slice(line.as_bytes());
    });
}
