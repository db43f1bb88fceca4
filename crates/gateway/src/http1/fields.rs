//! The headers of a message that the relay makes, as lines.

use base::Money;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers in the order in which they were put, each already the line that HTTP/1.1 writes: `name: value`, CR, LF.
///
/// An answer has two dozen of them, most of them ours. To hash each name into a [`HeaderMap`], only to write them all out
/// again, was a tenth of a call's processor time.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Fields {
    lines: Vec<u8>,
}

impl Fields {
    /// With room for about as much as an answer has.
    pub(crate) fn with_room() -> Fields {
        Fields { lines: Vec::with_capacity(1 << 10) }
    }

    pub(crate) fn put(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.begin(name);
        self.lines.extend_from_slice(value.as_bytes());
        self.end();
    }

    /// A value of a message that came, and was looked at then: it has no line break.
    pub(crate) fn put_value(&mut self, name: &HeaderName, value: &[u8]) {
        self.begin(name);
        self.lines.extend_from_slice(value);
        self.end();
    }

    /// Our own texts are visible ASCII; one that is not becomes empty rather than an error.
    pub(crate) fn put_text(&mut self, name: &HeaderName, text: &[u8]) {
        self.begin(name);
        // Without a way out in the middle, so that it goes by vectors.
        let is_visible = text.iter().fold(true, |all, byte| all & matches!(byte, b' '..=b'~'));
        if is_visible {
            self.lines.extend_from_slice(text);
        }
        self.end();
    }

    pub(crate) fn put_number(&mut self, name: &HeaderName, number: impl itoa::Integer) {
        self.begin(name);
        self.lines.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self.end();
    }

    pub(crate) fn put_money(&mut self, name: &HeaderName, amount: Money) {
        self.begin(name);
        amount.write_usd(self).expect("a vector takes any text");
        self.end();
    }

    /// A value of visible ASCII, which `write` appends to the line.
    pub(crate) fn put_with(&mut self, name: &HeaderName, write: impl FnOnce(&mut Vec<u8>)) {
        self.begin(name);
        write(&mut self.lines);
        self.end();
    }

    fn begin(&mut self, name: &HeaderName) {
        self.lines.extend_from_slice(name.as_str().as_bytes());
        self.lines.extend_from_slice(b": ");
    }

    fn end(&mut self) {
        self.lines.extend_from_slice(b"\r\n");
    }

    /// All lines.
    pub(crate) fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// Names and values, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        // No value has a line break: values are of a type that has none, or were looked at.
        let mut rest = &self.lines[..];
        core::iter::from_fn(move || {
            let (colon, end) = (memchr::memchr(b':', rest)?, memchr::memchr(b'\r', rest)?);
            let (name, value) = (&rest[..colon], &rest[colon + 2..end]);
            rest = &rest[end + 2..];
            Some((name, value))
        })
    }

    /// The first value of that name.
    pub(crate) fn get(&self, name: &HeaderName) -> Option<&[u8]> {
        self.iter().find(|(found, _)| *found == name.as_str().as_bytes()).map(|(_, value)| value)
    }

    /// Takes every line of that name away.
    pub(crate) fn remove(&mut self, name: &HeaderName) {
        let mut left = Vec::with_capacity(self.lines.len());
        for (found, value) in self.iter().filter(|(found, _)| *found != name.as_str().as_bytes()) {
            for part in [found, b": ", value, b"\r\n"] {
                left.extend_from_slice(part);
            }
        }
        self.lines = left;
    }

    /// Puts all of `others` behind its own.
    pub(crate) fn extend(&mut self, others: &Fields) {
        self.lines.extend_from_slice(&others.lines);
    }

    /// The same for HTTP/2, and for trailers.
    pub(crate) fn to_map(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(32);
        for (name, value) in self.iter() {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
                headers.append(name, value);
            }
        }
        headers
    }
}

impl core::fmt::Write for Fields {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.lines.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::header::{CONTENT_TYPE, ETAG, RETRY_AFTER, SERVER};

    use super::*;

    #[test]
    fn lines_are_read_back_as_they_were_put_and_none_can_be_broken() {
        let mut fields = Fields::default();
        fields.put(&CONTENT_TYPE, &HeaderValue::from_static("a: b"));
        fields.put_number(&RETRY_AFTER, 17_u64);
        fields.put_text(&ETAG, b"x\r\nset-cookie: a");
        fields.put_money(&SERVER, Money::from_nanos(1_500));
        let expected = b"content-type: a: b\r\nretry-after: 17\r\netag: \r\nserver: 0.0000015\r\n";
        assert_eq!(fields.lines(), expected);
        assert_eq!(fields.to_map().len(), 4);
        assert_eq!(fields.get(&CONTENT_TYPE), Some(&b"a: b"[..]));
        fields.remove(&CONTENT_TYPE);
        assert_eq!((fields.get(&CONTENT_TYPE), fields.get(&RETRY_AFTER)), (None, Some(&b"17"[..])));
    }
}
