//! Chooses the renderer of a dialect.

use base::{Refusal, whole_seconds_ceil};
use bytes::Bytes;

use super::entry::{ModelEntry, Rendered};
use super::{anthropic, bedrock, cohere, gemini, ollama, openai};
use crate::dialect::{Dialect, Endpoint};
use crate::frames;
use crate::stream::ArrayState;

/// A refusal as a whole answer.
#[must_use]
pub fn refusal(dialect: Dialect, refusal: &Refusal, request_id: &str) -> Rendered {
    let body = Bytes::from(error(dialect, refusal, request_id));
    Rendered { status: refusal.status(), content_type: "application/json", body }
}

fn error(dialect: Dialect, refusal: &Refusal, request_id: &str) -> Vec<u8> {
    match dialect {
        Dialect::Openai => openai::error(refusal, request_id),
        Dialect::Anthropic => anthropic::error(refusal, request_id),
        Dialect::Gemini => gemini::error(refusal, request_id),
        Dialect::Cohere => cohere::error(refusal, request_id),
        Dialect::Bedrock => bedrock::error(refusal, request_id),
        Dialect::Ollama => ollama::error(refusal, request_id),
    }
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
    if matches!(refusal, Refusal::NoWebSocket) {
        headers.push(("upgrade", "HTTP/1.1".to_owned()));
    }
    if refusal.forbids_retries() {
        headers.push(("x-should-retry", "false".to_owned()));
    }
    if refusal.status() == 401 {
        headers.push(("www-authenticate", "Bearer".to_owned()));
    }
    headers
}

/// A refusal at the end of a stream that broke after its status was sent: an event, or an item of a streamed array.
#[must_use]
pub fn stream_error(endpoint: Endpoint, array: Option<ArrayState>, refusal: &Refusal, request_id: &str) -> Bytes {
    let dialect = endpoint.dialect().unwrap_or(Dialect::Openai);
    let error = error(dialect, refusal, request_id);
    if dialect == Dialect::Bedrock {
        return Bytes::from(frames::exception(bedrock::exception(refusal), &error));
    }
    let (before, after): (&[u8], &[u8]) = match (array, dialect, endpoint) {
        (Some(ArrayState::Empty), ..) => (b"[", b"\n]\n"),
        // A reader that was cut off inside an item fails on this, as it should; any other gets the error as an item.
        (Some(ArrayState::Open), ..) => (b"\n,\n", b"\n]\n"),
        // A reader that was cut off inside a line fails on that line, and gets the error on the next.
        (None, Dialect::Ollama, _) => (b"\n", b"\n"),
        (None, Dialect::Cohere, _) => (b"event: message-end\ndata: ", b"\n\n"),
        (None, Dialect::Anthropic, _)
        | (None, _, Endpoint::Responses | Endpoint::ResponseGet | Endpoint::Interactions | Endpoint::InteractionGet) => {
            (b"event: error\ndata: ", b"\n\n")
        }
        _ => (b"data: ", b"\n\n"),
    };
    let error = match (dialect, endpoint) {
        _ if endpoint.answers_response() => openai::typed_error(refusal, request_id),
        _ if endpoint.is_interaction() => gemini::error_event(refusal, request_id),
        (Dialect::Cohere, _) => cohere::end_of_stream(refusal, request_id),
        _ => error,
    };
    Bytes::from([before, &error, after].concat())
}

/// A refusal in a realtime session, as an event of its own; `event_id` names the event of the client that it is about.
#[must_use]
pub fn session_error(refusal: &Refusal, request_id: &str, event_id: Option<&str>) -> String {
    openai::session_error(refusal, request_id, event_id)
}

/// The answer to a call that asks how many tokens another would have.
#[must_use]
pub fn token_count(dialect: Dialect, tokens: u64) -> Bytes {
    let member = if dialect == Dialect::Gemini { "totalTokens" } else { "input_tokens" };
    Bytes::from(format!("{{\"{member}\":{tokens}}}"))
}

/// The list of models.
#[must_use]
pub fn models(dialect: Dialect, entries: &[ModelEntry<'_>]) -> Bytes {
    Bytes::from(match dialect {
        Dialect::Openai => openai::models(entries),
        Dialect::Anthropic => anthropic::models(entries),
        Dialect::Gemini => gemini::models(entries),
        Dialect::Cohere => cohere::models(entries),
        Dialect::Bedrock => bedrock::models(entries),
        Dialect::Ollama => ollama::models(entries),
    })
}

/// One model.
#[must_use]
pub fn model(dialect: Dialect, entry: &ModelEntry<'_>) -> Bytes {
    Bytes::from(match dialect {
        Dialect::Openai => openai::model(entry),
        Dialect::Anthropic => anthropic::model(entry),
        Dialect::Gemini => gemini::model(entry),
        Dialect::Cohere => cohere::model(entry),
        Dialect::Bedrock => bedrock::model(entry),
        Dialect::Ollama => ollama::model(entry),
    })
}
