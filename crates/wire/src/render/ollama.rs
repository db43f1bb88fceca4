//! Ollama's error object, model list and model.

use base::{Refusal, Timestamp};
use serde::Serialize;

use super::details::{Details, details, rfc3339};
use super::entry::ModelEntry;

/// The sentence, where Ollama's clients look for it; then the stable code and what helps a client to act.
#[derive(Serialize)]
struct Error<'a> {
    error: String,
    code: &'static str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<&'a str>,
    #[serde(flatten)]
    details: Details<'a>,
}

/// The error object of a refusal.
pub(super) fn error(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let error = Error {
        error: refusal.message(),
        code: refusal.code(),
        request_id,
        param: refusal.param(),
        details: details(refusal),
    };
    serde_json::to_vec(&error).expect("texts and numbers are always JSON")
}

#[derive(Serialize)]
struct Model<'a> {
    name: &'a str,
    model: &'a str,
    modified_at: String,
    /// Of a file that nobody has here.
    size: u64,
    digest: &'a str,
}

#[derive(Serialize)]
struct ModelList<'a> {
    models: Vec<Model<'a>>,
}

fn model_of<'a>(entry: &ModelEntry<'a>) -> Model<'a> {
    let modified_at = rfc3339(Timestamp::from_seconds(entry.created_seconds));
    Model { name: entry.id, model: entry.id, modified_at, size: 0, digest: "" }
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
