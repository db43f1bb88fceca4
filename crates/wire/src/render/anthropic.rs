//! Anthropic's error object, model list and model.

use base::{Refusal, Timestamp};
use serde::Serialize;

use super::details::{Told, rfc3339};
use super::entry::ModelEntry;

#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Error<'a>,
    request_id: &'a str,
}

/// Anthropic's two members, then the stable code and what helps a client to act.
#[derive(Serialize)]
struct Error<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: String,
    code: &'static str,
    #[serde(flatten)]
    told: Told<'a>,
}

/// The error object of a refusal.
pub(super) fn error(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let error =
        Error { kind: kind(refusal), message: refusal.message(), code: refusal.code(), told: Told::of(refusal) };
    serde_json::to_vec(&Envelope { kind: "error", error, request_id }).expect("texts and numbers are always JSON")
}

/// Anthropic's word for a kind of error.
fn kind(refusal: &Refusal) -> &'static str {
    match refusal.status() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

#[derive(Serialize)]
struct Model<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
}

/// One page has all.
#[derive(Serialize)]
struct ModelList<'a> {
    data: Vec<Model<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

fn model_of<'a>(entry: &ModelEntry<'a>) -> Model<'a> {
    let created_at = rfc3339(Timestamp::from_seconds(entry.created_seconds));
    Model { kind: "model", id: entry.id, display_name: entry.id, created_at }
}

/// One model.
pub(super) fn model(entry: &ModelEntry<'_>) -> Vec<u8> {
    serde_json::to_vec(&model_of(entry)).expect("texts and numbers are always JSON")
}

/// The list of models.
pub(super) fn models(entries: &[ModelEntry<'_>]) -> Vec<u8> {
    let list = ModelList {
        data: entries.iter().map(model_of).collect(),
        has_more: false,
        first_id: entries.first().map(|entry| entry.id),
        last_id: entries.last().map(|entry| entry.id),
    };
    serde_json::to_vec(&list).expect("texts and numbers are always JSON")
}
