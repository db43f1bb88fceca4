//! Google's error object, model list and model.

use std::collections::BTreeMap;

use base::Refusal;
use serde::Serialize;
use serde_json::Value;

use super::details::details;
use super::entry::ModelEntry;

#[derive(Serialize)]
struct Envelope {
    error: Error,
}

#[derive(Serialize)]
struct Error {
    code: u16,
    message: String,
    status: &'static str,
    details: [Info; 1],
}

/// `google.rpc.ErrorInfo`: the stable code is its reason, and what helps a client to act its metadata, all texts.
#[derive(Serialize)]
struct Info {
    #[serde(rename = "@type")]
    kind: &'static str,
    reason: &'static str,
    domain: &'static str,
    metadata: BTreeMap<String, String>,
}

/// The error object of a refusal.
pub(super) fn error(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let mut metadata = BTreeMap::from([("request_id".to_owned(), request_id.to_owned())]);
    metadata.extend(refusal.param().map(|param| ("param".to_owned(), param.to_owned())));
    if let Ok(Value::Object(members)) = serde_json::to_value(details(refusal)) {
        metadata.extend(members.into_iter().map(|(name, value)| (name, plain(value))));
    }
    let info =
        Info { kind: "type.googleapis.com/google.rpc.ErrorInfo", reason: refusal.code(), domain: "mandant", metadata };
    let error = Error { code: refusal.status(), message: refusal.message(), status: status(refusal), details: [info] };
    serde_json::to_vec(&Envelope { error }).expect("texts and numbers are always JSON")
}

/// The error event of an interaction.
pub(super) fn error_event(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let error = serde_json::json!({ "code": refusal.code(), "message": refusal.message(), "request_id": request_id });
    serde_json::to_vec(&serde_json::json!({ "event_type": "error", "error": error })).expect("texts are always JSON")
}

/// A detail as a text.
fn plain(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(items) => items.into_iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Google's word for a kind of error.
fn status(refusal: &Refusal) -> &'static str {
    match refusal.status() {
        401 => "UNAUTHENTICATED",
        402 | 429 => "RESOURCE_EXHAUSTED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        405 => "UNIMPLEMENTED",
        409 => "ABORTED",
        500 => "INTERNAL",
        504 => "DEADLINE_EXCEEDED",
        501.. => "UNAVAILABLE",
        _ => "INVALID_ARGUMENT",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Model<'a> {
    name: String,
    version: &'static str,
    display_name: &'a str,
    supported_generation_methods: &'static [&'static str],
}

#[derive(Serialize)]
struct ModelList<'a> {
    models: Vec<Model<'a>>,
}

fn model_of<'a>(entry: &ModelEntry<'a>) -> Model<'a> {
    let supported_generation_methods: &[&str] = if entry.has_output {
        &["generateContent", "streamGenerateContent", "countTokens"]
    } else {
        &["embedContent", "batchEmbedContents"]
    };
    Model { name: format!("models/{}", entry.id), version: "001", display_name: entry.id, supported_generation_methods }
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
