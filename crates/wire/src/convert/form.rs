//! Chooses the reader and the writer of a dialect. A form is named by its endpoint.

use super::build::Build;
use super::fault::Fault;
use super::node::Node;
use super::said::{Event, Names, Said};
use super::talk::Talk;
use super::{bedrock, chat, cohere, gemini, messages, responses};
use crate::dialect::{Dialect, Endpoint};

/// The forms that are translated.
pub(super) const FORMS: [Endpoint; 6] = [
    Endpoint::ChatCompletions,
    Endpoint::Messages,
    Endpoint::GenerateContent,
    Endpoint::Responses,
    Endpoint::CohereChat,
    Endpoint::Converse,
];

/// Whether conversations in this form are translated into the others, and the others into it.
#[must_use]
pub fn is_translated(endpoint: Endpoint) -> bool {
    FORMS.contains(&endpoint)
}

/// What upstreams of a dialect are asked in where nothing else is said; `None` where nothing is translated into it.
pub(super) const fn form_of(dialect: Dialect) -> Option<Endpoint> {
    Some(match dialect {
        Dialect::Openai => Endpoint::ChatCompletions,
        Dialect::Anthropic => Endpoint::Messages,
        Dialect::Gemini => Endpoint::GenerateContent,
        Dialect::Cohere => Endpoint::CohereChat,
        Dialect::Bedrock => Endpoint::Converse,
        Dialect::Ollama => return None,
    })
}

/// Whether SDKs of a form take a piece of a call for one of the call that came last: those of chats go by its number, and
/// contents have no pieces.
pub(super) const fn reads_in_order(form: Endpoint) -> bool {
    !matches!(form, Endpoint::ChatCompletions | Endpoint::GenerateContent)
}

pub(super) fn read(form: Endpoint, body: Node<'_>) -> Result<Talk<'_>, Fault> {
    match form {
        Endpoint::Messages => messages::read(body),
        Endpoint::GenerateContent => gemini::read(body),
        Endpoint::Responses => responses::read(body),
        Endpoint::CohereChat => cohere::read(body),
        Endpoint::Converse => bedrock::read(body),
        _ => chat::read(body),
    }
}

/// The members of a body, and those of what Gemini and Converse nest in it.
pub(super) fn write(form: Endpoint, talk: &Talk<'_>, stream: bool) -> Result<(Vec<u8>, Vec<u8>), Fault> {
    let mut json = Build::new();
    let mut nested = Build::default();
    match form {
        Endpoint::Messages => messages::write(talk, stream, &mut json)?,
        Endpoint::GenerateContent => gemini::write(talk, &mut json, &mut nested)?,
        Endpoint::Responses => responses::write(talk, stream, &mut json)?,
        Endpoint::CohereChat => cohere::write(talk, stream, &mut json)?,
        Endpoint::Converse => bedrock::write(talk, &mut json, &mut nested)?,
        _ => chat::write(talk, stream, &mut json)?,
    }
    Ok((json.take(), nested.take()))
}

/// Reads answers.
#[derive(Debug)]
pub(super) enum Reader {
    Chat(chat::Reader),
    Messages(messages::Reader),
    Gemini(gemini::Reader),
    Responses(responses::Reader),
    Cohere(cohere::Reader),
    Bedrock(bedrock::Reader),
}

impl Reader {
    pub(super) fn new(form: Endpoint, names: &Names) -> Reader {
        match form {
            Endpoint::Messages => Reader::Messages(messages::Reader::default()),
            Endpoint::GenerateContent => Reader::Gemini(gemini::Reader::new(names)),
            Endpoint::Responses => Reader::Responses(responses::Reader::default()),
            Endpoint::CohereChat => Reader::Cohere(cohere::Reader::new(names)),
            Endpoint::Converse => Reader::Bedrock(bedrock::Reader::new(names)),
            _ => Reader::Chat(chat::Reader::default()),
        }
    }

    pub(super) fn whole(&mut self, body: Node<'_>, events: &mut Vec<Event>) -> Option<()> {
        match self {
            Reader::Chat(reader) => reader.whole(body, events),
            Reader::Messages(reader) => reader.whole(body, events),
            Reader::Gemini(reader) => reader.whole(body, events),
            Reader::Responses(reader) => reader.whole(body, events),
            Reader::Cohere(reader) => reader.whole(body, events),
            Reader::Bedrock(reader) => reader.whole(body, events),
        }
    }

    pub(super) fn event(&mut self, data: &[u8], events: &mut Vec<Event>) -> Option<()> {
        // Imitators end streams of any dialect like this.
        if data.trim_ascii() == b"[DONE]" && !matches!(self, Reader::Chat(_)) {
            return Some(());
        }
        match self {
            Reader::Chat(reader) => reader.event(data, events),
            Reader::Messages(reader) => reader.event(data, events),
            Reader::Gemini(reader) => reader.event(data, events),
            Reader::Responses(reader) => reader.event(data, events),
            Reader::Cohere(reader) => reader.event(data, events),
            Reader::Bedrock(reader) => reader.event(data, events),
        }
    }
}

/// Writes streams.
#[derive(Debug)]
pub(super) enum Writer {
    Chat(chat::Writer),
    Messages(messages::Writer),
    Gemini(gemini::Writer),
    Responses(responses::Writer),
    Cohere(cohere::Writer),
    Bedrock(bedrock::Writer),
}

impl Writer {
    pub(super) fn new(form: Endpoint, names: Names, wants_usage: bool, is_array: bool) -> Writer {
        match form {
            Endpoint::Messages => Writer::Messages(messages::Writer::new(names)),
            Endpoint::GenerateContent => Writer::Gemini(gemini::Writer::new(names, is_array)),
            Endpoint::Responses => Writer::Responses(responses::Writer::new(&names)),
            Endpoint::CohereChat => Writer::Cohere(cohere::Writer::new(names)),
            Endpoint::Converse => Writer::Bedrock(bedrock::Writer::default()),
            _ => Writer::Chat(chat::Writer::new(names, wants_usage)),
        }
    }

    pub(super) fn event(&mut self, event: Event, json: &mut Build) {
        match self {
            Writer::Chat(writer) => writer.event(event, json),
            Writer::Messages(writer) => writer.event(event, json),
            Writer::Gemini(writer) => writer.event(event, json),
            Writer::Responses(writer) => writer.event(event, json),
            Writer::Cohere(writer) => writer.event(event, json),
            Writer::Bedrock(writer) => writer.event(event, json),
        }
    }

    /// Bytes of the answer that are kept until it ends.
    pub(super) fn kept_bytes(&self) -> usize {
        match self {
            Writer::Chat(_) | Writer::Messages(_) | Writer::Cohere(_) | Writer::Bedrock(_) => 0,
            Writer::Gemini(writer) => writer.kept_bytes,
            Writer::Responses(writer) => writer.kept_bytes,
        }
    }
}

/// Writes a whole answer.
pub(super) fn whole(form: Endpoint, said: &Said, names: &Names, json: &mut Build) {
    match form {
        Endpoint::Messages => messages::whole(said, names, json),
        Endpoint::GenerateContent => gemini::whole(said, names, json),
        Endpoint::Responses => responses::whole(said, names, json),
        Endpoint::CohereChat => cohere::whole(said, names, json),
        Endpoint::Converse => bedrock::whole(said, json),
        _ => chat::whole(said, names, json),
    }
}
