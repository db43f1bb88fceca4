//! Meters a streamed answer while its bytes pass, and takes out the usage chunk that its client did not ask for.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::array::ArrayFramer;
use crate::call::Call;
use crate::dialect::Endpoint;
use crate::event::{Delivered, Reading};
use crate::frames::FrameFramer;
use crate::lines::LineFramer;
use crate::sse::{Event, Framer, StreamFault};
use crate::usage::{Usage, UsageFault};

/// Most of an incomplete event that is held back; a larger one is not the usage chunk.
const HELD_BYTES_MAX: usize = 64 << 10;

/// How to meter one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamOptions {
    /// What was asked for.
    pub endpoint: Endpoint,
    /// The stream is one JSON array instead of events.
    pub is_array: bool,
    /// The stream is frames with sums instead of events.
    pub is_frames: bool,
    /// The stream is lines instead of events.
    pub is_lines: bool,
    /// Choices that are to finish.
    pub choices: u32,
    /// Remove the usage chunk, since the relay asked for it and not the client.
    pub strip_usage: bool,
    /// The longest line; a longer one is a fault.
    pub line_bytes_max: usize,
    /// The largest event that is read; a larger one passes unread.
    pub event_bytes_max: usize,
}

impl StreamOptions {
    /// With the default limits: lines of 16 MiB pass, events of 1 MiB are read, of 12 where they are images.
    #[must_use]
    pub const fn new(endpoint: Endpoint, strip_usage: bool) -> StreamOptions {
        StreamOptions {
            endpoint,
            is_array: false,
            is_frames: endpoint.streams_frames(),
            is_lines: endpoint.streams_lines(),
            choices: 1,
            strip_usage,
            line_bytes_max: 16 << 20,
            // An image is one event, with its usage behind it.
            event_bytes_max: if endpoint.makes_images() { 12 << 20 } else { 1 << 20 },
        }
    }

    /// For the stream that answers `call`.
    #[must_use]
    pub fn of(call: &Call) -> StreamOptions {
        StreamOptions {
            is_array: call.streams_array(),
            choices: call.billable().choices,
            ..StreamOptions::new(call.endpoint(), call.adds_usage())
        }
    }
}

/// How a stream ended when its upstream closed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnd {
    /// The last event of the dialect was seen: `[DONE]`, `message_stop`, `response.completed`, a reason to finish.
    Terminal,
    /// It was not: the stream is broken, unless [`StreamMeter::is_final`] and the provider never sends it.
    Missing,
}

/// How far a streamed JSON array is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrayState {
    /// Nothing of it was forwarded.
    Empty,
    /// Its bracket was.
    Open,
}

/// How the events of a stream are told apart.
#[derive(Debug)]
enum Framing {
    Events(Framer),
    Array(ArrayFramer),
    Frames(FrameFramer),
    Lines(LineFramer),
}

impl Framing {
    fn next<'a>(&'a mut self, chunk: &'a [u8], at: &mut usize) -> Result<Option<Event<'a>>, StreamFault> {
        match self {
            Framing::Events(framer) => framer.next(chunk, at),
            Framing::Array(framer) => framer.next(chunk, at),
            Framing::Frames(framer) => framer.next(chunk, at),
            Framing::Lines(framer) => framer.next(chunk, at),
        }
    }

    fn takes_line_feed(&mut self, chunk: &[u8]) -> bool {
        match self {
            Framing::Events(framer) => framer.takes_line_feed(chunk),
            Framing::Array(_) | Framing::Frames(_) | Framing::Lines(_) => false,
        }
    }

    fn finish(&mut self) -> Option<Event<'_>> {
        match self {
            Framing::Events(framer) => framer.finish(),
            Framing::Lines(framer) => framer.finish(),
            Framing::Array(_) | Framing::Frames(_) => None,
        }
    }
}

/// A machine over the bytes of one streamed answer.
///
/// Without `strip_usage` every byte is forwarded at once. With it, the last incomplete event is held back until it is known
/// not to be the usage chunk, or exceeds 64 KiB. `"usage": null` in ordinary chunks, which some providers add when usage was
/// asked for, is left where it is: clients ignore it.
#[derive(Debug)]
pub struct StreamMeter {
    strip_usage: bool,
    framing: Framing,
    reading: Reading,
    /// Bytes of the incomplete event in earlier chunks.
    held: SmallVec<[Bytes; 4]>,
    held_bytes: usize,
    /// The beginning of the current event was forwarded already.
    is_released: bool,
    /// The last whole event was taken out.
    was_stripped: bool,
}

impl StreamMeter {
    /// A meter at the start of a stream.
    #[must_use]
    pub fn new(options: StreamOptions) -> StreamMeter {
        let framing = if options.is_frames {
            Framing::Frames(FrameFramer::new(options.line_bytes_max, options.event_bytes_max))
        } else if options.is_lines {
            Framing::Lines(LineFramer::new(options.line_bytes_max, options.event_bytes_max))
        } else if options.is_array {
            Framing::Array(ArrayFramer::new(options.line_bytes_max, options.event_bytes_max))
        } else {
            Framing::Events(Framer::new(options.line_bytes_max, options.event_bytes_max))
        };
        let mut reading = Reading::new(options.endpoint);
        reading.choices = options.choices.max(1);
        StreamMeter {
            strip_usage: options.strip_usage,
            framing,
            reading,
            held: SmallVec::new(),
            held_bytes: 0,
            is_released: false,
            was_stripped: false,
        }
    }

