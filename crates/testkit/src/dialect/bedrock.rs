//! Bedrock's Converse, plain and as frames of Amazon's event streams.

use flate2::Crc;
use serde_json::{Map, Value, json};

use super::messages::stop_reason;
use super::{Asked, arguments_value, list, texts};
use crate::call::{self, ChatCall};
use crate::chat::ChatAnswer;
use crate::errors::ErrorAnswer;
use crate::fault::UsageShape;
use crate::render::Page;

/// The checksums of frames would not fit an id that is filled in later: all calls have this one.
const CALL_ID: &str = "tooluse_HA9wsJ32RhOvn8XgIUDpGA";

/// What the path says, written into the body so that one text says everything.
pub(crate) fn with_path(body: &[u8], model: &str, is_stream: bool) -> Result<Vec<u8>, ErrorAnswer> {
    let mut members = call::object(body)?;
    let model = model.replace("%3A", ":").replace("%3a", ":").replace("%2F", "/").replace("%2f", "/");
    members.insert("model".into(), json!(model));
    members.insert("sim_stream".into(), json!(is_stream));
    serde_json::to_vec(&members).map_err(|_| ErrorAnswer::not_json())
}

pub(crate) fn read(members: &Map<String, Value>) -> Result<ChatCall, ErrorAnswer> {
    let messages = list(members, "messages")?;
    let last_user = messages.iter().rev().find(|message| message["role"] == "user");
    let answers_tool = messages.last().is_some_and(|last| {
        last["content"].as_array().is_some_and(|blocks| blocks.iter().any(|block| block.get("toolResult").is_some()))
    });
    let config = members.get("toolConfig").unwrap_or(&Value::Null);
    let first = || config["tools"].as_array()?.iter().find_map(|tool| tool["toolSpec"]["name"].as_str());
    let named = config["toolChoice"]["tool"]["name"].as_str().or_else(first);
    let format = members.get("outputConfig").map(|config| &config["textFormat"]["structure"]["jsonSchema"]["schema"]);
    let asked = Asked {
        model: call::model(members)?,
        stream: members.get("sim_stream").and_then(Value::as_bool).unwrap_or(false),
        output_limit: members.get("inferenceConfig").and_then(|config| config["maxTokens"].as_u64()),
        choices: 1,
        prompt: ["messages", "system", "toolConfig"].into_iter().filter_map(|name| members.get(name)).collect(),
        messages: messages.len(),
        last_user_text: last_user.map(|message| texts(&message["content"])).unwrap_or_default(),
        function: named.filter(|_| !answers_tool).map(str::to_owned),
        // The schema is a text.
        schema: format.and_then(Value::as_str).and_then(|schema| serde_json::from_str(schema).ok()),
    };
    Ok(asked.into_call())
}

/// Amazon's parts of the input exclude each other.
fn usage_value(answer: &ChatAnswer<'_>) -> Value {
    let usage = answer.usage;
    json!({
        "inputTokens": usage.prompt - usage.cached, "outputTokens": usage.completion,
        "totalTokens": usage.prompt + usage.completion, "cacheReadInputTokens": usage.cached, "cacheWriteInputTokens": 0,
    })
}

pub(crate) fn plain(answer: &ChatAnswer<'_>) -> Page {
    let product = &answer.products[0];
    let block = match &answer.call.function {
        None => json!({ "text": product.text() }),
        Some(name) => {
            json!({ "toolUse": { "toolUseId": CALL_ID, "name": name, "input": arguments_value(product) } })
        }
    };
    let mut value = json!({
        "metrics": { "latencyMs": 7 },
        "output": { "message": { "role": "assistant", "content": [block] } },
        "stopReason": stop_reason(answer),
    });
    if answer.shape != Some(UsageShape::Missing) {
        value["usage"] = usage_value(answer);
    }
    let mut page = Page::default();
    page.json(&value).end_event(answer.usage.completion);
    page
}

pub(crate) fn stream(answer: &ChatAnswer<'_>) -> Page {
    let product = &answer.products[0];
    let mut page = Page::default();
    let mut event = |kind: &str, payload: Value, tokens: u64| page.raw(&frame(kind, &payload)).end_event(tokens);
    let begun = product.reasoning_tokens + u64::from(answer.call.function.is_some());
    event("messageStart", json!({ "role": "assistant" }), begun);
    // Only calls have a beginning.
    if let Some(name) = &answer.call.function {
        let start = json!({ "toolUse": { "toolUseId": CALL_ID, "name": name } });
        event("contentBlockStart", json!({ "contentBlockIndex": 0, "start": start }), 0);
    }
    for piece in &product.pieces {
        let delta = match answer.call.function {
            None => json!({ "text": piece }),
            Some(_) => json!({ "toolUse": { "input": piece } }),
        };
        event("contentBlockDelta", json!({ "contentBlockIndex": 0, "delta": delta, "p": "abcdefgh" }), 1);
    }
    event("contentBlockStop", json!({ "contentBlockIndex": 0, "p": "abc" }), 0);
    event("messageStop", json!({ "stopReason": stop_reason(answer), "p": "abcdef" }), 0);
    let mut last = json!({ "metrics": { "latencyMs": 7 } });
    if answer.shape != Some(UsageShape::Missing) {
        last["usage"] = usage_value(answer);
    }
    event("metadata", last, 0);
    page
}

/// A frame with an event.
fn frame(kind: &str, payload: &Value) -> Vec<u8> {
    framed(&[(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")], payload)
}

/// A frame that says that a stream has failed.
pub(crate) fn exception(message: &str) -> Vec<u8> {
    let kind = "modelStreamErrorException";
    let headers = [(":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception")];
    framed(&headers, &json!({ "message": message }))
}

fn framed(headers: &[(&str, &str)], payload: &Value) -> Vec<u8> {
    const TEXT: u8 = 7;
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(name.len() as u8);
        block.extend_from_slice(name.as_bytes());
        block.push(TEXT);
        block.extend_from_slice(&(value.len() as u16).to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let payload = payload.to_string();
    let total = 16 + block.len() + payload.len();
    let mut frame = Vec::with_capacity(total);
    frame.extend_from_slice(&(total as u32).to_be_bytes());
    frame.extend_from_slice(&(block.len() as u32).to_be_bytes());
    frame.extend_from_slice(&checksum(&frame).to_be_bytes());
    frame.extend_from_slice(&block);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&checksum(&frame).to_be_bytes());
    frame
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
