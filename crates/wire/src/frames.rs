//! Framing of Amazon's event streams: finds where frames end in a stream that is cut anywhere, checks their sums, and gives
//! the payload of each. Also writes frames: the error that this relay sends itself, and the events of a translated answer.
//!
//! A frame is its length and that of its headers, a sum of both, the headers, the payload, and a sum of everything before.

use crc32fast::Hasher;

use crate::sse::{Event, StreamFault};

/// Both lengths and their sum.
const PRELUDE_BYTES: usize = 12;
/// The sum at the end.
const SUM_BYTES: usize = 4;
/// Most bytes of headers, as Amazon has it.
const HEADERS_BYTES_MAX: usize = 128 << 10;
/// The type of a header whose value is a text.
const TEXT: u8 = 7;

/// A frame that has just ended.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    /// `None` when it is more than is read.
    pub(crate) payload: Option<&'a [u8]>,
    /// It says that it is an error.
    pub(crate) is_error: bool,
    /// What kind of error it is; empty where nothing says it.
    pub(crate) error_kind: &'a [u8],
}

/// The state between chunks.
#[derive(Debug)]
pub(crate) struct FrameFramer {
    frame_bytes_max: usize,
    event_bytes_max: usize,
    prelude: [u8; PRELUDE_BYTES],
    /// Bytes of the current frame that came.
    seen: usize,
    /// Bytes that it has, once its prelude is there.
    total: usize,
    headers_bytes: usize,
    sum: Hasher,
    /// Headers and payload, as far as they may be read.
    kept: Vec<u8>,
    tail: [u8; SUM_BYTES],
}

impl FrameFramer {
    pub(crate) fn new(frame_bytes_max: usize, event_bytes_max: usize) -> FrameFramer {
        FrameFramer {
            frame_bytes_max,
            event_bytes_max,
            prelude: [0; PRELUDE_BYTES],
            seen: 0,
            total: 0,
            headers_bytes: 0,
            sum: Hasher::new(),
            kept: Vec::new(),
            tail: [0; SUM_BYTES],
        }
    }

    /// Like [`FrameFramer::next_frame`], for whoever reads events of any framing.
    ///
    /// # Errors
    /// Those of [`FrameFramer::next_frame`].
    pub(crate) fn next<'a>(&'a mut self, chunk: &[u8], at: &mut usize) -> Result<Option<Event<'a>>, StreamFault> {
        let frame = self.next_frame(chunk, at)?;
        Ok(frame.map(|frame| Event { data: frame.payload, is_error: frame.is_error }))
    }

    /// Reads on in `chunk` from `at`, up to the end of the next frame, and moves `at` there; `None` when the chunk ends
    /// before.
    ///
    /// # Errors
    /// [`StreamFault::LineTooLong`], of a frame, and [`StreamFault::BadFrame`].
    pub(crate) fn next_frame<'a>(&'a mut self, chunk: &[u8], at: &mut usize) -> Result<Option<Frame<'a>>, StreamFault> {
        while *at < chunk.len() {
            let rest = &chunk[*at..];
            if self.seen < PRELUDE_BYTES {
                let taken = rest.len().min(PRELUDE_BYTES - self.seen);
                self.prelude[self.seen..self.seen + taken].copy_from_slice(&rest[..taken]);
                (self.seen, *at) = (self.seen + taken, *at + taken);
                if self.seen == PRELUDE_BYTES {
                    self.begin()?;
                }
                continue;
            }
            let body_end = self.total - SUM_BYTES;
            if self.seen < body_end {
                let taken = rest.len().min(body_end - self.seen);
                self.sum.update(&rest[..taken]);
                // A frame too large to be read is only checked.
                if self.total <= self.event_bytes_max {
                    self.kept.extend_from_slice(&rest[..taken]);
                }
                (self.seen, *at) = (self.seen + taken, *at + taken);
                continue;
            }
            let taken = rest.len().min(self.total - self.seen);
            let start = self.seen - body_end;
            self.tail[start..start + taken].copy_from_slice(&rest[..taken]);
            (self.seen, *at) = (self.seen + taken, *at + taken);
            if self.seen == self.total {
                return self.end().map(Some);
            }
        }
        Ok(None)
    }

    /// The prelude is there: what follows is known.
    fn begin(&mut self) -> Result<(), StreamFault> {
        let number = |at: usize| {
            let bytes = self.prelude.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
            bytes.map_or(0, u32::from_be_bytes)
        };
        let (total, headers, sum) = (number(0) as usize, number(4) as usize, number(8));
        if crc32fast::hash(&self.prelude[..8]) != sum {
            return Err(StreamFault::BadFrame);
        }
        if total > self.frame_bytes_max {
            return Err(StreamFault::LineTooLong(self.frame_bytes_max));
        }
        let room = total.checked_sub(PRELUDE_BYTES + SUM_BYTES).ok_or(StreamFault::BadFrame)?;
        if headers > room.min(HEADERS_BYTES_MAX) {
            return Err(StreamFault::BadFrame);
        }
        (self.total, self.headers_bytes) = (total, headers);
        self.sum = Hasher::new();
        self.sum.update(&self.prelude);
        self.kept.clear();
        Ok(())
    }

    /// The frame is whole.
    fn end(&mut self) -> Result<Frame<'_>, StreamFault> {
        self.seen = 0;
        let sum = core::mem::take(&mut self.sum).finalize();
        if sum != u32::from_be_bytes(self.tail) {
            return Err(StreamFault::BadFrame);
        }
        if self.total > self.event_bytes_max {
            return Ok(Frame { payload: None, is_error: false, error_kind: b"" });
        }
        let (headers, payload) = self.kept.split_at(self.headers_bytes);
        let (is_error, error_kind) = error_of(headers).ok_or(StreamFault::BadFrame)?;
        Ok(Frame { payload: Some(payload), is_error, error_kind })
    }
}

