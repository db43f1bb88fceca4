//! Facts of an answer that is not streamed, found in one pass without deserialising the rest.

use crate::dialect::{Dialect, Endpoint};
use crate::event::{id_of, whole};
use crate::scan::{Kind, Lenient, ScanError};
use crate::usage::{self, Usage, UsageFault};

/// What the relay wants to know of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerFacts {
    /// The usage; `Ok(None)` when the answer has none.
    pub usage: Result<Option<Usage>, UsageFault>,
    /// The provider's own id of the answer, at most 128 bytes.
    pub id: Option<String>,
}

/// Reads both facts in one pass.
#[must_use]
pub fn answer_facts(endpoint: Endpoint, body: &[u8]) -> AnswerFacts {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match (endpoint.dialect(), endpoint) {
        // Nothing is billed for these, so that nothing has to be reported.
        _ if !endpoint.has_usage() => AnswerFacts { usage: Ok(Some(Usage::default())), id: facts(endpoint, body).id },
        (Some(Dialect::Openai), endpoint) if endpoint != Endpoint::Responses => facts(endpoint, body),
        // The others show searches among their items, and have all that their events have.
        _ => match whole(endpoint, body) {
            Ok(reading) => AnswerFacts { usage: reading.fault.map_or(Ok(reading.usage), Err), id: reading.id },
            Err(_) => AnswerFacts { usage: Err(UsageFault::Malformed), id: None },
        },
    }
}

/// The facts of an answer that is one object with `id` and `usage`.
fn facts(endpoint: Endpoint, body: &[u8]) -> AnswerFacts {
    let mut facts = AnswerFacts { usage: Ok(None), id: None };
    let mut scanner = Lenient::new(body);
    let (mut seen, mut images, mut beside) = (false, 0, Ok(None));
    let read = scanner.object::<ScanError>(|scanner, key| {
        match key.raw {
            b"usage" if scanner.kind()? == Kind::Object => {
                let usage = usage::read(endpoint, scanner)?;
                // A second usage that says something else leaves open which one is true.
                let is_contradiction = seen && facts.usage != usage;
                facts.usage = if is_contradiction { Err(UsageFault::Inconsistent) } else { usage };
                seen = true;
            }
            // Cohere's first version has all of it here, and SiliconFlow.
            b"meta" if endpoint == Endpoint::Rerank && scanner.kind()? == Kind::Object => {
                beside = usage::read(Endpoint::CohereRerank, scanner)?;
            }
            b"data" if endpoint.makes_images() && scanner.kind()? == Kind::Array => {
                scanner.array(|scanner| {
                    images += u64::from(scanner.kind()? == Kind::Object);
                    scanner.skip()
                })?;
            }
            b"id" if facts.id.is_none() && scanner.kind()? == Kind::String => {
                facts.id = id_of(&scanner.string()?.decode());
            }
            // Most of an answer.
            _ => scanner.pass_over()?,
        }
        Ok(())
    });
    if read.and_then(|()| scanner.end()).is_err() {
        facts.usage = Err(UsageFault::Malformed);
    }
    if facts.usage == Ok(None) {
        facts.usage = beside;
    }
    if endpoint.makes_images() {
        // What was made is an answer's own account of itself, also where it has no usage.
        facts.usage = facts.usage.map(|usage| Some(Usage { images, ..usage.unwrap_or_default() }));
    }
    facts
}

/// The usage of a whole answer, `None` when it has none.
///
/// # Errors
/// [`UsageFault`] when the usage cannot be believed, or the answer is not one JSON object.
pub fn answer_usage(endpoint: Endpoint, body: &[u8]) -> Result<Option<Usage>, UsageFault> {
    answer_facts(endpoint, body).usage
}
