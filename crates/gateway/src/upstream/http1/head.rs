//! The heads of messages: the request as it is written, the response as it is read, and how long its body is.

use bytes::{BufMut as _, Bytes, BytesMut};
use core::mem::MaybeUninit;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use smallvec::SmallVec;

use super::body::Framing;

/// Headers of one response. A response with more is refused.
const HEADERS_MAX: usize = 100;
/// Bytes of one response's head.
pub(super) const HEAD_BYTES_MAX: usize = 64 << 10;

/// Writes the head of `request`, whose body has `length` bytes.
pub(super) fn write_request<B>(into: &mut BytesMut, request: &Request<B>, length: u64) {
    into.put_slice(request.method().as_str().as_bytes());
    into.put_u8(b' ');
    into.put_slice(request.uri().path_and_query().map_or("/", |target| target.as_str()).as_bytes());
    into.put_slice(b" HTTP/1.1\r\n");
    for (name, value) in request.headers() {
        into.put_slice(name.as_str().as_bytes());
        into.put_slice(b": ");
        into.put_slice(value.as_bytes());
        into.put_slice(b"\r\n");
    }
    // A request that never has a body says nothing of its length.
    if length > 0 || !matches!(*request.method(), Method::GET | Method::DELETE) {
        into.put_slice(b"content-length: ");
        into.put_slice(itoa::Buffer::new().format(length).as_bytes());
        into.put_slice(b"\r\n");
    }
    into.put_slice(b"\r\n");
}

/// The head of a final response, and what it says of the rest.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) parts: Parts,
    pub(super) framing: Framing,
    /// Whether the connection can carry another request after this response.
    pub(super) keeps: bool,
}

/// Takes a head from the front of `input`, once it is whole; `None` while it is not. Interim responses are skipped.
///
/// # Errors
/// What about it is not HTTP/1.1, or is more than is read.
pub(super) fn take(input: &mut BytesMut) -> Result<Option<Head>, &'static str> {
    loop {
        let Some(parts) = parse(input)? else {
            return if input.len() > HEAD_BYTES_MAX { Err("its head is too long") } else { Ok(None) };
        };
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err("it switched to a protocol that nobody asked for");
        }
        if !parts.status.is_informational() {
            let (framing, delimited) = framing(&parts)?;
            let keeps = delimited && stays_open(&parts);
            return Ok(Some(Head { parts, framing, keeps }));
        }
    }
}

/// One head, informational or not.
fn parse(input: &mut BytesMut) -> Result<Option<Parts>, &'static str> {
    let mut space = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut response, input, &mut space);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err("it has too many headers"),
        Err(_) => return Err("its head is not HTTP/1.1"),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or("its status is no number")?;
    let version = if response.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    // Values share the buffer: only where they are is noted while it is borrowed.
    let start = input.as_ptr() as usize;
    let mut places = SmallVec::<[(HeaderName, usize, usize); 16]>::new();
    for header in response.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| "a header has no valid name")?;
        places.push((name, header.value.as_ptr() as usize - start, header.value.len()));
    }
    let bytes = input.split_to(length).freeze();
    let (mut parts, ()) = Response::new(()).into_parts();
    (parts.status, parts.version) = (status, version);
    parts.headers = headers(places, &bytes)?;
    Ok(Some(parts))
}

fn headers(places: SmallVec<[(HeaderName, usize, usize); 16]>, head: &Bytes) -> Result<HeaderMap, &'static str> {
    let mut headers = HeaderMap::with_capacity(places.len());
    for (name, at, length) in places {
        let value = HeaderValue::from_maybe_shared(head.slice(at..at + length));
        headers.append(name, value.map_err(|_| "a header has no valid value")?);
    }
    Ok(headers)
}

/// How the body ends (RFC 9112, section 6.3), and whether the connection could be used after it. Nothing here answers HEAD.
fn framing(parts: &Parts) -> Result<(Framing, bool), &'static str> {
    if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok((Framing::length(0), true));
    }
    let length = content_length(&parts.headers)?;
    if parts.headers.contains_key(TRANSFER_ENCODING) {
        if parts.version == Version::HTTP_10 {
            return Err("HTTP/1.0 has no transfer encodings");
        }
        let mut codings = parts.headers.get_all(TRANSFER_ENCODING).iter();
        let (only, more) = (codings.next(), codings.next());
        if more.is_some() || !only.is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
            return Err("its transfer encoding is not one that was allowed");
        }
        // Who says both may mean either; what comes after the chunks is nobody's.
        return Ok((Framing::chunked(), length.is_none()));
    }
    Ok(length.map_or((Framing::until_close(), false), |length| (Framing::length(length), true)))
}

/// Every `Content-Length` must say the same.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, &'static str> {
    let mut found = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for text in value.as_bytes().split(|&byte| byte == b',') {
            let length = digits(text.trim_ascii()).ok_or("its length is no number")?;
            if found.is_some_and(|found| found != length) {
                return Err("it has two lengths");
            }
            found = Some(length);
        }
    }
    Ok(found)
}

fn digits(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| core::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// Whether the upstream keeps the connection for more (RFC 9112, section 9.3).
fn stays_open(parts: &Parts) -> bool {
    let says = |token: &[u8]| {
        let values = parts.headers.get_all(CONNECTION).iter();
        values
            .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(token))
    };
    if parts.version == Version::HTTP_10 { says(b"keep-alive") && !says(b"close") } else { !says(b"close") }
}
