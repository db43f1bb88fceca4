//! An answer as it is kept: its headers and its body, as bytes and as a response.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderName, HeaderValue, Response};

use crate::answer::{self, AnswerBody};
use crate::headers;

/// The first byte of the form; another form gets another.
const FORM: u8 = 1;

/// The answer of the first call with a key; always one with status 200.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredAnswer {
    /// Those of the upstream that pass, the receipt, and the first call's id.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl StoredAnswer {
    /// The same answer again. `comment` says that the client wants the receipt at the end of a stream.
    pub(crate) fn response(&self, comment: bool) -> Response<AnswerBody> {
        let text = |name| self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_stream = text(&CONTENT_TYPE).starts_with("text/event-stream");
        let body = if is_stream && comment {
            let line =
                answer::receipt_comment(text(&headers::COST), text(&headers::HOLD), text(&headers::PRICE_VERSION));
            [&self.body[..], line.as_bytes()].concat().into()
        } else {
            self.body.clone()
        };
        let mut response = Response::new(AnswerBody::whole(body));
        *response.headers_mut() = self.headers.clone();
        headers::replayed(response.headers_mut());
        response
    }

    /// How long [`StoredAnswer::encode`] makes it.
    pub(crate) fn encoded_bytes(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| 4 + name.as_str().len() + value.len());
        1 + 4 + headers.sum::<usize>() + self.body.len()
    }

    /// As bytes: each part with its length before it, the body last.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_bytes());
        bytes.push(FORM);
        bytes.extend_from_slice(&(self.headers.len() as u32).to_le_bytes());
        for (name, value) in &self.headers {
            for part in [name.as_str().as_bytes(), value.as_bytes()] {
                bytes.extend_from_slice(&(part.len() as u16).to_le_bytes());
                bytes.extend_from_slice(part);
            }
        }
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The reverse of [`StoredAnswer::encode`]; `None` for other bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<StoredAnswer> {
        let (&form, mut rest) = bytes.split_first()?;
        if form != FORM {
            return None;
        }
        let count = u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?);
        let mut headers = HeaderMap::new();
        for _ in 0..count {
            let name = HeaderName::from_bytes(short(&mut rest)?).ok()?;
            headers.append(name, HeaderValue::from_bytes(short(&mut rest)?).ok()?);
        }
        Some(StoredAnswer { headers, body: Bytes::copy_from_slice(rest) })
    }
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn short<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_le_bytes(take(rest, 2)?.try_into().ok()?);
    take(rest, length.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_back_as_it_was_and_a_cut_one_is_none_or_shorter() {
        let headers = [("content-type", "application/json"), ("mandant-cost-usd", "0.0001")];
        let headers = headers.map(|(name, text)| (HeaderName::from_static(name), HeaderValue::from_static(text)));
        let body = Bytes::from_static(b"{\"id\":1}");
        let answer = StoredAnswer { headers: headers.into_iter().collect(), body };
        let bytes = answer.encode();
        assert_eq!(bytes.len(), answer.encoded_bytes());
        assert_eq!(StoredAnswer::decode(&bytes), Some(answer.clone()));
        for end in 0..bytes.len() {
            let cut = StoredAnswer::decode(&bytes[..end]);
            assert!(cut.is_none_or(|cut| cut.body.len() < answer.body.len()), "cut at {end}");
        }
    }
}
