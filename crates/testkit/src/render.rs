//! Building answers as bytes with places for the id and the time, so that one rendering serves many equal requests.

use bytes::Bytes;
use serde::Serialize;

use crate::fault::UsageShape;

/// Characters of an id after its prefix.
pub(crate) const ID_CHARACTERS: usize = 29;

/// Digits of `created`; all times of answers lie between 2001 and 2286.
const CREATED_DIGITS: usize = 10;

/// The name of this model server's configuration, as real answers carry one.
pub(crate) const FINGERPRINT: &str = "fp_51a7ed0c3b";

#[derive(Clone, Copy, Debug)]
enum Place {
    Id(usize),
    Created(usize),
}

/// A part of a stream that is produced at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Offset behind its last byte.
    pub(crate) end: usize,
    /// Completion tokens that it is worth.
    pub(crate) tokens: u64,
}

/// An answer's body under construction, and then its template.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    bytes: Vec<u8>,
    places: Vec<Place>,
    events: Vec<Event>,
}

impl Page {
    pub(crate) fn text(&mut self, text: &str) -> &mut Page {
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) -> &mut Page {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(crate) fn number(&mut self, number: u64) -> &mut Page {
        self.text(&number.to_string())
    }

    /// A value as JSON, for strings and numbers.
    pub(crate) fn json(&mut self, value: &(impl Serialize + ?Sized)) -> &mut Page {
        serde_json::to_writer(&mut self.bytes, value).expect("strings and numbers always serialise into memory");
        self
    }

    /// A JSON string of the prefix and the answer's id.
    pub(crate) fn id(&mut self, prefix: &str) -> &mut Page {
        self.text("\"").text(prefix);
        self.places.push(Place::Id(self.bytes.len()));
        self.bytes.resize(self.bytes.len() + ID_CHARACTERS, b'0');
        self.text("\"")
    }

    pub(crate) fn created(&mut self) -> &mut Page {
        self.places.push(Place::Created(self.bytes.len()));
        self.bytes.resize(self.bytes.len() + CREATED_DIGITS, b'0');
        self
    }

    /// Everything since the last event is one event.
    pub(crate) fn end_event(&mut self, tokens: u64) {
        self.events.push(Event { end: self.bytes.len(), tokens });
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Keeps the first events only.
    pub(crate) fn truncate_events(&mut self, count: usize) {
        self.events.truncate(count);
        self.bytes.truncate(self.events.last().map_or(0, |event| event.end));
        let length = self.bytes.len();
        self.places.retain(|place| match place {
            Place::Id(at) | Place::Created(at) => *at < length,
        });
    }

    /// The body with its id and time filled in.
    pub(crate) fn fill(&self, id: &[u8; ID_CHARACTERS], created_seconds: u64) -> Bytes {
        let created = created_seconds.clamp(1_000_000_000, 9_999_999_999).to_string();
        let mut bytes = self.bytes.clone();
        for place in &self.places {
            match *place {
                Place::Id(at) => bytes[at..at + ID_CHARACTERS].copy_from_slice(id),
                Place::Created(at) => bytes[at..at + CREATED_DIGITS].copy_from_slice(created.as_bytes()),
            }
        }
        Bytes::from(bytes)
    }
}

/// The tokens of one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) prompt: u64,
    pub(crate) cached: u64,
    pub(crate) completion: u64,
    pub(crate) reasoning: u64,
}

impl Usage {
    pub(crate) fn with_cached_percent(mut self, percent: u8) -> Usage {
        self.cached = self.prompt * u64::from(percent.min(100)) / 100;
        self
    }

    /// The first half of an answer's usage, for streams that report twice.
    pub(crate) fn half(self) -> Usage {
        Usage { completion: self.completion / 2, reasoning: self.reasoning / 2, ..self }
    }

    /// The usage object of chat/completions and completions, right or wrong.
    pub(crate) fn write(self, page: &mut Page, shape: Option<UsageShape>) {
        let prompt = self.prompt;
        let (prompt_text, completion_text, total_text) = match shape {
            Some(UsageShape::Negative) => {
                let negative = -(self.completion.max(1) as i64);
                (prompt.to_string(), negative.to_string(), (prompt as i64 + negative).to_string())
            }
            Some(UsageShape::Absurd) => {
                ("9000000000000000".into(), "9000000000000000".into(), "18000000000000000".into())
            }
            Some(UsageShape::Fractional) => {
                (prompt.to_string(), format!("{}.5", self.completion), format!("{}.5", prompt + self.completion))
            }
            Some(UsageShape::Text) => {
                let quoted = |number: u64| format!("\"{number}\"");
                (quoted(prompt), quoted(self.completion), quoted(prompt + self.completion))
            }
            Some(UsageShape::Missing | UsageShape::Twice) | None => {
                (prompt.to_string(), self.completion.to_string(), (prompt + self.completion).to_string())
            }
        };
        page.text("{\"prompt_tokens\":").text(&prompt_text).text(",\"completion_tokens\":").text(&completion_text);
        page.text(",\"total_tokens\":").text(&total_text).text(",\"prompt_tokens_details\":{\"cached_tokens\":");
        page.number(self.cached).text(",\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":");
        page.number(self.reasoning).text(",\"audio_tokens\":0,\"accepted_prediction_tokens\":0,");
        page.text("\"rejected_prediction_tokens\":0}}");
    }
}
