//! Framing of a streamed JSON array: finds where its items end in a stream that is cut anywhere, and gives each item.
//!
//! Google streams its answers like this unless it is asked for events: `[{...}` at first, `,{...}` for each further piece,
//! and `]` at the end.

use crate::sse::{Event, StreamFault};

/// The state between chunks.
#[derive(Debug)]
pub(crate) struct ArrayFramer {
    item_bytes_max: usize,
    event_bytes_max: usize,
    /// The beginning of the current item, from earlier chunks, as far as it may be read.
    item: Vec<u8>,
    /// Bytes of the current item in earlier chunks.
    item_bytes: usize,
    /// The item that was handed out last, when it did not lie within its chunk.
    handed: Vec<u8>,
    /// How deep the place is: 0 outside the array, 1 between items.
    depth: u32,
    in_string: bool,
    is_escaped: bool,
    /// The array has ended.
    is_closed: bool,
}

impl ArrayFramer {
    pub(crate) const fn new(item_bytes_max: usize, event_bytes_max: usize) -> ArrayFramer {
        ArrayFramer {
            item_bytes_max,
            event_bytes_max,
            item: Vec::new(),
            item_bytes: 0,
            handed: Vec::new(),
            depth: 0,
            in_string: false,
            is_escaped: false,
            is_closed: false,
        }
    }

    /// Whether the opening bracket was seen.
    pub(crate) const fn has_begun(&self) -> bool {
        self.depth > 0 || self.is_closed
    }

    /// Whether the closing bracket was seen.
    pub(crate) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Reads on in `chunk` from `at`, up to the end of the next item, and moves `at` there; `None` when the chunk ends
    /// before.
    ///
    /// # Errors
    /// [`StreamFault::LineTooLong`], of an item.
    pub(crate) fn next<'a>(&'a mut self, chunk: &'a [u8], at: &mut usize) -> Result<Option<Event<'a>>, StreamFault> {
        let mut start = if self.depth > 1 { Some(*at) } else { None };
        while *at < chunk.len() {
            let byte = chunk[*at];
            *at += 1;
            if self.in_string {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth == 2 {
                        start = Some(*at - 1);
                    }
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 1
                        && let Some(start) = start
                    {
                        return self.end_item(chunk, start, *at).map(Some);
                    }
                    self.is_closed |= self.depth == 0;
                }
                _ => {}
            }
        }
        if let Some(start) = start {
            self.carry(&chunk[start..])?;
        }
        Ok(None)
    }

    /// Keeps the beginning of an item whose end is not there yet.
    fn carry(&mut self, part: &[u8]) -> Result<(), StreamFault> {
        self.item_bytes += part.len();
        if self.item_bytes > self.item_bytes_max {
            return Err(StreamFault::LineTooLong(self.item_bytes_max));
        }
        if self.item_bytes <= self.event_bytes_max {
            self.item.extend_from_slice(part);
        }
        Ok(())
    }

    /// The item that ends here; one that is too large passes unread.
    fn end_item<'a>(&'a mut self, chunk: &'a [u8], start: usize, end: usize) -> Result<Event<'a>, StreamFault> {
        if self.item_bytes == 0 {
            let data = Some(&chunk[start..end]).filter(|data| data.len() <= self.event_bytes_max);
            return Ok(Event { data, is_error: false });
        }
        self.carry(&chunk[start..end])?;
        let is_readable = self.item_bytes <= self.event_bytes_max;
        self.item_bytes = 0;
        self.handed = core::mem::take(&mut self.item);
        Ok(Event { data: is_readable.then_some(&self.handed[..]), is_error: false })
    }
}
