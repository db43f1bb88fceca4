//! A JSON value as it stands in a document, looked into only where somebody asks: order, numbers and texts stay as written.

use std::borrow::Cow;

use crate::scan::{Kind, Lenient, ScanError, Strict};

/// A value, and nothing around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node<'a> {
    raw: &'a str,
}

/// The members of an object, in order.
pub(super) type Members<'a> = Vec<(Cow<'a, str>, Node<'a>)>;

impl<'a> Node<'a> {
    /// The one value of a document; `None` when it is not one JSON value in UTF-8.
    pub(super) fn parse(document: &'a [u8]) -> Option<Node<'a>> {
        let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
        let text = core::str::from_utf8(document).ok()?;
        let mut scanner = Lenient::new(document);
        let (start, end) = scanner.span().ok()?;
        scanner.end().ok()?;
        Some(Node { raw: &text[start..end] })
    }

    /// As it is written.
    pub(super) const fn raw(self) -> &'a str {
        self.raw
    }

    pub(super) fn kind(self) -> Kind {
        match self.raw.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    pub(super) fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The text of a string.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        let raw = self.raw.as_bytes();
        if self.kind() != Kind::String {
            return None;
        }
        Lenient::new(raw).string().ok().map(|text| text.decode())
    }

    pub(super) fn boolean(self) -> Option<bool> {
        match self.kind() {
            Kind::True => Some(true),
            Kind::False => Some(false),
            _ => None,
        }
    }

    /// A number as it is written.
    pub(super) fn number(self) -> Option<&'a str> {
        // What providers write for numbers that JSON has not got (`NaN`) is none.
        let starts = self.raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        starts.then_some(self.raw)
    }

    pub(super) fn count(self) -> Option<u64> {
        self.number()?.parse().ok()
    }

    /// The members of an object, without those that are null.
    pub(super) fn members(self) -> Option<Members<'a>> {
        let mut members = self.all_members()?;
        members.retain(|(_, value)| !value.is_null());
        Some(members)
    }

    /// The members of an object.
    pub(super) fn all_members(self) -> Option<Members<'a>> {
        let mut members = Members::new();
        if self.kind() != Kind::Object {
            return None;
        }
        let mut scanner = Lenient::new(self.raw.as_bytes());
        let read = scanner.object::<ScanError>(|scanner, key| {
            let (start, end) = scanner.span()?;
            members.push((key.decode(), Node { raw: &self.raw[start..end] }));
            Ok(())
        });
        read.ok().map(|()| members)
    }

    /// The items of an array.
    pub(super) fn items(self) -> Option<Vec<Node<'a>>> {
        let mut items = Vec::new();
        if self.kind() != Kind::Array {
            return None;
        }
        let mut scanner = Lenient::new(self.raw.as_bytes());
        let read = scanner.array::<ScanError>(|scanner| {
            let (start, end) = scanner.span()?;
            items.push(Node { raw: &self.raw[start..end] });
            Ok(())
        });
        read.ok().map(|()| items)
    }

    /// One member of an object; `None` when it is absent or null, or this is no object. Looks no further than it must.
    pub(super) fn get(self, name: &str) -> Option<Node<'a>> {
        if self.kind() != Kind::Object {
            return None;
        }
        let mut found = None;
        let mut scanner = Lenient::new(self.raw.as_bytes());
        let _ = scanner.object::<Stop>(|scanner, key| {
            let (start, end) = scanner.span()?;
            let value = Node { raw: &self.raw[start..end] };
            let is_named = if key.escaped { key.decode() == name } else { key.raw == name.as_bytes() };
            if is_named && !value.is_null() {
                found = Some(value);
                return Err(Stop);
            }
            Ok(())
        });
        found
    }

    /// The text of a member.
    pub(super) fn text_of(self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.text()
    }
}

/// Ends a walk through an object: what was looked for is found, or the object is damaged.
struct Stop;

impl From<ScanError> for Stop {
    fn from(_: ScanError) -> Stop {
        Stop
    }
}

/// Whether a text is one JSON object, by the letter: it will stand in a document as it is.
pub(super) fn is_object(text: &str) -> bool {
    let mut scanner = Strict::new(text.as_bytes());
    matches!(scanner.kind(), Ok(Kind::Object)) && scanner.span().is_ok() && scanner.end().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_are_written() {
        let node = Node::parse(b" {\"b\": 1.50e3, \"a\\u0041\": [\"x\\n\", null, {}], \"n\": null}\n").expect("JSON");
        let members = node.members().expect("an object");
        let names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["b", "aA"]);
        assert_eq!(members[0].1.number(), Some("1.50e3"));
        assert_eq!(members[1].1.items().expect("an array").len(), 3);
        assert_eq!(node.get("aA").and_then(|node| node.items()).expect("items")[0].text().as_deref(), Some("x\n"));
        assert_eq!(node.get("n"), None);
        assert_eq!(Node::parse(b"{} {}"), None);
        assert!(is_object(" {\"a\":[1.5]}\n"));
        assert!(["[]", "{} {}", "{\"a\":1.m0}", "{\"a\":NaN}", "{\"a\":\"\n\"}"].iter().all(|text| !is_object(text)));
        assert_eq!(Node::parse(b"\"\xff\""), None);
        assert_eq!(Node::parse(b"NaN").and_then(Node::number), None);
    }
}
