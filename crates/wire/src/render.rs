//! Refusals and model lists in the words of each dialect.

use base::Refusal;
use bytes::Bytes;

use crate::dialect::Dialect;

/// A body ready to be sent, with its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The HTTP status.
    pub status: u16,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// One model, as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelEntry<'a> {
    /// Its public name.
    pub id: &'a str,
    /// When it was added, in seconds since the Unix epoch.
    pub created_seconds: i64,
    /// Who runs it.
    pub owned_by: &'a str,
}

/// A refusal as a whole answer.
#[must_use]
pub fn refusal(dialect: Dialect, refusal: &Refusal, request_id: &str) -> Rendered {
    let _ = (dialect, request_id);
    Rendered { status: refusal.status(), content_type: "application/json", body: Bytes::new() }
}

/// A refusal as one event of a stream that broke after its status was sent.
#[must_use]
pub fn stream_error(dialect: Dialect, refusal: &Refusal, request_id: &str) -> Bytes {
    let _ = (dialect, refusal, request_id);
    Bytes::new()
}

/// The list of models.
#[must_use]
pub fn models(dialect: Dialect, entries: &[ModelEntry<'_>]) -> Bytes {
    let _ = (dialect, entries);
    Bytes::new()
}

/// One model.
#[must_use]
pub fn model(dialect: Dialect, entry: &ModelEntry<'_>) -> Bytes {
    let _ = (dialect, entry);
    Bytes::new()
}

/// One example of every refusal.
#[must_use]
pub fn examples() -> Vec<Refusal> {
    Vec::new()
}

/// The whole of `docs/refusals.md`.
#[must_use]
pub fn refusals_markdown() -> String {
    String::new()
}
