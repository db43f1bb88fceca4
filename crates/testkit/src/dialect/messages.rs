//! Anthropic's messages, plain and streamed.

use serde_json::{Map, Value, json};

use super::{Asked, arguments_value, list, texts};
use crate::call::{self, ChatCall};
use crate::chat::ChatAnswer;
use crate::errors::ErrorAnswer;
use crate::fault::UsageShape;
use crate::render::{Page, Usage};

/// Reads a request for a message; `counting` needs no output limit.
pub(crate) fn read(members: &Map<String, Value>, counting: bool) -> Result<ChatCall, ErrorAnswer> {
    let messages = list(members, "messages")?;
    let output_limit = members.get("max_tokens").and_then(Value::as_u64).filter(|limit| *limit > 0);
    if output_limit.is_none() && !counting {
        return Err(ErrorAnswer::invalid("max_tokens: Field required", Some("max_tokens")));
    }
    let last_user = messages.iter().rev().find(|message| message["role"] == "user");
    let answers_tool = messages.last().is_some_and(|last| {
        last["content"].as_array().is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "tool_result"))
    });
    let choice = members.get("tool_choice").unwrap_or(&Value::Null);
    let first = || members.get("tools")?.as_array()?.iter().find_map(|tool| tool["name"].as_str());
    let named = choice["name"].as_str().or_else(first).map(str::to_owned);
    let asked = Asked {
        model: call::model(members)?,
        stream: members.get("stream").and_then(Value::as_bool).unwrap_or(false),
        output_limit,
        choices: 1,
        prompt: ["messages", "system", "tools"].into_iter().filter_map(|name| members.get(name)).collect(),
        messages: messages.len(),
        last_user_text: last_user.map(|message| texts(&message["content"])).unwrap_or_default(),
        function: named.filter(|_| !answers_tool && choice["type"] != "none"),
        schema: schema(members),
    };
    Ok(asked.into_call())
}

/// The schema of the answer, also under the name that it had before.
fn schema(members: &Map<String, Value>) -> Option<Value> {
    let format = members.get("output_config").map(|config| &config["format"]);
    let format = format.filter(|format| !format.is_null()).or_else(|| members.get("output_format"))?;
    format.get("schema").cloned()
}

/// Anthropic's parts of the input exclude each other.
fn usage_value(usage: Usage, output: u64) -> Value {
    json!({
        "input_tokens": usage.prompt - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": { "ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0 },
        "output_tokens": output,
        "service_tier": "standard",
    })
}

/// Bedrock has the same words.
pub(super) fn stop_reason(answer: &ChatAnswer<'_>) -> &'static str {
    match (answer.products[0].is_cut, answer.call.function.is_some()) {
        (true, _) => "max_tokens",
        (false, true) => "tool_use",
        (false, false) => "end_turn",
    }
}

pub(crate) fn plain(answer: &ChatAnswer<'_>) -> Page {
    let product = &answer.products[0];
    let mut page = Page::default();
    page.text("{\"id\":").id("msg_").text(",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    page.json(&answer.call.common.model).text(",\"content\":[");
    match &answer.call.function {
        None => page.text("{\"type\":\"text\",\"text\":").json(&product.text()).text("}"),
        Some(name) => page
            .text("{\"type\":\"tool_use\",\"id\":")
            .id("toolu_")
            .text(",\"name\":")
            .json(name)
            .text(",\"input\":")
            .json(&arguments_value(product))
            .text("}"),
    };
    page.text("],\"stop_reason\":").json(stop_reason(answer)).text(",\"stop_sequence\":null");
    if answer.shape != Some(UsageShape::Missing) {
        page.text(",\"usage\":").json(&usage_value(answer.usage, answer.usage.completion));
    }
    page.text("}").end_event(answer.usage.completion);
    page
}

pub(crate) fn stream(answer: &ChatAnswer<'_>) -> Page {
    let product = &answer.products[0];
    let has_usage = answer.shape != Some(UsageShape::Missing);
    let mut page = Page::default();
    page.text("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":").id("msg_");
    page.text(",\"type\":\"message\",\"role\":\"assistant\",\"model\":").json(&answer.call.common.model);
    page.text(",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
    if has_usage {
        page.text(",\"usage\":").json(&usage_value(answer.usage, 1));
    }
    page.text("}}\n\n").end_event(product.reasoning_tokens + u64::from(answer.call.function.is_some()));
    page.text("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":");
    match &answer.call.function {
        None => page.text("{\"type\":\"text\",\"text\":\"\"}"),
        Some(name) => page
            .text("{\"type\":\"tool_use\",\"id\":")
            .id("toolu_")
            .text(",\"name\":")
            .json(name)
            .text(",\"input\":{}}"),
    };
    page.text("}\n\n").end_event(0);
    page.text("event: ping\ndata: {\"type\": \"ping\"}\n\n").end_event(0);
    for piece in &product.pieces {
        page.text("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":");
        match &answer.call.function {
            None => page.text("{\"type\":\"text_delta\",\"text\":").json(piece),
            Some(_) => page.text("{\"type\":\"input_json_delta\",\"partial_json\":").json(piece),
        };
        page.text("}}\n\n").end_event(1);
    }
    page.text("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n").end_event(0);
    page.text("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":");
    page.json(stop_reason(answer)).text(",\"stop_sequence\":null}");
    if has_usage {
        page.text(",\"usage\":").json(&json!({
            "input_tokens": answer.usage.prompt - answer.usage.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": answer.usage.cached,
            "output_tokens": answer.usage.completion,
        }));
    }
    page.text("}\n\n").end_event(0);
    page.text("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n").end_event(0);
    page
}
