//! Reads the events of one streamed answer: text that was delivered, usage, errors and the end.

use crate::answer::id_of;
use crate::dialect::Endpoint;
use crate::scan::{Kind, Lenient, ScanError, Text, decode_into};
use crate::usage::{self, Usage, UsageFault};

/// Most delivered text that is kept for counting, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;

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
    pub(crate) is_terminal: bool,
    pub(crate) has_error: bool,
    pub(crate) has_finish_reason: bool,
    pub(crate) id: Option<String>,
    text: String,
    beyond_bytes: u64,
    chunks: u64,
}

/// What one event was, beyond what is kept of it.
#[derive(Default)]
struct Shape {
    /// `choices` is there and has no item.
    has_no_choices: bool,
    has_usage: bool,
}

impl Reading {
    pub(crate) const fn new(endpoint: Endpoint) -> Reading {
        Reading {
            endpoint,
            usage: None,
            fault: None,
            is_terminal: false,
            has_error: false,
            has_finish_reason: false,
            id: None,
            text: String::new(),
            beyond_bytes: 0,
            chunks: 0,
        }
    }

    pub(crate) fn delivered(&self) -> Delivered<'_> {
        Delivered { text: &self.text, beyond_bytes: self.beyond_bytes, chunks: self.chunks }
    }

    /// Reads the data of one event. Says whether it is the usage chunk: usage, and `choices` without an item.
    pub(crate) fn event(&mut self, data: &[u8]) -> bool {
        if data.trim_ascii() == b"[DONE]" {
            self.is_terminal = true;
            return false;
        }
        let before = self.text.len() as u64 + self.beyond_bytes;
        let mut shape = Shape::default();
        let mut scanner = Lenient::new(data);
        let read = scanner.object(|scanner, key| self.member(scanner, key, &mut shape));
        let is_broken = read.is_err();
        if is_broken && memchr::memmem::find(data, b"\"usage\"").is_some() {
            self.fault = Some(UsageFault::Malformed);
        }
        self.chunks += u64::from(self.text.len() as u64 + self.beyond_bytes > before);
        !is_broken && shape.has_usage && shape.has_no_choices
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
            b"usage" if scanner.kind()? == Kind::Object => {
                shape.has_usage |= self.usage(scanner)?;
                Ok(())
            }
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
                b"usage" if scanner.kind()? == Kind::Object => self.usage(scanner).map(drop),
                b"error" => {
                    self.has_error |= scanner.kind()? != Kind::Null;
                    scanner.skip()
                }
                _ => scanner.skip(),
            }),
            _ => scanner.skip(),
        }
    }

    /// Takes a usage object; says whether there was anything in it.
    fn usage(&mut self, scanner: &mut Lenient<'_>) -> Result<bool, ScanError> {
        match usage::read(self.endpoint, scanner)? {
            Ok(None) => return Ok(false),
            Ok(usage) => (self.usage, self.fault) = (usage, None),
            Err(fault) => self.fault = Some(fault),
        }
        Ok(true)
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
        // Decoding lossily can make three bytes of one.
        if self.text.len() + 3 * text.raw.len() > TEXT_BYTES_MAX {
            self.beyond_bytes += text.raw.len() as u64;
        } else {
            decode_into(text.raw, &mut self.text);
        }
    }
}
