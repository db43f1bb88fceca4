//! Where the body of a message ends: by its length, by its last chunk, or with the connection. Source: RFC 9112, sections 6
//! and 7.

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes of the line before a chunk, which may say more than its size.
const SIZE_LINE_BYTES_MAX: usize = 4 << 10;
/// Bytes of everything behind the last chunk.
const TRAILER_BYTES_MAX: usize = 16 << 10;

/// How far a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Framing(Place);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// This many bytes are left.
    Length(u64),
    /// Before the line with a chunk's size.
    Size,
    /// This many bytes of a chunk are left.
    Chunk(u64),
    /// Before the line break that ends a chunk.
    ChunkEnd,
    /// Behind the last chunk; this many bytes of trailers were read.
    Trailers(usize),
    /// Everything that comes belongs to it.
    UntilClose,
    Ended,
}

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Some bytes, never none.
    Data(Bytes),
    /// More has to be read first.
    More,
    Ended,
}

impl Framing {
    pub(crate) const fn length(bytes: u64) -> Framing {
        Framing(if bytes == 0 { Place::Ended } else { Place::Length(bytes) })
    }

    pub(crate) const fn chunked() -> Framing {
        Framing(Place::Size)
    }

    pub(crate) const fn until_close() -> Framing {
        Framing(Place::UntilClose)
    }

    /// Whether at least this many bytes are to come, as far as is known.
    pub(crate) fn has(self, bytes: usize) -> bool {
        matches!(self.0, Place::Length(left) | Place::Chunk(left) if left >= bytes as u64)
    }

    /// How many bytes are to come, where that is known.
    pub(crate) fn bytes_left(self) -> Option<u64> {
        match self.0 {
            Place::Length(left) => Some(left),
            Place::Ended => Some(0),
            _ => None,
        }
    }

    /// Whether the body is over.
    pub(crate) fn is_ended(self) -> bool {
        self.0 == Place::Ended
    }

    /// The connection ended: whether that is the end of the body too.
    pub(crate) fn close(&mut self) -> bool {
        if self.0 == Place::UntilClose {
            self.0 = Place::Ended;
        }
        self.is_ended()
    }

    /// Takes what is next of the body from the front of `input`.
    ///
    /// # Errors
    /// What about its chunks is wrong.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Next, &'static str> {
        loop {
            match self.0 {
                Place::Ended => return Ok(Next::Ended),
                _ if input.is_empty() => return Ok(Next::More),
                Place::UntilClose => return Ok(Next::Data(input.split().freeze())),
                Place::Length(left) => {
                    let (data, left) = take(input, left);
                    self.0 = if left == 0 { Place::Ended } else { Place::Length(left) };
                    return Ok(Next::Data(data));
                }
                Place::Chunk(left) => {
                    let (data, left) = take(input, left);
                    self.0 = if left == 0 { Place::ChunkEnd } else { Place::Chunk(left) };
                    return Ok(Next::Data(data));
                }
                Place::Size => {
                    let Some((line, length)) = line(input, SIZE_LINE_BYTES_MAX)? else { return Ok(Next::More) };
                    let size = size(line)?;
                    self.0 = if size == 0 { Place::Trailers(0) } else { Place::Chunk(size) };
                    input.advance(length);
                }
                Place::ChunkEnd => {
                    // A line of two bytes is its own end and nothing else.
                    let Some((_, length)) = line(input, 2)? else { return Ok(Next::More) };
                    self.0 = Place::Size;
                    input.advance(length);
                }
                Place::Trailers(before) => {
                    let room = TRAILER_BYTES_MAX - before;
                    let Some((line, length)) = line(input, room)? else { return Ok(Next::More) };
                    self.0 = if line.is_empty() { Place::Ended } else { Place::Trailers(before + length) };
                    input.advance(length);
                }
            }
        }
    }
}

/// At most `left` bytes of `input`, and how many are left then.
fn take(input: &mut BytesMut, left: u64) -> (Bytes, u64) {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    (input.split_to(length).freeze(), left - length as u64)
}

/// The first line without its end, and its length with it; `None` while it is not whole.
fn line(input: &[u8], bytes_max: usize) -> Result<Option<(&[u8], usize)>, &'static str> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        return if input.len() > bytes_max { Err("a line between its chunks is too long") } else { Ok(None) };
    };
    if end >= bytes_max {
        return Err("a line between its chunks is too long");
    }
    let line = input[..end].strip_suffix(b"\r").ok_or("a line between its chunks has no proper end")?;
    Ok(Some((line, end + 1)))
}

/// Hexadecimal digits; what follows a semicolon is an extension that nobody here knows.
fn size(line: &[u8]) -> Result<u64, &'static str> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii_end();
    if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err("a chunk has no size");
    }
    let text = core::str::from_utf8(digits).map_err(|_| "a chunk has no size")?;
    u64::from_str_radix(text, 16).map_err(|_| "a chunk has no size")
}
