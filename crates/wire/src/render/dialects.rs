//! Chooses the renderer of a dialect.

use base::{Refusal, whole_seconds_ceil};
use bytes::Bytes;

use super::entry::{ModelEntry, Rendered};
use super::openai;
use crate::dialect::Dialect;

/// A refusal as a whole answer.
#[must_use]
pub fn refusal(dialect: Dialect, refusal: &Refusal, request_id: &str) -> Rendered {
    let body = match dialect {
        Dialect::Openai => openai::error(refusal, request_id),
    };
    Rendered { status: refusal.status(), content_type: "application/json", body: Bytes::from(body) }
}

/// The headers that a refusal adds, in lower case.
#[must_use]
pub fn headers(refusal: &Refusal) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if let Some(span) = refusal.retry_after() {
        headers.push(("retry-after", whole_seconds_ceil(span).to_string()));
    }
    if let Refusal::MethodNotAllowed { allowed } = refusal {
        headers.push(("allow", (*allowed).to_owned()));
    }
    if matches!(refusal, Refusal::IdempotencyLost) {
        headers.push(("x-should-retry", "false".to_owned()));
    }
    if refusal.status() == 401 {
        headers.push(("www-authenticate", "Bearer".to_owned()));
    }
    headers
}

/// A refusal as one event of a stream that broke after its status was sent.
#[must_use]
pub fn stream_error(dialect: Dialect, refusal: &Refusal, request_id: &str) -> Bytes {
    match dialect {
        Dialect::Openai => {
            let mut event = b"data: ".to_vec();
            event.extend_from_slice(&openai::error(refusal, request_id));
            event.extend_from_slice(b"\n\n");
            Bytes::from(event)
        }
    }
}

/// The list of models.
#[must_use]
pub fn models(dialect: Dialect, entries: &[ModelEntry<'_>]) -> Bytes {
    match dialect {
        Dialect::Openai => Bytes::from(openai::models(entries)),
    }
}

/// One model.
#[must_use]
pub fn model(dialect: Dialect, entry: &ModelEntry<'_>) -> Bytes {
    match dialect {
        Dialect::Openai => Bytes::from(openai::model(entry)),
    }
}
