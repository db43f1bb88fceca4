//! Reads the events of one streamed answer: text that was delivered, usage, errors and the end.

mod bedrock;
mod cohere;
mod gemini;
mod interactions;
mod invoked;
mod made;
mod messages;
mod ollama;
mod predict;
mod responses;

use crate::dialect::{Dialect, Endpoint};
use crate::scan::{Kind, Lenient, ScanError, Text, decode_into};
use crate::usage::{self, InvokedCounts, MessageCounts, Usage, UsageFault};

/// Most delivered text that is kept for counting, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Longest id of an answer that is kept, in bytes.
const ID_BYTES_MAX: usize = 128;

/// What a client was given so far, for counting when no usage came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered<'a> {
    /// The decoded text (content, reasoning, refusals, names and arguments of tool calls), at most 1 MiB.
    pub text: &'a str,
    /// Bytes of text beyond that, as they stand in the stream.
    pub beyond_bytes: u64,
    /// Events that carried text.
    pub chunks: u64,
}

/// What the events so far said.
#[derive(Debug)]
pub(crate) struct Reading {
    endpoint: Endpoint,
    pub(crate) usage: Option<Usage>,
    pub(crate) fault: Option<UsageFault>,
    /// The usage is that of the whole answer; before, it is what the provider had counted up to some event.
    pub(crate) is_final: bool,
    pub(crate) is_terminal: bool,
    pub(crate) has_error: bool,
    pub(crate) has_finish_reason: bool,
    pub(crate) id: Option<String>,
    /// Choices that were asked for.
    pub(crate) choices: u32,
    /// Candidates that have begun and that have finished, a bit each by their index.
    begun: u64,
    finished: u64,
    counts: MessageCounts,
    invoked: InvokedCounts,
    /// Searches that the answer itself shows, where no usage counts them.
    searches: u64,
    /// Images that were made.
    images: u64,
    text: String,
    text_bytes_max: usize,
    beyond_bytes: u64,
    chunks: u64,
}

/// What one event was, beyond what is kept of it.
#[derive(Default)]
struct Shape {
    /// `choices` is there and has no item.
    has_no_choices: bool,
    usage: Option<Result<Usage, UsageFault>>,
}

impl Reading {
    pub(crate) fn new(endpoint: Endpoint) -> Reading {
        Reading {
            endpoint,
            usage: None,
            fault: None,
            is_final: false,
            is_terminal: false,
            has_error: false,
            has_finish_reason: false,
            id: None,
            choices: 1,
            begun: 0,
            finished: 0,
            counts: MessageCounts::default(),
            invoked: InvokedCounts::default(),
            searches: 0,
            images: 0,
            text: String::new(),
            text_bytes_max: TEXT_BYTES_MAX,
            beyond_bytes: 0,
            chunks: 0,
        }
    }

