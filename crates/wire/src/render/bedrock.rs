//! Bedrock's error object, the kind of error that ends a stream, model list and model.

use base::Refusal;
use serde::Serialize;

use super::details::Told;
use super::entry::ModelEntry;

/// The kind and the sentence, where Amazon's SDKs look for them; then the stable code, which may not be called that here,
/// since they would take it for the kind; and what helps a client to act.
#[derive(Serialize)]
struct Error<'a> {
    #[serde(rename = "__type")]
    kind: &'static str,
    message: String,
    reason: &'static str,
    request_id: &'a str,
    #[serde(flatten)]
    told: Told<'a>,
}

/// The error object of a refusal.
pub(super) fn error(refusal: &Refusal, request_id: &str) -> Vec<u8> {
    let error = Error {
        kind: kind(refusal),
        message: refusal.message(),
        reason: refusal.code(),
        request_id,
        told: Told::of(refusal),
    };
    serde_json::to_vec(&error).expect("texts and numbers are always JSON")
}

/// Amazon's word for a kind of error.
fn kind(refusal: &Refusal) -> &'static str {
    match refusal.status() {
        401 => "UnrecognizedClientException",
        402 => "ServiceQuotaExceededException",
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        409 => "ConflictException",
        429 => "ThrottlingException",
        500 => "InternalServerException",
        504 => "ModelTimeoutException",
        501.. => "ServiceUnavailableException",
        _ => "ValidationException",
    }
}

/// What an error within a stream is called: the ones that its SDKs know.
pub(super) fn exception(refusal: &Refusal) -> &'static str {
    match refusal.status() {
        402 | 429 => "throttlingException",
        500 => "internalServerException",
        502 => "modelStreamErrorException",
        501.. => "serviceUnavailableException",
        _ => "validationException",
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Model<'a> {
    model_id: &'a str,
    model_name: &'a str,
    response_streaming_supported: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ModelList<'a> {
    model_summaries: Vec<Model<'a>>,
}

const fn model_of<'a>(entry: &ModelEntry<'a>) -> Model<'a> {
    Model { model_id: entry.id, model_name: entry.id, response_streaming_supported: entry.has_output }
}

/// One model.
pub(super) fn model(entry: &ModelEntry<'_>) -> Vec<u8> {
    serde_json::to_vec(&model_of(entry)).expect("texts and numbers are always JSON")
}

/// The list of models.
pub(super) fn models(entries: &[ModelEntry<'_>]) -> Vec<u8> {
    let list = ModelList { model_summaries: entries.iter().map(model_of).collect() };
    serde_json::to_vec(&list).expect("texts and numbers are always JSON")
}
