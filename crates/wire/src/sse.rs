//! Framing of server-sent events: finds where events end in a stream that is cut anywhere, and gives their data.
//!
//! Lines end with LF, CRLF or CR. An event ends with an empty line. Nothing is copied while an event lies within one chunk.

use thiserror::Error;

/// Why a stream cannot be carried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StreamFault {
    /// A line is longer than the limit in bytes.
    #[error("a line of the stream is longer than {0} bytes")]
    LineTooLong(usize),
    /// A frame's lengths, headers or sums are wrong.
    #[error("a frame of the stream is damaged")]
    BadFrame,
}

/// An event that has just ended.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    /// Its data lines, joined by LF; `None` when it has none, or more than is read.
    pub(crate) data: Option<&'a [u8]>,
    /// It is named "error".
    pub(crate) is_error: bool,
}

/// The state between chunks.
#[derive(Debug)]
pub(crate) struct Framer {
    line_bytes_max: usize,
    event_bytes_max: usize,
    /// The beginning of the current line, from earlier chunks, as far as it may be read.
    line: Vec<u8>,
    /// Bytes of the current line in earlier chunks.
    line_bytes: usize,
    /// Data of the current event that could not stay in its chunk.
    data: Vec<u8>,
    has_data: bool,
    /// The event has more data than is read.
    is_oversize: bool,
    is_error: bool,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    at_start: bool,
}

/// Where the data of the current event are.
#[derive(Clone, Copy)]
enum Data {
    Spilled,
    /// In the chunk itself, and it is the only data line so far.
    InChunk(usize, usize),
}

impl Framer {
    pub(crate) const fn new(line_bytes_max: usize, event_bytes_max: usize) -> Framer {
        Framer {
            line_bytes_max,
            event_bytes_max,
            line: Vec::new(),
            line_bytes: 0,
            data: Vec::new(),
            has_data: false,
            is_oversize: false,
            is_error: false,
            after_cr: false,
            at_start: true,
        }
    }

    /// Whether an LF at the start of `chunk` still belongs to the line before.
    pub(crate) fn takes_line_feed(&mut self, chunk: &[u8]) -> bool {
        !chunk.is_empty() && core::mem::take(&mut self.after_cr) && chunk[0] == b'\n'
    }

    /// Reads on in `chunk` from `at`, up to the end of the next event, and moves `at` there; `None` when the chunk ends
    /// before.
    ///
    /// # Errors
    /// [`StreamFault::LineTooLong`].
    pub(crate) fn next<'a>(&'a mut self, chunk: &'a [u8], at: &mut usize) -> Result<Option<Event<'a>>, StreamFault> {
        let mut data = Data::Spilled;
        while *at < chunk.len() {
            let start = *at;
            let Some(len) = memchr::memchr2(b'\n', b'\r', &chunk[start..]) else {
                self.carry(&chunk[start..])?;
                *at = chunk.len();
                break;
            };
            let end = start + len;
            *at = end + 1;
            if chunk[end] == b'\r' {
                match chunk.get(end + 1) {
                    Some(b'\n') => *at += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            if self.line_bytes + len > self.line_bytes_max {
                return Err(StreamFault::LineTooLong(self.line_bytes_max));
            }
            if self.line_bytes == 0 {
                if len == 0 {
                    return Ok(Some(self.end_event(chunk, data)));
                }
                self.line_in_chunk(chunk, start, end, &mut data);
            } else {
                self.carry(&chunk[start..end])?;
                self.carried_line();
            }
        }
        self.spill(chunk, data);
        Ok(None)
    }

    /// The stream has ended: what is left counts as a line, and as an event.
    pub(crate) fn finish(&mut self) -> Option<Event<'_>> {
        if self.line_bytes > 0 {
            self.carried_line();
        }
        (self.has_data || self.is_error).then(|| self.end_event(&[], Data::Spilled))
    }

    /// Keeps the beginning of a line whose end is not there yet.
    fn carry(&mut self, part: &[u8]) -> Result<(), StreamFault> {
        if self.line_bytes == 0 {
            self.line.clear();
        }
        self.line_bytes += part.len();
        if self.line_bytes > self.line_bytes_max {
            return Err(StreamFault::LineTooLong(self.line_bytes_max));
        }
        // A line too long to be read is only counted; the slack is for the field's name.
        if self.line.len() <= self.event_bytes_max + 16 {
            self.line.extend_from_slice(part);
        }
        Ok(())
    }

    /// A whole line within the chunk.
    fn line_in_chunk(&mut self, chunk: &[u8], start: usize, end: usize, data: &mut Data) {
        let line = self.without_mark(&chunk[start..end]);
        let Some(value) = data_of(line) else {
            self.is_error |= is_error_name(line);
            return;
        };
        let value_start = end - value.len();
        if !self.has_data && value.len() <= self.event_bytes_max {
            self.has_data = true;
            *data = Data::InChunk(value_start, end);
            return;
        }
        self.spill(chunk, *data);
        *data = Data::Spilled;
        self.add_data(&chunk[value_start..end]);
    }

    /// A line whose beginning came in an earlier chunk and is whole now.
    fn carried_line(&mut self) {
        let carried = core::mem::take(&mut self.line);
        self.line_bytes = 0;
        let line = self.without_mark(&carried);
        match data_of(line) {
            Some(value) => self.add_data(value),
            None => self.is_error |= is_error_name(line),
        }
        // The room is kept for the next line, unless it is unusually large.
        if carried.capacity() <= 64 << 10 {
            self.line = carried;
            self.line.clear();
        }
    }

    /// The line without the byte order mark that a stream may begin with.
    fn without_mark<'l>(&mut self, line: &'l [u8]) -> &'l [u8] {
        if core::mem::take(&mut self.at_start) { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line }
    }

    fn add_data(&mut self, value: &[u8]) {
        if self.data.len() + value.len() > self.event_bytes_max {
            self.is_oversize = true;
        } else {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
        }
        self.has_data = true;
    }

    /// Copies data out of a chunk that is about to go.
    fn spill(&mut self, chunk: &[u8], data: Data) {
        if let Data::InChunk(start, end) = data {
            self.data.extend_from_slice(&chunk[start..end]);
        }
    }

    fn end_event<'a>(&'a mut self, chunk: &'a [u8], data: Data) -> Event<'a> {
        let is_readable = core::mem::take(&mut self.has_data) && !core::mem::take(&mut self.is_oversize);
        let is_error = core::mem::take(&mut self.is_error);
        let data = match data {
            Data::InChunk(start, end) => &chunk[start..end],
            Data::Spilled => {
                // The next event begins with an empty buffer; this one's is handed out once.
                self.line.clear();
                core::mem::swap(&mut self.line, &mut self.data);
                self.data.clear();
                &self.line[..]
            }
        };
        Event { data: is_readable.then_some(data), is_error }
    }
}

/// The value of a `data` line, without the one space that may stand before it.
#[inline]
fn data_of(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [] => Some(&[]),
        _ => None,
    }
}

/// Whether the line names the event "error".
fn is_error_name(line: &[u8]) -> bool {
    matches!(line, b"event: error" | b"event:error")
}
