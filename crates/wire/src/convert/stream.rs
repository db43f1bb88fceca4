//! Turns answers around, whole or as their bytes come in: bounded memory, and nothing of an event before it is whole.

use bytes::Bytes;
use thiserror::Error;

use super::build::Build;
use super::form::{Reader, Writer, reads_in_order, whole};
use super::node::Node;
use super::order::Order;
use super::said::{Event, Names, Said};
use super::{bedrock, problem};
use crate::dialect::{Dialect, Endpoint};
use crate::frames::FrameFramer;
use crate::sse::{Framer, StreamFault};
use crate::stream::ArrayState;

/// Most of a stream that is kept for a dialect that says it whole at the end.
const KEPT_BYTES_MAX: usize = 16 << 20;

/// What came is not what the upstream's dialect says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the answer is not what its dialect says")]
pub struct Untranslatable;

/// How the events of the upstream are told apart.
#[derive(Debug)]
enum Framing {
    Events(Framer),
    Frames(FrameFramer),
}

/// A machine over the answer of one attempt.
#[derive(Debug)]
pub struct AnswerTranslator {
    /// The form of the upstream, and that of the client.
    endpoint: Endpoint,
    client: Endpoint,
    names: Names,
    is_array: bool,
    framing: Framing,
    reader: Reader,
    /// For a client whose SDKs read one call after another.
    order: Option<Order>,
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
        let framing = if endpoint == Endpoint::Converse {
            Framing::Frames(FrameFramer::new(line_bytes_max, line_bytes_max))
        } else {
            Framing::Events(Framer::new(line_bytes_max, line_bytes_max))
        };
        AnswerTranslator {
            endpoint,
            client,
            is_array,
            framing,
            reader: Reader::new(endpoint, &names),
            order: reads_in_order(client).then(Order::default),
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
        match (is_stream, self.client) {
            (true, Endpoint::Converse) => "application/vnd.amazon.eventstream",
            (true, _) if !self.is_array => "text/event-stream; charset=utf-8",
            _ => "application/json",
        }
    }

    /// Whether comments may stand in the client's stream.
    #[must_use]
    pub const fn takes_comments(&self) -> bool {
        !self.is_array && !matches!(self.client, Endpoint::Converse)
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
                Some(Dialect::Cohere) => problem::write_cohere(&problem, &self.names.id, &mut json),
                Some(Dialect::Bedrock) => problem::write_bedrock(&problem, &mut json),
                _ => problem::write_openai(&problem, &mut json),
            }
            return Ok(json.take().into());
        }
        let mut events = Vec::new();
        let mut reader = Reader::new(self.endpoint, &self.names);
        let read = Node::parse(body).and_then(|body| reader.whole(body, &mut events));
        read.ok_or(Untranslatable)?;
        if events.iter().any(|event| matches!(event, Event::Problem(_))) {
            return Err(Untranslatable);
        }
        whole(self.client, &Said::fold(events), &self.names, &mut json);
        Ok(json.take().into())
    }

    /// Takes the next bytes of the upstream's stream, and gives what the client gets for them; often nothing.
    ///
    /// # Errors
    /// [`Untranslatable`] when the stream must be given up.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Bytes, Untranslatable> {
        let mut json = Build::new();
        let mut at = match &mut self.framing {
            Framing::Events(framer) => usize::from(framer.takes_line_feed(chunk)),
            Framing::Frames(_) => 0,
        };
        while self.read(chunk, &mut at)? {
            self.write(&mut json);
            let waiting = self.order.as_ref().map_or(0, |order| order.kept_bytes);
            if self.writer.kept_bytes() + waiting > KEPT_BYTES_MAX {
                return Err(Untranslatable);
            }
        }
        Ok(json.take().into())
    }

    /// The upstream closed its stream; `is_whole` says that all came. A stream that broke off is not given an end here.
    pub fn finish(&mut self, is_whole: bool) -> Bytes {
        let mut json = Build::new();
        if let Framing::Events(framer) = &mut self.framing
            && let Some(data) = framer.finish().and_then(|event| event.data)
        {
            // An event that was cut off says nothing.
            let _ = self.reader.event(data, &mut self.events);
        }
        if is_whole {
            self.events.push(Event::End);
        }
        self.write(&mut json);
        json.take().into()
    }

    /// Reads up to the end of the next event or frame; says whether there was one.
    fn read(&mut self, chunk: &[u8], at: &mut usize) -> Result<bool, Untranslatable> {
        let given_up = |_: StreamFault| Untranslatable;
        let data = match &mut self.framing {
            Framing::Events(framer) => match framer.next(chunk, at).map_err(given_up)? {
                None => return Ok(false),
                Some(event) => event.data,
            },
            Framing::Frames(framer) => match framer.next_frame(chunk, at).map_err(given_up)? {
                None => return Ok(false),
                Some(frame) if frame.is_error => {
                    let problem = bedrock::exception(frame.error_kind, frame.payload.unwrap_or_default());
                    self.events.push(Event::Problem(problem));
                    return Ok(true);
                }
                Some(frame) => frame.payload,
            },
        };
        if let Some(data) = data.filter(|data| !data.trim_ascii().is_empty()) {
            self.reader.event(data, &mut self.events).ok_or(Untranslatable)?;
        }
        Ok(true)
    }

    /// Writes out the events that were read. Whatever stands behind the last one is nothing to the client.
    fn write(&mut self, json: &mut Build) {
        for event in self.events.drain(..) {
            if self.has_ended {
                continue;
            }
            self.has_ended = matches!(event, Event::End | Event::Problem(_));
            match &mut self.order {
                Some(order) => order.take(event, &mut |event| self.writer.event(event, json)),
                None => self.writer.event(event, json),
            }
        }
        self.has_opened |= !json.out.is_empty();
    }
}
