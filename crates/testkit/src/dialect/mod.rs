//! The dialects beside OpenAI's older one: each turns its request into a chat, and a chat's answer into its own words.

pub(crate) mod bedrock;
pub(crate) mod cohere;
pub(crate) mod gemini;
pub(crate) mod messages;
pub(crate) mod responses;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::body::SimBody;
use crate::call::{self, ChatCall, Common};
use crate::errors::ErrorAnswer;
use crate::pieces::Product;
use crate::tokens::{MESSAGE_TOKENS, PRIMER_TOKENS, count_tokens};

/// Whose words an answer is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Style {
    #[default]
    Openai,
    Responses,
    Anthropic,
    Gemini,
    Cohere,
    Bedrock,
}

/// What the dialects' requests have in common once they are read.
pub(crate) struct Asked<'a> {
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) output_limit: Option<u64>,
    pub(crate) choices: usize,
    /// Everything that becomes prompt: strings anywhere inside count.
    pub(crate) prompt: Vec<&'a Value>,
    /// Messages, for the tokens that their format costs.
    pub(crate) messages: usize,
    pub(crate) last_user_text: String,
    pub(crate) function: Option<String>,
    pub(crate) schema: Option<Value>,
}

impl Asked<'_> {
    pub(crate) fn into_call(self) -> ChatCall {
        let prompt_tokens = PRIMER_TOKENS
            + MESSAGE_TOKENS * self.messages as u64
            + self.prompt.iter().map(|value| tokens(value)).sum::<u64>();
        let common = Common {
            model: self.model,
            stream: self.stream,
            include_usage: true,
            choices: self.choices,
            output_limit: self.output_limit,
            prompt_tokens,
        };
        let declared = |name: &String| self.prompt.iter().rev().find_map(|value| call::parameters(value, name));
        ChatCall {
            common,
            last_user_text: self.last_user_text,
            parameters: self.function.as_ref().and_then(declared),
            function: self.function,
            schema: self.schema,
        }
    }
}

/// Tokens of all strings in a value.
pub(crate) fn tokens(value: &Value) -> u64 {
    match value {
        Value::String(text) => count_tokens(text),
        Value::Array(items) => items.iter().map(tokens).sum(),
        Value::Object(members) => members.values().map(tokens).sum(),
        _ => 0,
    }
}

/// All `text` members inside a value.
pub(crate) fn texts(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(texts).collect(),
        Value::Object(members) => members.get("text").map(texts).unwrap_or_default(),
        _ => String::new(),
    }
}

/// The arguments of a called function, which are whole unless the limit cut them.
pub(crate) fn arguments_value(product: &Product) -> Value {
    serde_json::from_str(&product.text()).unwrap_or_else(|_| json!({}))
}

/// An error answer in the words of a dialect. Its sentence stays.
pub(crate) fn restyle(answer: &mut http::Response<SimBody>, style: Style) {
    let status = answer.status().as_u16();
    let is_json =
        answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if status < 400 || !is_json {
        return;
    }
    if let SimBody::Whole { bytes: Some(bytes), .. } = answer.body_mut() {
        let error: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let message = error["error"]["message"].as_str().unwrap_or("no reason given");
        if let Some(styled) = error_body(style, status, message) {
            *bytes = styled.into();
        }
    }
    if style == Style::Bedrock {
        let kind = HeaderValue::from_static(bedrock_kind(status));
        answer.headers_mut().insert(HeaderName::from_static("x-amzn-errortype"), kind);
    }
}

/// Bedrock names its errors in a header.
fn bedrock_kind(status: u16) -> &'static str {
    match status {
        401 | 403 => "UnrecognizedClientException:http://internal.amazon.com/coral/com.amazon.coral.service/",
        404 => "ResourceNotFoundException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        429 => "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        503 => "ServiceUnavailableException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        500.. => "InternalServerException:http://internal.amazon.com/coral/com.amazon.bedrock/",
        _ => "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/",
    }
}

/// The error body of a dialect; `None` for those that keep OpenAI's.
fn error_body(style: Style, status: u16, message: &str) -> Option<String> {
    match style {
        Style::Openai | Style::Responses => None,
        Style::Anthropic => {
            let kind = match status {
                401 => "authentication_error",
                403 => "permission_error",
                404 => "not_found_error",
                413 => "request_too_large",
                429 => "rate_limit_error",
                529 => "overloaded_error",
                500.. => "api_error",
                _ => "invalid_request_error",
            };
            let error = json!({ "type": kind, "message": message });
            Some(json!({ "type": "error", "error": error, "request_id": "req_simulated" }).to_string())
        }
        Style::Gemini => {
            let word = match status {
                401 => "UNAUTHENTICATED",
                403 => "PERMISSION_DENIED",
                404 => "NOT_FOUND",
                429 => "RESOURCE_EXHAUSTED",
                503 => "UNAVAILABLE",
                500.. => "INTERNAL",
                _ => "INVALID_ARGUMENT",
            };
            Some(json!({ "error": { "code": status, "message": message, "status": word } }).to_string())
        }
        Style::Cohere => Some(json!({ "id": "faa81d9a-2f69-4f94-8aee-a3b2e2cbd51c", "message": message }).to_string()),
        Style::Bedrock => Some(json!({ "message": message }).to_string()),
    }
}

/// The error that ends a stream of a dialect.
pub(crate) fn stream_error(style: Style) -> Vec<u8> {
    let message = "The server had an error while processing your request.";
    let text = match style {
        Style::Openai => crate::errors::stream_event(),
        Style::Responses => {
            let event = json!({ "type": "error", "code": "server_error", "message": message, "param": null });
            format!("event: error\ndata: {event}\n\n")
        }
        Style::Anthropic => {
            let body = error_body(style, 500, message).unwrap_or_default();
            format!("event: error\ndata: {body}\n\n")
        }
        Style::Gemini => format!("data: {}\n\n", error_body(style, 500, message).unwrap_or_default()),
        Style::Cohere => {
            let event = json!({ "type": "message-end", "delta": { "finish_reason": "ERROR", "error": message } });
            format!("event: message-end\ndata: {event}\n\n")
        }
        Style::Bedrock => return bedrock::exception(message),
    };
    text.into_bytes()
}

/// A member that must be a list with something in it.
pub(crate) fn list<'a>(members: &'a serde_json::Map<String, Value>, name: &str) -> Result<&'a Vec<Value>, ErrorAnswer> {
    match members.get(name) {
        Some(Value::Array(items)) if !items.is_empty() => Ok(items),
        _ => Err(ErrorAnswer::invalid(&format!("{name}: at least one is required"), Some(name))),
    }
}
