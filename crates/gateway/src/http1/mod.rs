//! What HTTP/1.1 is made of on both of the relay's sides: header lines, and where heads and bodies end. Source: RFC 9112.

mod fields;
mod framing;
mod lines;
mod output;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};

pub(crate) use self::fields::Fields;
pub(crate) use self::framing::{Framing, Next};
pub(crate) use self::lines::{Found, Lines, text};
pub(crate) use self::output::Output;

/// Whether to look for a head in `input`: at the first look, and then whenever there is the end of one. `looked` is how far
/// it was looked at before, so that a head that comes byte by byte is not parsed with each of them.
pub(crate) fn may_have_head(input: &[u8], looked: &mut usize) -> bool {
    let is_new = *looked == 0 || has_empty_line(input, looked.saturating_sub(2));
    *looked = input.len();
    is_new
}

/// Whether a line ends at or behind `from`, and the next one is empty: the end of any head, also of one that is no proper
/// HTTP/1.1.
fn has_empty_line(input: &[u8], from: usize) -> bool {
    memchr::memchr_iter(b'\n', &input[from..]).any(|at| {
        let next = &input[from + at + 1..];
        next.starts_with(b"\n") || next.starts_with(b"\r\n")
    })
}

/// What a head says of its body's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Unsaid,
    Bytes(u64),
    /// In chunks, and in bytes too where `also_bytes`: who says both may mean either.
    Chunked {
        also_bytes: bool,
    },
}

/// See [`Length`].
///
/// # Errors
/// What about it can be understood in two ways, or in none.
pub(crate) fn length(headers: &Lines, is_http10: bool) -> Result<Length, &'static str> {
    let bytes = content_length(headers)?;
    let mut codings = headers.get_all(&TRANSFER_ENCODING);
    let (first, more) = (codings.next(), codings.next());
    let Some(coding) = first else { return Ok(bytes.map_or(Length::Unsaid, Length::Bytes)) };
    if is_http10 {
        return Err("HTTP/1.0 has no transfer encodings");
    }
    if more.is_some() || !coding.eq_ignore_ascii_case(b"chunked") {
        return Err("its transfer encoding is not one that was allowed");
    }
    Ok(Length::Chunked { also_bytes: bytes.is_some() })
}

/// Every `Content-Length` must say the same.
fn content_length(headers: &Lines) -> Result<Option<u64>, &'static str> {
    let mut found = None;
    for text in headers.words(&CONTENT_LENGTH) {
        let length = digits(text).ok_or("its length is no number")?;
        if found.is_some_and(|found| found != length) {
            return Err("it has two lengths");
        }
        found = Some(length);
    }
    Ok(found)
}

fn digits(text: &[u8]) -> Option<u64> {
    let more = |number: u64, &digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    if text.is_empty() { None } else { text.iter().try_fold(0, more) }
}

/// Whether the other side keeps the connection for more (section 9.3).
pub(crate) fn stays_open(headers: &Lines, is_http10: bool) -> bool {
    let says = |token: &[u8]| headers.words(&CONNECTION).any(|option| option.eq_ignore_ascii_case(token));
    if is_http10 { says(b"keep-alive") && !says(b"close") } else { !says(b"close") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_head_is_found_wherever_it_is_cut() {
        let head = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        for first in 2..head.len() {
            let mut looked = 0;
            assert!(may_have_head(&head[..first - 1], &mut looked), "the first look, cut at {first}");
            assert!(!may_have_head(&head[..first], &mut looked), "cut at {first}");
            assert!(may_have_head(head, &mut looked), "cut at {first}");
        }
    }
}
