//! An answer as it is kept: its headers and its body, as bytes and as a response.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};

use crate::answer::{self, AnswerBody};
use crate::headers;
use crate::http1::Fields;
use crate::reply::Reply;

/// The first byte of the form; another form gets another.
const FORM: u8 = 1;

/// The answer of the first call with a key; always one with status 200.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StoredAnswer {
    /// Those of the upstream that pass, the receipt, and the first call's id.
    pub(crate) fields: Fields,
    pub(crate) body: Bytes,
}

impl StoredAnswer {
    /// The same answer again. `comment` says that the client wants the receipt at the end of a stream.
    pub(crate) fn reply(&self, comment: bool) -> Reply {
        let text = |name| self.fields.get(name).and_then(|value| core::str::from_utf8(value).ok()).unwrap_or_default();
        let is_stream = text(&CONTENT_TYPE).starts_with("text/event-stream");
        let body = if is_stream && comment {
            let line =
                answer::receipt_comment(text(&headers::COST), text(&headers::HOLD), text(&headers::PRICE_VERSION));
            [&self.body[..], line.as_bytes()].concat().into()
        } else {
            self.body.clone()
        };
        let mut reply = Reply::new(StatusCode::OK, AnswerBody::whole(body));
        reply.fields.extend(&self.fields);
        headers::replayed(&mut reply.fields);
        reply
    }

    /// How long [`StoredAnswer::encode`] makes it.
    pub(crate) fn encoded_bytes(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| 4 + name.len() + value.len());
        1 + 4 + fields.sum::<usize>() + self.body.len()
    }

    /// As bytes: each part with its length before it, the body last.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.encoded_bytes());
        bytes.push(FORM);
        bytes.extend_from_slice(&(self.fields.iter().count() as u32).to_le_bytes());
        for (name, value) in self.fields.iter() {
            for part in [name, value] {
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
        let mut fields = Fields::default();
        for _ in 0..count {
            let name = HeaderName::from_bytes(short(&mut rest)?).ok()?;
            fields.put(&name, &HeaderValue::from_bytes(short(&mut rest)?).ok()?);
        }
        Some(StoredAnswer { fields, body: Bytes::copy_from_slice(rest) })
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
        let mut fields = Fields::default();
        fields.put_text(&CONTENT_TYPE, b"application/json");
        fields.put_text(&headers::COST, b"0.0001");
        let body = Bytes::from_static(b"{\"id\":1}");
        let answer = StoredAnswer { fields, body };
        let bytes = answer.encode();
        assert_eq!(bytes.len(), answer.encoded_bytes());
        assert_eq!(StoredAnswer::decode(&bytes), Some(answer.clone()));
        for end in 0..bytes.len() {
            let cut = StoredAnswer::decode(&bytes[..end]);
            assert!(cut.is_none_or(|cut| cut.body.len() < answer.body.len()), "cut at {end}");
        }
    }
}
