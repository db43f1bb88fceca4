//! The head of a request as HTTP/1.1 writes it. What could be read in two ways is refused, and the connection closed.

use core::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::EXPECT;
use http::{Method, StatusCode, Uri, Version};

use crate::heads::RequestHead;
use crate::http1::{self, Found, Framing, Length};
use crate::settings::Settings;

/// Headers of one request that are read without taking memory for them.
const HEADERS_USUAL: usize = 100;

/// A request whose head has come.
pub(super) struct Head {
    pub(super) parts: RequestHead,
    pub(super) framing: Framing,
    /// Whether the connection can carry another request.
    pub(super) keeps: bool,
    /// Whether the client waits to be told that its body is wanted.
    pub(super) expects_continue: bool,
}

impl Head {
    pub(super) fn is_http10(&self) -> bool {
        self.parts.version == Version::HTTP_10
    }
}

/// What is wrong with a head, as the status that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) StatusCode);

const MALFORMED: Malformed = Malformed(StatusCode::BAD_REQUEST);
const TOO_LARGE: Malformed = Malformed(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

/// Takes a head from the front of `input`, once it is whole; `None` while it is not.
///
/// # Errors
/// See [`Malformed`].
pub(super) fn take(input: &mut BytesMut, looked: &mut usize, settings: &Settings) -> Result<Option<Head>, Malformed> {
    // Empty lines before a request are skipped (section 2.2).
    let blank = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    drop(input.split_to(blank));
    *looked = looked.saturating_sub(blank);
    let whole = if http1::may_have_head(input, looked) { parse(input, settings)? } else { None };
    match whole {
        Some(parts) => {
            *looked = 0;
            read(parts).map(Some)
        }
        None if input.len() > settings.head_bytes_max => Err(TOO_LARGE),
        None => Ok(None),
    }
}

/// Takes the lines of a head and keeps them as they stand.
fn parse(input: &mut BytesMut, settings: &Settings) -> Result<Option<RequestHead>, Malformed> {
    let mut usual = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; HEADERS_USUAL];
    let (mut many, headers_max) = (Vec::new(), settings.headers_max);
    let space = if headers_max <= HEADERS_USUAL {
        &mut usual[..headers_max]
    } else {
        many.resize_with(headers_max, MaybeUninit::uninit);
        &mut many[..]
    };
    let mut request = httparse::Request::new(&mut []);
    let config = httparse::ParserConfig::default();
    let length = match config.parse_request_with_uninit_headers(&mut request, input, space) {
        Ok(httparse::Status::Complete(length)) if length > settings.head_bytes_max => return Err(TOO_LARGE),
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(TOO_LARGE),
        Err(_) => return Err(MALFORMED),
    };
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(MALFORMED);
    };
    if has_bare_line_end(&input[..length]) {
        return Err(MALFORMED);
    }
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| MALFORMED)?;
    let version = if version == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    // Target and headers share the buffer: only where they are is noted while it is borrowed.
    let start = target.as_ptr() as usize - input.as_ptr() as usize;
    let target = start..start + target.len();
    let found = Found::of(request.headers, input);
    let bytes = input.split_to(length).freeze();
    let uri = Uri::from_maybe_shared(bytes.slice(target)).map_err(|_| MALFORMED)?;
    Ok(Some(RequestHead { method, uri, version, headers: found.within(bytes) }))
}

/// Whether a line ends without a CR: some readers take that for an end, others do not.
fn has_bare_line_end(head: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', head).any(|at| at == 0 || head[at - 1] != b'\r')
}

/// What a head says of the rest.
fn read(parts: RequestHead) -> Result<Head, Malformed> {
    let is_http10 = parts.version == Version::HTTP_10;
    let length = http1::length(&parts.headers, is_http10).map_err(|reason| {
        tracing::debug!(reason, "a request's head is refused");
        MALFORMED
    })?;
    let framing = match length {
        Length::Unsaid => Framing::length(0),
        Length::Bytes(bytes) => Framing::length(bytes),
        Length::Chunked { also_bytes: false } => Framing::chunked(),
        // Two readers that each believe another one see two different requests.
        Length::Chunked { also_bytes: true } => return Err(MALFORMED),
    };
    let expects = parts.headers.get(&EXPECT).is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
    Ok(Head {
        framing,
        keeps: !is_http10 && http1::stays_open(&parts.headers, false),
        expects_continue: expects && !is_http10,
        parts,
    })
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
