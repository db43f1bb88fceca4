//! Cohere's chat of version 2, plain and streamed.

use serde_json::{Map, Value, json};

use super::{Asked, list, texts};
use crate::call::{self, ChatCall};
use crate::chat::ChatAnswer;
use crate::errors::ErrorAnswer;
use crate::fault::UsageShape;
use crate::render::Page;

/// What is processed beyond what is billed: Cohere's own prompt, and the marks around an answer.
const OWN_PROMPT_TOKENS: u64 = 495;
const OWN_ANSWER_TOKENS: u64 = 3;

/// Said before a call.
const PLAN: &str = "I will use the tool.";

pub(crate) fn read(members: &Map<String, Value>) -> Result<ChatCall, ErrorAnswer> {
    let messages = list(members, "messages")?;
    let last_user = messages.iter().rev().find(|message| message["role"] == "user");
    let answers_tool = messages.last().is_some_and(|last| last["role"] == "tool");
    let is_forbidden = answers_tool || members.get("tool_choice") == Some(&json!("NONE"));
    let first = || members.get("tools")?.as_array()?.iter().find_map(|tool| tool["function"]["name"].as_str());
    let format = members.get("response_format").filter(|format| format["type"] == "json_object");
    let asked = Asked {
        model: call::model(members)?,
        stream: members.get("stream").and_then(Value::as_bool).unwrap_or(false),
        output_limit: members.get("max_tokens").and_then(Value::as_u64).filter(|limit| *limit > 0),
        choices: 1,
        prompt: ["messages", "tools"].into_iter().filter_map(|name| members.get(name)).collect(),
        messages: messages.len(),
        last_user_text: last_user.map(|message| texts(&message["content"])).unwrap_or_default(),
        function: first().filter(|_| !is_forbidden).map(str::to_owned),
        schema: format.map(|format| format["json_schema"].clone()),
    };
    Ok(asked.into_call())
}

fn usage_value(answer: &ChatAnswer<'_>) -> Value {
    let usage = answer.usage;
    json!({
        "billed_units": { "input_tokens": usage.prompt, "output_tokens": usage.completion },
        "tokens": {
            "input_tokens": usage.prompt + OWN_PROMPT_TOKENS, "output_tokens": usage.completion + OWN_ANSWER_TOKENS,
        },
        "cached_tokens": usage.cached,
    })
}

fn finish_reason(answer: &ChatAnswer<'_>) -> &'static str {
    match (answer.products[0].is_cut, answer.call.function.is_some()) {
        (true, _) => "MAX_TOKENS",
        (false, true) => "TOOL_CALL",
        (false, false) => "COMPLETE",
    }
}

/// A call as far as it is said at once.
fn write_call(page: &mut Page, name: &str, arguments: &str) {
    page.text("{\"id\":").id("look_").text(",\"type\":\"function\",\"function\":");
    page.json(&json!({ "name": name, "arguments": arguments })).text("}");
}

fn write_ending(page: &mut Page, answer: &ChatAnswer<'_>) {
    page.text("\"finish_reason\":").json(finish_reason(answer));
    if answer.shape != Some(UsageShape::Missing) {
        page.text(",\"usage\":").json(&usage_value(answer));
    }
}

pub(crate) fn plain(answer: &ChatAnswer<'_>) -> Page {
    let text = answer.products[0].text();
    let mut page = Page::default();
    page.text("{\"id\":").id("").text(",\"message\":{\"role\":\"assistant\",");
    match &answer.call.function {
        None => {
            page.text("\"content\":").json(&json!([{ "type": "text", "text": text }]));
        }
        Some(name) => {
            page.text("\"tool_plan\":").json(PLAN).text(",\"tool_calls\":[");
            write_call(&mut page, name, &text);
            page.text("]");
        }
    }
    page.text("},");
    write_ending(&mut page, answer);
    page.text("}").end_event(answer.usage.completion);
    page
}

/// The head of an event, up to what its message says.
fn head<'a>(page: &'a mut Page, kind: &str, index: &str) -> &'a mut Page {
    page.text("event: ").text(kind).text("\ndata: {").text(index).text("\"type\":").json(kind)
}

pub(crate) fn stream(answer: &ChatAnswer<'_>) -> Page {
    const INDEX: &str = "\"index\":0,";
    let product = &answer.products[0];
    let mut page = Page::default();
    page.text("event: message-start\ndata: {\"id\":")
        .id("")
        .text(",\"type\":\"message-start\",\"delta\":{\"message\":");
    let empty = json!({ "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": [] });
    page.json(&empty).text("}}\n\n");
    page.end_event(product.reasoning_tokens + u64::from(answer.call.function.is_some()));
    match &answer.call.function {
        None => {
            let begun = json!({ "message": { "content": { "type": "text", "text": "" } } });
            head(&mut page, "content-start", INDEX).text(",\"delta\":").json(&begun).text("}\n\n").end_event(0);
        }
        Some(name) => {
            let plan = json!({ "message": { "tool_plan": PLAN } });
            head(&mut page, "tool-plan-delta", "").text(",\"delta\":").json(&plan).text("}\n\n").end_event(0);
            head(&mut page, "tool-call-start", INDEX).text(",\"delta\":{\"message\":{\"tool_calls\":");
            write_call(&mut page, name, "");
            page.text("}}}\n\n").end_event(0);
        }
    }
    for piece in &product.pieces {
        let (kind, message) = match answer.call.function {
            None => ("content-delta", json!({ "content": { "text": piece } })),
            Some(_) => ("tool-call-delta", json!({ "tool_calls": { "function": { "arguments": piece } } })),
        };
        let delta = json!({ "message": message });
        head(&mut page, kind, INDEX).text(",\"delta\":").json(&delta).text("}\n\n").end_event(1);
    }
    let kind = if answer.call.function.is_some() { "tool-call-end" } else { "content-end" };
    head(&mut page, kind, INDEX).text("}\n\n").end_event(0);
    head(&mut page, "message-end", "").text(",\"delta\":{");
    write_ending(&mut page, answer);
    page.text("}}\n\n").end_event(0);
    page.text("data: [DONE]\n\n").end_event(0);
    page
}
