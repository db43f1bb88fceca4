//! Cohere's error object, the end of a stream that failed, model list and model.

use base::Refusal;
use serde::Serialize;

use super::details::Told;
use super::entry::ModelEntry;

/// Cohere's two members, then the stable code and what helps a client to act.
#[derive(Serialize)]
struct Error<'a> {
    id: &'a str,
    message: String,
    code: &'static str,
    #[serde(flatten)]
    told: Told<'a>,
}

/// The event that ends a stream, whose reason is an error.
#[derive(Serialize)]
struct End<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    delta: Delta,
}

#[derive(Serialize)]
struct Delta {
    finish_reason: &'static str,
    error: String,
    code: &'static str,
}

/// The error object of a refusal.
pub(super) fn error(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let error = Error { id: request_id, message: refusal.message(), code: refusal.code(), told: Told::of(refusal) };
    serde_json::to_vec(&error).expect("texts and numbers are always JSON")
}

/// The last event of a stream that could not be brought to its end.
pub(super) fn end_of_stream(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let delta = Delta { finish_reason: "ERROR", error: refusal.message(), code: refusal.code() };
    let end = End { kind: "message-end", id: request_id, delta };
    serde_json::to_vec(&end).expect("texts and numbers are always JSON")
}

#[derive(Serialize)]
struct Model<'a> {
    name: &'a str,
    endpoints: &'static [&'static str],
}

#[derive(Serialize)]
struct ModelList<'a> {
    models: Vec<Model<'a>>,
}

const fn model_of<'a>(entry: &ModelEntry<'a>) -> Model<'a> {
    Model { name: entry.id, endpoints: if entry.has_output { &["chat"] } else { &["embed", "rerank"] } }
}

/// One model.
pub(super) fn model(entry: &ModelEntry<'_>) -> Vec<u8> {
    serde_json::to_vec(&model_of(entry)).expect("texts and numbers are always JSON")
}

/// The list of models.
pub(super) fn models(entries: &[ModelEntry<'_>]) -> Vec<u8> {
    let list = ModelList { models: entries.iter().map(model_of).collect() };
    serde_json::to_vec(&list).expect("texts and numbers are always JSON")
}