/// Whether the headers say that the frame is an error, and of which kind; `None` when they are no headers.
fn error_of(mut headers: &[u8]) -> Option<(bool, &[u8])> {
    let (mut is_error, mut error_kind) = (false, &b""[..]);
    while !headers.is_empty() {
        let name = take_prefixed(&mut headers, 1)?;
        let (kind, rest) = headers.split_first()?;
        headers = rest;
        let value = match kind {
            0 | 1 => &[][..],
            2 => take(&mut headers, 1)?,
            3 => take(&mut headers, 2)?,
            4 => take(&mut headers, 4)?,
            5 | 8 => take(&mut headers, 8)?,
            6 | 7 => take_prefixed(&mut headers, 2)?,
            9 => take(&mut headers, 16)?,
            _ => return None,
        };
        is_error |= name == b":message-type" && matches!(value, b"exception" | b"error");
        if matches!(name, b":exception-type" | b":error-code") {
            error_kind = value;
        }
    }
    Some((is_error, error_kind))
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(bytes)?;
    *rest = left;
    Some(taken)
}

/// Takes what stands behind its own length, which has `width` bytes.
fn take_prefixed<'a>(rest: &mut &'a [u8], width: usize) -> Option<&'a [u8]> {
    let length = take(rest, width)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    take(rest, length)
}

/// A frame that ends a stream with an error of this kind.
pub(crate) fn exception(kind: &str, payload: &[u8]) -> Vec<u8> {
    frame([(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")], payload)
}

/// A frame with one event of a stream.
pub(crate) fn event(kind: &str, payload: &[u8]) -> Vec<u8> {
    frame([(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")], payload)
}

fn frame(named: [(&str, &str); 3], payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::with_capacity(96);
    for (name, value) in named {
        headers.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        headers.extend_from_slice(name.as_bytes());
        headers.push(TEXT);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = Vec::with_capacity(PRELUDE_BYTES + headers.len() + payload.len() + SUM_BYTES);
    frame.extend_from_slice(&length(PRELUDE_BYTES + headers.len() + payload.len() + SUM_BYTES));
    frame.extend_from_slice(&length(headers.len()));
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

#[cfg(test)]
#[path = "frames_tests.rs"]
mod tests;