    /// Takes the next bytes of the upstream; `forward` gets slices of them, in order.
    ///
    /// # Errors
    /// [`StreamFault`] when the stream must be given up.
    pub fn push(&mut self, chunk: Bytes, forward: &mut impl FnMut(Bytes)) -> Result<(), StreamFault> {
        if self.strip_usage {
            return self.push_stripping(&chunk, forward);
        }
        forward(chunk.clone());
        let mut at = usize::from(self.framing.takes_line_feed(&chunk));
        while let Some(event) = self.framing.next(&chunk, &mut at)? {
            self.reading.has_error |= event.is_error;
            if let Some(data) = event.data {
                self.reading.event(data);
            }
        }
        Ok(())
    }

    fn push_stripping(&mut self, chunk: &Bytes, forward: &mut impl FnMut(Bytes)) -> Result<(), StreamFault> {
        // chunk[run_start..event_start] is to be forwarded; chunk[event_start..] belongs to an event that has not ended.
        let (mut at, mut run_start, mut event_start) = (0, 0, 0);
        if self.framing.takes_line_feed(chunk) {
            at = 1;
            if self.held.is_empty() {
                (run_start, event_start) = (usize::from(self.was_stripped), 1);
            }
        }
        loop {
            let is_usage = match self.framing.next(chunk, &mut at)? {
                None => break,
                Some(event) => {
                    self.reading.has_error |= event.is_error;
                    event.data.is_some_and(|data| self.reading.event(data))
                }
            };
            self.was_stripped = is_usage && !self.is_released;
            if self.was_stripped {
                pass(chunk, run_start, event_start, forward);
                self.held.clear();
                run_start = at;
            } else {
                self.held.drain(..).for_each(&mut *forward);
            }
            self.held_bytes = 0;
            self.is_released = false;
            event_start = at;
        }
        pass(chunk, run_start, event_start, forward);
        if event_start < chunk.len() {
            self.hold(chunk.slice(event_start..), forward);
        }
        Ok(())
    }

    /// Keeps the end of a chunk, whose event has not ended.
    fn hold(&mut self, rest: Bytes, forward: &mut impl FnMut(Bytes)) {
        self.was_stripped = false;
        if self.is_released {
            return forward(rest);
        }
        self.held_bytes += rest.len();
        self.held.push(rest);
        if self.held_bytes > HELD_BYTES_MAX {
            self.held.drain(..).for_each(&mut *forward);
            self.is_released = true;
        }
    }

    /// The upstream closed the stream; what was held back is forwarded, unless it is the usage chunk.
    pub fn finish(&mut self, forward: &mut impl FnMut(Bytes)) -> StreamEnd {
        let mut is_usage = false;
        if let Some(event) = self.framing.finish() {
            self.reading.has_error |= event.is_error;
            is_usage = event.data.is_some_and(|data| self.reading.last_event(data));
        }
        if is_usage {
            self.held.clear();
        }
        self.held.drain(..).for_each(&mut *forward);
        if self.is_terminal() { StreamEnd::Terminal } else { StreamEnd::Missing }
    }

    /// The last valid usage.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.reading.usage
    }

    /// What was wrong with the last usage; `None` when it was valid, or none came.
    #[must_use]
    pub const fn fault(&self) -> Option<UsageFault> {
        self.reading.fault
    }

    /// Whether the last event was seen, so that the usage is final. An array ends with its bracket.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        match &self.framing {
            Framing::Events(_) | Framing::Frames(_) | Framing::Lines(_) => self.reading.is_terminal,
            Framing::Array(framer) => framer.is_closed() && self.reading.is_terminal,
        }
    }

    /// Whether the usage is that of the whole answer rather than of its beginning.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        self.reading.is_final
    }

    /// How far one JSON array is; `None` for a stream of events.
    #[must_use]
    pub const fn array(&self) -> Option<ArrayState> {
        match &self.framing {
            Framing::Events(_) | Framing::Frames(_) | Framing::Lines(_) => None,
            Framing::Array(framer) if framer.has_begun() => Some(ArrayState::Open),
            Framing::Array(_) => Some(ArrayState::Empty),
        }
    }

    /// Whether a comment may stand between what the stream has.
    #[must_use]
    pub const fn takes_comments(&self) -> bool {
        matches!(self.framing, Framing::Events(_))
    }

    /// Whether a choice said why it finished. Some providers end their streams with that, and without `[DONE]`.
    #[must_use]
    pub const fn has_finish_reason(&self) -> bool {
        self.reading.has_finish_reason
    }

    /// Whether the provider sent an error inside the stream.
    #[must_use]
    pub const fn error_event(&self) -> bool {
        self.reading.has_error
    }

    /// What the client was given.
    #[must_use]
    pub fn delivered(&self) -> Delivered<'_> {
        self.reading.delivered()
    }

    /// The provider's own id of the answer.
    #[must_use]
    pub fn response_id(&self) -> Option<&str> {
        self.reading.id.as_deref()
    }
}

/// Forwards a part of a chunk, if there is anything in it.
fn pass(chunk: &Bytes, start: usize, end: usize, forward: &mut impl FnMut(Bytes)) {
    if start < end {
        forward(if end - start == chunk.len() { chunk.clone() } else { chunk.slice(start..end) });
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
