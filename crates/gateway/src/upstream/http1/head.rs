//! The heads of messages: the request as it is written, the response as it is read, and how long its body is.

use core::mem::MaybeUninit;

use bytes::{BufMut as _, BytesMut};
use http::{Method, StatusCode};

use crate::heads::{Outgoing, ResponseHead};
use crate::http1::{self, Found, Framing, Length};

/// Headers of one response. A response with more is refused.
const HEADERS_MAX: usize = 100;
/// Bytes of one response's head.
pub(super) const HEAD_BYTES_MAX: usize = 64 << 10;

/// Writes the head of `request`, whose body has `length` bytes.
pub(super) fn write_request(into: &mut BytesMut, request: &Outgoing, length: u64) {
    into.put_slice(request.method.as_str().as_bytes());
    into.put_u8(b' ');
    into.put_slice(request.uri.path_and_query().map_or("/", |target| target.as_str()).as_bytes());
    into.put_slice(b" HTTP/1.1\r\n");
    into.put_slice(request.fields.lines());
    for (name, value) in &request.secrets {
        into.put_slice(name.as_str().as_bytes());
        into.put_slice(b": ");
        into.put_slice(value.as_bytes());
        into.put_slice(b"\r\n");
    }
    // A request that never has a body says nothing of its length.
    if length > 0 || !matches!(request.method, Method::GET | Method::DELETE) {
        into.put_slice(b"content-length: ");
        into.put_slice(itoa::Buffer::new().format(length).as_bytes());
        into.put_slice(b"\r\n");
    }
    into.put_slice(b"\r\n");
}

/// The head of a final response, and what it says of the rest.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) parts: ResponseHead,
    pub(super) framing: Framing,
    /// Whether the connection can carry another request after this response.
    pub(super) keeps: bool,
}

/// Takes a head from the front of `input`, once it is whole; `None` while it is not. Interim responses are skipped. Where the
/// request asked for another protocol, `may_switch`, that it begins is final.
///
/// # Errors
/// What about it is not HTTP/1.1, or is more than is read.
pub(super) fn take(input: &mut BytesMut, looked: &mut usize, may_switch: bool) -> Result<Option<Head>, &'static str> {
    loop {
        let whole = if http1::may_have_head(input, looked) { parse(input)? } else { None };
        let Some((parts, is_http10)) = whole else {
            return if input.len() > HEAD_BYTES_MAX { Err("its head is too long") } else { Ok(None) };
        };
        *looked = 0;
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            if may_switch {
                return Ok(Some(Head { parts, framing: Framing::length(0), keeps: false }));
            }
            return Err("it switched to a protocol that nobody asked for");
        }
        if !parts.status.is_informational() {
            let (framing, delimited) = framing(&parts, is_http10)?;
            let keeps = delimited && http1::stays_open(&parts.headers, is_http10);
            return Ok(Some(Head { parts, framing, keeps }));
        }
    }
}

/// One head, informational or not, and whether it is one of HTTP/1.0.
fn parse(input: &mut BytesMut) -> Result<Option<(ResponseHead, bool)>, &'static str> {
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
    let is_http10 = response.version == Some(0);
    let found = Found::of(response.headers, input);
    let headers = found.within(input.split_to(length).freeze());
    Ok(Some((ResponseHead { status, headers }, is_http10)))
}

/// How the body ends (RFC 9112, section 6.3), and whether the connection could be used after it. Nothing here answers HEAD.
fn framing(parts: &ResponseHead, is_http10: bool) -> Result<(Framing, bool), &'static str> {
    if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok((Framing::length(0), true));
    }
    Ok(match http1::length(&parts.headers, is_http10)? {
        Length::Unsaid => (Framing::until_close(), false),
        Length::Bytes(length) => (Framing::length(length), true),
        // Who says both may mean either; what comes after the chunks is nobody's.
        Length::Chunked { also_bytes } => (Framing::chunked(), !also_bytes),
    })
}