    pub(crate) fn delivered(&self) -> Delivered<'_> {
        Delivered { text: &self.text, beyond_bytes: self.beyond_bytes, chunks: self.chunks }
    }

    /// Reads the data of one event. Says whether it is the usage chunk: usage, and `choices` without an item.
    pub(crate) fn event(&mut self, data: &[u8]) -> bool {
        self.read_event(data, false)
    }

    /// The same for what stood behind the last whole event when the stream ended: cut off, it says nothing.
    pub(crate) fn last_event(&mut self, data: &[u8]) -> bool {
        self.read_event(data, true)
    }

    fn read_event(&mut self, data: &[u8], may_be_cut_off: bool) -> bool {
        if data.trim_ascii() == b"[DONE]" {
            self.is_terminal |= self.ends_with_done();
            return false;
        }
        let before = self.text.len() as u64 + self.beyond_bytes;
        let mut shape = Shape::default();
        let mut scanner = Lenient::new(data);
        let read = self.document(&mut scanner, &mut shape);
        self.chunks += u64::from(self.text.len() as u64 + self.beyond_bytes > before);
        if read.is_err() {
            // What stands in a garbled event may be garbled itself.
            if !may_be_cut_off && memchr::memmem::find(data, b"\"usage").is_some() {
                self.fault = Some(UsageFault::Malformed);
            }
            return false;
        }
        match shape.usage {
            None => return false,
            Some(Ok(usage)) => (self.usage, self.fault) = (Some(usage), None),
            Some(Err(fault)) => self.fault = Some(fault),
        }
        shape.has_no_choices
    }

    /// One event, or a whole answer, which reads alike.
    fn document(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        match (self.endpoint.dialect(), self.endpoint) {
            (Some(Dialect::Anthropic), _) => self.message_event(scanner, shape),
            (_, Endpoint::Predict | Endpoint::PredictImages) => self.predicted(scanner, shape),
            (_, endpoint) if endpoint.is_interaction() => self.interaction_event(scanner, shape),
            (Some(Dialect::Gemini), _) => self.gemini_event(scanner, shape),
            (Some(Dialect::Cohere), _) => self.cohere_event(scanner, shape),
            (_, endpoint) if endpoint.is_invoked() => self.invoked_event(scanner, shape),
            (Some(Dialect::Bedrock), _) => self.bedrock_event(scanner, shape),
            (Some(Dialect::Ollama), _) => self.ollama_event(scanner, shape),
            (_, endpoint) if endpoint.answers_response() => self.response_event(scanner, shape),
            (_, endpoint) if endpoint.makes_media() => self.made_event(scanner, shape),
            _ => {
                scanner.object(|scanner, key| self.member(scanner, key, shape))?;
                self.is_final |= shape.usage.is_some();
                Ok(())
            }
        }
    }

    /// Whether `[DONE]` is the last event; the other dialects have events of their own for that.
    fn ends_with_done(&self) -> bool {
        self.endpoint.dialect() == Some(Dialect::Openai) && !self.endpoint.answers_response()
    }

    /// One member of an event's object.
    #[inline]
    fn member(&mut self, scanner: &mut Lenient<'_>, key: Text<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        match key.raw {
            b"choices" if scanner.kind()? == Kind::Array => {
                shape.has_no_choices = true;
                scanner.array(|scanner| {
                    shape.has_no_choices = false;
                    if scanner.kind()? == Kind::Object { self.choice(scanner) } else { scanner.skip() }
                })
            }
            b"usage" if scanner.kind()? == Kind::Object => self.usage(scanner, shape),
            b"id" if self.id.is_none() && scanner.kind()? == Kind::String => {
                self.id = id_of(&scanner.string()?.decode());
                Ok(())
            }
            b"error" => {
                self.has_error |= scanner.kind()? != Kind::Null;
                scanner.skip()
            }
            // Groq repeats the usage of the last chunk here, and older versions give it only here.
            b"x_groq" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"usage" if scanner.kind()? == Kind::Object => self.usage(scanner, shape),
                b"error" => {
                    self.has_error |= scanner.kind()? != Kind::Null;
                    scanner.skip()
                }
                _ => scanner.skip(),
            }),
            _ => scanner.skip(),
        }
    }

    /// Takes a usage object, and notes it unless there is nothing in it.
    fn usage(&self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        shape.usage = usage::read(self.endpoint, scanner)?.transpose().or(shape.usage);
        Ok(())
    }

    fn choice(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        scanner.object(|scanner, key| match key.raw {
            b"delta" | b"message" if scanner.kind()? == Kind::Object => self.delta(scanner),
            b"text" => self.strings(scanner),
            b"finish_reason" => {
                self.has_finish_reason |= scanner.kind()? == Kind::String;
                scanner.skip()
            }
            _ => scanner.skip(),
        })
    }

    fn delta(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        let mut has_reasoning = false;
        scanner.object(|scanner, key| match key.raw {
            b"content" | b"refusal" | b"tool_calls" | b"function_call" | b"audio" => self.strings(scanner),
            // Some servers send the same reasoning under both names.
            b"reasoning" | b"reasoning_content" if !has_reasoning => {
                has_reasoning = scanner.kind()? == Kind::String;
                self.strings(scanner)
            }
            _ => scanner.skip(),
        })
    }

    /// Takes a value and keeps the texts in it, but for those that the model did not write.
    fn strings(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        match scanner.kind()? {
            Kind::String => {
                let text = scanner.string()?;
                self.keep(text);
                Ok(())
            }
            Kind::Array => scanner.array(|scanner| self.strings(scanner)),
            Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"type" | b"id" | b"role" | b"signature" | b"data" | b"format" => scanner.skip(),
                _ => self.strings(scanner),
            }),
            _ => scanner.skip(),
        }
    }

    #[inline]
    fn keep(&mut self, text: Text<'_>) {
        self.keep_raw(text.raw);
    }

    #[inline]
    fn keep_raw(&mut self, raw: &[u8]) {
        // Decoding lossily can make three bytes of one.
        if 3_usize.saturating_mul(raw.len()).saturating_add(self.text.len()) > self.text_bytes_max {
            self.beyond_bytes += raw.len() as u64;
        } else {
            decode_into(raw, &mut self.text);
        }
    }
}

/// An id that may be recorded: short, and printable ASCII.
pub(crate) fn id_of(text: &str) -> Option<String> {
    let is_good = (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_good.then(|| text.to_owned())
}

/// Reads a whole answer: it has the members of an event.
pub(crate) fn whole(endpoint: Endpoint, body: &[u8]) -> Result<Reading, ScanError> {
    let mut reading = Reading::new(endpoint);
    reading.text_bytes_max = usize::MAX;
    let mut scanner = Lenient::new(body);
    let mut shape = Shape::default();
    reading.document(&mut scanner, &mut shape)?;
    scanner.end()?;
    match shape.usage {
        None => {}
        Some(Ok(usage)) => reading.usage = Some(usage),
        Some(Err(fault)) => reading.fault = Some(fault),
    }
    Ok(reading)
}

/// The text that a whole answer gives its reader (content, reasoning, refusals, names and arguments of tool calls), for
/// counting when it reports no usage. Empty when the answer has none, or is no JSON.
#[must_use]
pub fn answer_text(endpoint: Endpoint, body: &[u8]) -> String {
    whole(endpoint, body).map_or(String::new(), |reading| reading.text)
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, answer_text};

    const CHAT: Endpoint = Endpoint::ChatCompletions;

    #[test]
    fn the_text_of_an_answer_is_what_its_reader_gets() {
        let body = br#"{"id":"x","choices":[{"finish_reason":"stop","logprobs":{"content":[{"token":"caf"}]},"message":
            {"role":"assistant","content":"caf\u00e9","tool_calls":[{"id":"c","type":"function","function":
            {"name":"f","arguments":"{\"a\":1}"}}]}}],"model":"m"}"#;
        assert_eq!(answer_text(CHAT, body), "caf\u{e9}f{\"a\":1}");
        assert_eq!(answer_text(CHAT, br#"{"choices":[{"text":"a"},{"text":"b"}]}"#), "ab");
        assert_eq!(answer_text(CHAT, b"<html>"), "");
        let summed_up = br#"{"content":[{"type":"compaction","content":"so far"},{"type":"text","text":"!"}]}"#;
        assert_eq!(answer_text(Endpoint::Messages, summed_up), "so far!");
    }
}
