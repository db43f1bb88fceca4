//! The headers of a message that came, as the lines in which they stand.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName};

/// Headers where they lie, in their order. The relay asks for two dozen names, and a message has about a dozen: to compare
/// them costs less than a map that every header has to be hashed into.
#[derive(Default, Clone)]
pub(crate) struct Lines {
    bytes: Bytes,
    places: Vec<Place>,
}

/// Where one header is.
#[derive(Debug, Clone, Copy)]
struct Place {
    name: Span,
    value: Span,
}

impl Place {
    /// Whether it has that name, in whatever case; a [`HeaderName`] has its letters small already.
    fn is_named(&self, name: &[u8], bytes: &[u8]) -> bool {
        let is_same = |(found, byte): (&u8, &u8)| found.to_ascii_lowercase() == *byte;
        self.name.length as usize == name.len() && self.name.in_bytes(bytes).iter().zip(name).all(is_same)
    }
}

#[derive(Debug, Clone, Copy)]
struct Span {
    at: u32,
    length: u32,
}

impl Span {
    /// Of `part`, which lies in `whole`.
    fn of(part: &[u8], whole: &[u8]) -> Span {
        let at = part.as_ptr() as usize - whole.as_ptr() as usize;
        let number = |bytes: usize| u32::try_from(bytes).expect("heads are capped far below 4 GiB");
        Span { at: number(at), length: number(part.len()) }
    }

    fn in_bytes(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.at as usize..][..self.length as usize]
    }
}

/// Where the headers of a head lie that was parsed and is still borrowed.
pub(crate) struct Found(Vec<Place>);

impl Found {
    /// `headers` lie in `head`. Their names and values have been looked at: they have only bytes that may stand there.
    pub(crate) fn of(headers: &[httparse::Header<'_>], head: &[u8]) -> Found {
        let place = |header: &httparse::Header<'_>| Place {
            name: Span::of(header.name.as_bytes(), head),
            value: Span::of(header.value, head),
        };
        Found(headers.iter().map(place).collect())
    }

    /// The same, now that the head is nobody else's.
    pub(crate) fn within(self, head: Bytes) -> Lines {
        Lines { bytes: head, places: self.0 }
    }
}

impl Lines {
    /// The first value of that name, whatever its case.
    pub(crate) fn get(&self, name: &HeaderName) -> Option<&[u8]> {
        let name = name.as_str().as_bytes();
        self.places
            .iter()
            .find(|place| place.is_named(name, &self.bytes))
            .map(|place| place.value.in_bytes(&self.bytes))
    }

    /// The first value of that name as text; `None` also when it has other bytes than visible ASCII.
    pub(crate) fn text(&self, name: &HeaderName) -> Option<&str> {
        text(self.get(name)?)
    }

    pub(crate) fn contains(&self, name: &HeaderName) -> bool {
        self.get(name).is_some()
    }

    /// All values of that name, in their order.
    pub(crate) fn get_all<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_str().as_bytes();
        let named = self.places.iter().filter(move |place| place.is_named(name, &self.bytes));
        named.map(|place| place.value.in_bytes(&self.bytes))
    }

    /// Every word of the values of that name, which are lists.
    pub(crate) fn words<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).flat_map(|value| value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii)
    }

    /// Takes every header of that name away.
    pub(crate) fn remove(&mut self, name: &HeaderName) {
        let (name, bytes) = (name.as_str().as_bytes(), &self.bytes);
        self.places.retain(|place| !place.is_named(name, bytes));
    }

    /// Puts one in the place of all others of its name.
    pub(crate) fn set(&mut self, name: &HeaderName, value: &[u8]) {
        self.remove(name);
        let mut bytes = BytesMut::from(&self.bytes[..]);
        self.places.push(put(&mut bytes, name, value));
        self.bytes = bytes.freeze();
    }
}

/// Writes a name and a value, and says where they are.
fn put(bytes: &mut BytesMut, name: &HeaderName, value: &[u8]) -> Place {
    let at = bytes.len();
    let middle = at + name.as_str().len();
    bytes.put_slice(name.as_str().as_bytes());
    bytes.put_slice(value);
    Place { name: Span::of(&bytes[at..middle], bytes), value: Span::of(&bytes[middle..], bytes) }
}

/// For HTTP/2.
impl From<HeaderMap> for Lines {
    fn from(headers: HeaderMap) -> Lines {
        let mut bytes = BytesMut::with_capacity(1 << 10);
        let places = headers.iter().map(|(name, value)| put(&mut bytes, name, value.as_bytes())).collect();
        Lines { bytes: bytes.freeze(), places }
    }
}

/// Only names: values may be secrets.
impl core::fmt::Debug for Lines {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let name = |place: &Place| String::from_utf8_lossy(place.name.in_bytes(&self.bytes)).into_owned();
        f.debug_list().entries(self.places.iter().map(name)).finish()
    }
}

/// `value`, when it is visible ASCII.
pub(crate) fn text(value: &[u8]) -> Option<&str> {
    let is_visible = value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    if is_visible { core::str::from_utf8(value).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST};

    use super::*;

    fn lines() -> Lines {
        let head = Bytes::from_static(b"GET / HTTP/1.1\r\nHost: a\r\naccept: b, c\r\nACCEPT:d\xFF\r\n\r\n");
        let mut space = [httparse::EMPTY_HEADER; 8];
        let mut request = httparse::Request::new(&mut space);
        assert!(request.parse(&head).unwrap().is_complete());
        Found::of(request.headers, &head).within(head.clone())
    }

    #[test]
    fn headers_are_found_whatever_their_case_and_in_their_order() {
        let lines = lines();
        assert_eq!((lines.get(&HOST), lines.text(&HOST)), (Some(&b"a"[..]), Some("a")));
        assert_eq!(lines.get_all(&ACCEPT).collect::<Vec<_>>(), [&b"b, c"[..], &b"d\xFF"[..]]);
        assert_eq!(lines.words(&ACCEPT).collect::<Vec<_>>(), [&b"b"[..], b"c", b"d\xFF"]);
        assert!(lines.contains(&ACCEPT) && !lines.contains(&CONNECTION));
    }

    #[test]
    fn a_header_is_set_and_taken_away_without_touching_others() {
        let mut lines = lines();
        lines.set(&ACCEPT, b"e");
        lines.set(&CONTENT_TYPE, b"f");
        assert_eq!((lines.get(&HOST), lines.get(&CONTENT_TYPE)), (Some(&b"a"[..]), Some(&b"f"[..])));
        assert_eq!(lines.get_all(&ACCEPT).collect::<Vec<_>>(), [&b"e"[..]]);
        lines.remove(&HOST);
        assert_eq!((lines.get(&HOST), lines.text(&ACCEPT)), (None, Some("e")));
    }

    #[test]
    fn headers_of_http2_are_the_same_and_no_value_is_printed() {
        let mut map = HeaderMap::new();
        map.append(HOST, "canary".parse().unwrap());
        map.append(ACCEPT, "a".parse().unwrap());
        map.append(ACCEPT, "b".parse().unwrap());
        let lines = Lines::from(map);
        assert_eq!(lines.get(&HOST), Some(&b"canary"[..]));
        assert_eq!(lines.get_all(&ACCEPT).count(), 2);
        let printed = format!("{lines:?}");
        assert!(printed.contains("host") && !printed.contains("canary"), "{printed}");
    }
}
