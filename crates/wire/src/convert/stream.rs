//! Turns answers around, whole or as their bytes come in: bounded memory, and nothing of an event before it is whole.

use bytes::Bytes;
use thiserror::Error;

use super::build::Build;
use super::form::{Reader, Writer, whole};
use super::node::Node;
use super::problem;
use super::said::{Event, Names, Said};
use crate::dialect::{Dialect, Endpoint};
use crate::sse::Framer;
use crate::stream::ArrayState;

/// Most of a stream that is kept for a dialect that says it whole at the end.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// What came is not what the upstream's dialect says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the answer is not what its dialect says")]
pub struct Untranslatable;

/// A machine over the answer of one attempt.
#[derive(Debug)]
pub struct AnswerTranslator {
    /// The form of the upstream, and that of the client.
    endpoint: Endpoint,
    client: Endpoint,
    names: Names,
    is_array: bool,
    framer: Framer,
    reader: Reader,
    writer: Writer,
    /// The last event went out, or an error did.
    has_ended: bool,
    /// The bracket of the client's array went out.
    has_opened: bool,
    events: Vec<Event>,
}

impl AnswerTranslator {
    pub(super) fn new(
        endpoint: Endpoint,
        client: Endpoint,
        names: Names,
        wants_usage: bool,
        is_array: bool,
        line_bytes_max: usize,
    ) -> AnswerTranslator {
        AnswerTranslator {
            endpoint,
            client,
            is_array,
            framer: Framer::new(line_bytes_max, line_bytes_max),
            reader: Reader::new(endpoint, &names),
            writer: Writer::new(client, names.clone(), wants_usage, is_array),
            names,
            has_ended: false,
            has_opened: false,
            events: Vec::new(),
        }
    }

    /// What is called at the upstream.
    #[must_use]
    pub const fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The type of what the client gets.
    #[must_use]
    pub const fn content_type(&self, is_stream: bool) -> &'static str {
        if is_stream && !self.is_array { "text/event-stream; charset=utf-8" } else { "application/json" }
    }

    /// How far the client's JSON array is; `None` when it gets events.
    #[must_use]
    pub const fn array(&self) -> Option<ArrayState> {
        match (self.is_array, self.has_opened) {
            (false, _) => None,
            (true, false) => Some(ArrayState::Empty),
            (true, true) => Some(ArrayState::Open),
        }
    }

    /// A whole answer of the upstream, as the client reads it.
    ///
    /// # Errors
    /// [`Untranslatable`], of an answer that says it is good.
    pub fn whole(&self, status: u16, body: &[u8]) -> Result<Bytes, Untranslatable> {
        let mut json = Build::new();
        if !(200..300).contains(&status) {
            let problem = problem::of_body(body, status);
            match self.client.dialect() {
                Some(Dialect::Anthropic) => problem::write_anthropic(&problem, &mut json),
                Some(Dialect::Gemini) => problem::write_google(&problem, &mut json),
                _ => problem::write_openai(&problem, &mut json),
            }
            return Ok(json.take().into());
        }
        let mut events = Vec::new();
        let mut reader = Reader::new(self.endpoint, &self.names);
        let read = Node::parse(body).and_then(|body| reader.whole(body, &mut events));
        read.ok_or(Untranslatable)?;
        whole(self.client, &Said::fold(events), &self.names, &mut json);
        Ok(json.take().into())
    }

    /// Takes the next bytes of the upstream's stream, and gives what the client gets for them; often nothing.
    ///
    /// # Errors
    /// [`Untranslatable`] when the stream must be given up.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Bytes, Untranslatable> {
        let mut json = Build::new();
        let mut at = usize::from(self.framer.takes_line_feed(chunk));
        while let Some(event) = self.framer.next(chunk, &mut at).map_err(|_| Untranslatable)? {
            if let Some(data) = event.data.filter(|data| !data.trim_ascii().is_empty()) {
                self.reader.event(data, &mut self.events).ok_or(Untranslatable)?;
            }
            self.write(&mut json);
            if self.writer.kept_bytes() > KEPT_BYTES_MAX {
                return Err(Untranslatable);
            }
        }
        Ok(json.take().into())
    }

    /// The upstream closed its stream; `is_whole` says that all came. A stream that broke off is not given an end here.
    pub fn finish(&mut self, is_whole: bool) -> Bytes {
        let mut json = Build::new();
        if let Some(data) = self.framer.finish().and_then(|event| event.data) {
            // An event that was cut off says nothing.
            let _ = self.reader.event(data, &mut self.events);
        }
        if is_whole {
            self.events.push(Event::End);
        }
        self.write(&mut json);
        json.take().into()
    }

    /// Writes out the events that were read. Whatever stands behind the last one is nothing to the client.
    fn write(&mut self, json: &mut Build) {
        for event in self.events.drain(..) {
            if self.has_ended {
                continue;
            }
            self.has_ended = matches!(event, Event::End | Event::Problem(_));
            self.writer.event(event, json);
        }
        self.has_opened |= !json.out.is_empty();
    }
}
