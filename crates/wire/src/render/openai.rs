//! OpenAI's error object, model list and model.

use base::Refusal;
use serde::Serialize;

use super::details::{Details, details};
use super::entry::ModelEntry;

#[derive(Serialize)]
struct Envelope<'a> {
    error: Error<'a>,
}

/// OpenAI's four members, then what helps a client to act; absent where it does not apply.
#[derive(Serialize)]
struct Error<'a> {
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: &'static str,
    #[serde(flatten)]
    details: Details<'a>,
    request_id: &'a str,
}

/// The error event of a streamed response: its own members, and the object that SDKs look for.
#[derive(Serialize)]
struct TypedEnvelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    code: &'static str,
    message: String,
    param: Option<&'a str>,
    error: Error<'a>,
}

/// The error event of a session, with the event of the client that it is about.
#[derive(Serialize)]
struct SessionEnvelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    event_id: String,
    error: SessionError<'a>,
}

#[derive(Serialize)]
struct SessionError<'a> {
    #[serde(flatten)]
    error: Error<'a>,
    event_id: Option<&'a str>,
}

/// The error object of a refusal.
pub(super) fn error(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let error = error_of(refusal, request_id);
    serde_json::to_vec(&Envelope { error }).expect("texts and numbers are always JSON")
}

/// The error event of a response.
pub(super) fn typed_error(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let error = error_of(refusal, request_id);
    let (code, param, message) = (refusal.code(), refusal.param(), refusal.message());
    let event = TypedEnvelope { kind: "error", code, message, param, error };
    serde_json::to_vec(&event).expect("texts and numbers are always JSON")
}

/// The error event of a session.
pub(super) fn session_error(refusal: &Refusal, request_id: &str, event_id: Option<&str>) -> String {
    let error = SessionError { error: error_of(refusal, request_id), event_id };
    let event = SessionEnvelope { kind: "error", event_id: format!("event_{request_id}"), error };
    serde_json::to_string(&event).expect("texts and numbers are always JSON")
}

fn error_of<'a>(refusal: &'a Refusal, request_id: &'a str) -> Error<'a> {
    Error {
        message: refusal.message(),
        kind: kind(refusal),
        param: refusal.param(),
        code: refusal.code(),
        details: details(refusal),
        request_id,
    }
}

/// OpenAI's word for a kind of error. SDKs choose their exception by status, people read this.
pub(super) fn kind(refusal: &Refusal) -> &'static str {
    match refusal.status() {
        401 => "authentication_error",
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        502 | 504 => "upstream_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    owned_by: &'a str,
}

#[derive(Serialize)]
struct ModelList<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

const fn model_of<'a>(entry: &ModelEntry<'a>) -> Model<'a> {
    Model { id: entry.id, object: "model", created: entry.created_seconds, owned_by: entry.owned_by }
}

/// One model.
pub(super) fn model(entry: &ModelEntry<'_>) -> Vec<u8> {
    serde_json::to_vec(&model_of(entry)).expect("texts and numbers are always JSON")
}

/// The list of models.
pub(super) fn models(entries: &[ModelEntry<'_>]) -> Vec<u8> {
    let list = ModelList { object: "list", data: entries.iter().map(model_of).collect() };
    serde_json::to_vec(&list).expect("texts and numbers are always JSON")
}
