//! Translation between chat dialects: a client of one, an upstream of another.
//!
//! Each dialect has one reader and one writer of requests, and one of answers; between them stands a neutral form
//! (`talk`, `said`). What the neutral form or the target has no word for is refused by the client's own name of it, or is
//! in the table of `notes`, which is also `docs/translation.md`.
//!
//! **Architecture invariant:** nothing here is on the way of a call whose upstream speaks its dialect.

mod answer_schema;
mod bedrock;
mod build;
mod chat;
mod cohere;
mod counts;
mod fault;
mod form;
mod gemini;
mod messages;
mod node;
mod notes;
mod openai;
mod order;
mod problem;
mod request;
mod responses;
mod said;
mod seal;
mod stream;
mod take;
mod talk;

pub use self::form::is_translated;
pub use self::notes::translation_markdown;
pub use self::request::Translation;
pub use self::stream::{AnswerTranslator, Untranslatable};

#[cfg(test)]
mod tests;
