//! Builds JSON piece by piece: commas are placed by looking at what stands before.

/// JSON under construction, perhaps with text around it.
#[derive(Debug, Default)]
pub(super) struct Build {
    pub(super) out: Vec<u8>,
}

impl Build {
    pub(super) fn new() -> Build {
        Build { out: Vec::with_capacity(512) }
    }

    /// A comma, unless nothing stands before in this object or array.
    pub(super) fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'{' | b'[' | b':' | b' ')) {
            self.out.push(b',');
        }
    }

    pub(super) fn begin_object(&mut self) -> &mut Build {
        self.separate();
        self.out.push(b'{');
        self
    }

    pub(super) fn end_object(&mut self) -> &mut Build {
        self.out.push(b'}');
        self
    }

    pub(super) fn begin_array(&mut self) -> &mut Build {
        self.separate();
        self.out.push(b'[');
        self
    }

    pub(super) fn end_array(&mut self) -> &mut Build {
        self.out.push(b']');
        self
    }

    /// The name of a member; its value follows. Names are our own, without anything to escape.
    pub(super) fn key(&mut self, name: &str) -> &mut Build {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self
    }

    /// The name of a member that somebody else chose; its value follows.
    pub(super) fn name(&mut self, name: &str) -> &mut Build {
        self.text(name);
        self.out.push(b':');
        self
    }

    /// A text as a value.
    pub(super) fn text(&mut self, text: &str) -> &mut Build {
        self.separate();
        serde_json::to_writer(&mut self.out, text).expect("a text is always JSON, and memory takes it");
        self
    }

    /// JSON as it is written elsewhere, on one line: in a stream a line break would end the event's data. It can only
    /// stand between values.
    pub(super) fn raw(&mut self, json: &str) -> &mut Build {
        self.separate();
        let mut rest = json.as_bytes();
        while let Some(place) = memchr::memchr2(b'\n', b'\r', rest) {
            self.out.extend_from_slice(&rest[..place]);
            self.out.push(b' ');
            rest = &rest[place + 1..];
        }
        self.out.extend_from_slice(rest);
        self
    }

    pub(super) fn count(&mut self, count: u64) -> &mut Build {
        let mut digits = itoa::Buffer::new();
        self.raw(digits.format(count))
    }

    pub(super) fn boolean(&mut self, value: bool) -> &mut Build {
        self.raw(if value { "true" } else { "false" })
    }

    /// A member with a text.
    pub(super) fn texted(&mut self, name: &str, text: &str) -> &mut Build {
        self.key(name).text(text)
    }

    /// A member with a count.
    pub(super) fn counted(&mut self, name: &str, count: u64) -> &mut Build {
        self.key(name).count(count)
    }

    /// Ends a chain where a statement stands.
    pub(super) const fn done(&self) {}

    /// What was built.
    pub(super) fn take(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_where_they_must() {
        let mut json = Build::new();
        json.begin_object().texted("a", "x\"{").key("b").begin_array().raw("[1,\r\n2]").begin_object().end_object();
        json.text("").end_array().key("c").begin_object().counted("d", 7).end_object().key("e").boolean(true);
        json.end_object();
        let text = String::from_utf8(json.take()).expect("text");
        assert_eq!(text, r#"{"a":"x\"{","b":[[1,  2],{},""],"c":{"d":7},"e":true}"#);
    }
}
