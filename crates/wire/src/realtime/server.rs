//! Reads the events of a provider: which response begins, which ends and what it used, and what became of an event.

use core::ops::Range;

use crate::event::id_of;
use crate::scan::{Kind, Lenient, ScanError};
use crate::usage::{Usage, UsageFault, realtime};

/// What an event of a provider means for a bill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerEvent {
    /// A response began.
    Created {
        /// The response's id.
        id: Option<String>,
    },
    /// Something of a response is in it.
    Delta,
    /// A response ended.
    Done {
        /// The response's id.
        id: Option<String>,
        /// What it used; `Ok(None)` when that is not said.
        usage: Result<Option<Usage>, UsageFault>,
        /// The provider says that it failed.
        has_failed: bool,
    },
    /// An event of the client was not taken.
    Error {
        /// The event's id, and where it stands with its quotes.
        event_id: Option<(String, Range<usize>)>,
    },
    /// Anything else.
    Other,
    /// Not a JSON object with a type.
    Malformed,
}

/// Reads one event.
#[must_use]
pub fn server_event(text: &[u8]) -> ServerEvent {
    let mut found = Found::default();
    match found.read(text) {
        // What does not matter is not read to its end.
        Ok(()) | Err(Stop::Enough) => found.event(),
        Err(Stop::Fault) => ServerEvent::Malformed,
    }
}

/// The event with the id at `place` replaced by null: the client sent none.
#[must_use]
pub fn unnamed(text: &str, place: &Range<usize>) -> String {
    [&text[..place.start], "null", &text[place.end..]].concat()
}

enum Stop {
    Enough,
    Fault,
}

impl From<ScanError> for Stop {
    fn from(_: ScanError) -> Stop {
        Stop::Fault
    }
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Type {
    #[default]
    Unknown,
    Created,
    Done,
    Error,
    Delta,
    Other,
}

#[derive(Default)]
struct Found {
    kind: Type,
    id: Option<String>,
    usage: Option<Result<Option<Usage>, UsageFault>>,
    has_failed: bool,
    event_id: Option<(String, Range<usize>)>,
}

impl Found {
    fn read(&mut self, text: &[u8]) -> Result<(), Stop> {
        let mut scanner = Lenient::new(text);
        scanner.object::<Stop>(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                (b"type", Kind::String) => {
                    self.kind = kind_of(scanner.string()?.raw);
                    if matches!(self.kind, Type::Other | Type::Delta) {
                        return Err(Stop::Enough);
                    }
                }
                (b"response", Kind::Object) => self.response(scanner)?,
                (b"error", Kind::Object) => self.error(scanner)?,
                _ => scanner.skip()?,
            }
            Ok(())
        })?;
        scanner.end()?;
        Ok(())
    }

    fn response(&mut self, scanner: &mut Lenient<'_>) -> Result<(), Stop> {
        scanner.object::<Stop>(|scanner, key| {
            match (key.raw, scanner.kind()?) {
                (b"id", Kind::String) => self.id = id_of(&scanner.string()?.decode()),
                (b"status", Kind::String) => self.has_failed = scanner.string()?.raw == b"failed",
                (b"usage", Kind::Object) => {
                    let usage = realtime::read(scanner)?;
                    // A second usage that says something else leaves open which one is true.
                    let is_contradiction = self.usage.is_some_and(|first| first != usage);
                    self.usage = Some(if is_contradiction { Err(UsageFault::Inconsistent) } else { usage });
                }
                _ => scanner.skip()?,
            }
            Ok(())
        })
    }

    fn error(&mut self, scanner: &mut Lenient<'_>) -> Result<(), Stop> {
        scanner.object::<Stop>(|scanner, key| {
            if (key.raw, scanner.kind()?) != (b"event_id", Kind::String) {
                return Ok(scanner.skip()?);
            }
            let text = scanner.string()?;
            let place = text.start - 1..text.start + text.raw.len() + 1;
            self.event_id = Some((text.decode().into_owned(), place));
            Ok(())
        })
    }

    fn event(self) -> ServerEvent {
        let Found { kind, id, usage, has_failed, event_id } = self;
        match kind {
            Type::Created => ServerEvent::Created { id },
            Type::Done => ServerEvent::Done { id, usage: usage.unwrap_or(Ok(None)), has_failed },
            Type::Error => ServerEvent::Error { event_id },
            Type::Delta => ServerEvent::Delta,
            Type::Other => ServerEvent::Other,
            Type::Unknown => ServerEvent::Malformed,
        }
    }
}

fn kind_of(raw: &[u8]) -> Type {
    match raw {
        b"response.created" => Type::Created,
        b"response.done" => Type::Done,
        b"error" => Type::Error,
        raw if raw.starts_with(b"response.") && raw.ends_with(b".delta") => Type::Delta,
        _ => Type::Other,
    }
}
