//! Framing of a stream of lines, each a JSON document: finds where lines end in a stream that is cut anywhere. Ollama streams
//! its answers like this.

use crate::sse::{Event, StreamFault};

/// The state between chunks.
#[derive(Debug)]
pub(crate) struct LineFramer {
    line_bytes_max: usize,
    event_bytes_max: usize,
    /// The beginning of the current line, from earlier chunks, as far as it may be read.
    line: Vec<u8>,
    /// Bytes of the current line in earlier chunks.
    line_bytes: usize,
    /// The line that was handed out last, when it did not lie within its chunk.
    handed: Vec<u8>,
}

impl LineFramer {
    pub(crate) const fn new(line_bytes_max: usize, event_bytes_max: usize) -> LineFramer {
        LineFramer { line_bytes_max, event_bytes_max, line: Vec::new(), line_bytes: 0, handed: Vec::new() }
    }

    /// Reads on in `chunk` from `at`, up to the end of the next line, and moves `at` behind it; `None` when the chunk ends
    /// before.
    ///
    /// # Errors
    /// [`StreamFault::LineTooLong`].
    pub(crate) fn next<'a>(&'a mut self, chunk: &'a [u8], at: &mut usize) -> Result<Option<Event<'a>>, StreamFault> {
        let start = *at;
        let Some(length) = memchr::memchr(b'\n', &chunk[start..]) else {
            *at = chunk.len();
            self.carry(&chunk[start..])?;
            return Ok(None);
        };
        let end = start + length;
        *at = end + 1;
        if self.line_bytes == 0 {
            let data = Some(&chunk[start..end]).filter(|data| data.len() <= self.event_bytes_max);
            return Ok(Some(Event { data, is_error: false }));
        }
        self.carry(&chunk[start..end])?;
        Ok(Some(self.hand_out()))
    }

    /// The stream ended: what stands behind the last line feed.
    pub(crate) fn finish(&mut self) -> Option<Event<'_>> {
        (self.line_bytes > 0).then(|| self.hand_out())
    }

    /// Keeps the beginning of a line whose end is not there yet.
    fn carry(&mut self, part: &[u8]) -> Result<(), StreamFault> {
        self.line_bytes += part.len();
        if self.line_bytes > self.line_bytes_max {
            return Err(StreamFault::LineTooLong(self.line_bytes_max));
        }
        if self.line_bytes <= self.event_bytes_max {
            self.line.extend_from_slice(part);
        }
        Ok(())
    }

    /// The line that was carried; one that is too large passes unread.
    fn hand_out(&mut self) -> Event<'_> {
        let is_readable = self.line_bytes <= self.event_bytes_max;
        self.line_bytes = 0;
        self.handed = core::mem::take(&mut self.line);
        Event { data: is_readable.then_some(&self.handed[..]), is_error: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is handed out of `text` cut at `cut`.
    fn lines(text: &[u8], cut: usize) -> Result<Vec<Option<Vec<u8>>>, StreamFault> {
        let mut framer = LineFramer::new(12, 8);
        let mut found = Vec::new();
        for chunk in [&text[..cut], &text[cut..]] {
            let mut at = 0;
            while let Some(event) = framer.next(chunk, &mut at)? {
                found.push(event.data.map(<[u8]>::to_vec));
            }
        }
        found.extend(framer.finish().map(|event| event.data.map(<[u8]>::to_vec)));
        Ok(found)
    }

    #[test]
    fn lines_are_the_same_wherever_the_stream_is_cut() {
        let text = b"{\"a\":1}\n\n{}\n{\"long\":1}\n{}";
        for cut in 0..=text.len() {
            let found = lines(text, cut).expect("no line is too long");
            let expected: [Option<&[u8]>; 5] = [Some(b"{\"a\":1}"), Some(b""), Some(b"{}"), None, Some(b"{}")];
            assert_eq!(found, expected.map(|line| line.map(<[u8]>::to_vec)), "{cut}");
        }
        assert_eq!(lines(b"0123456789abcdef", 4), Err(StreamFault::LineTooLong(12)));
    }
}
