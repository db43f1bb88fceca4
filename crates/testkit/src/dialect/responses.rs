//! OpenAI's responses, plain and streamed; and moderations.

use serde_json::{Map, Value, json};

use super::{Asked, texts};
use crate::call::{self, ChatCall};
use crate::chat::ChatAnswer;
use crate::errors::ErrorAnswer;
use crate::fault::UsageShape;
use crate::render::Page;

pub(crate) fn read(members: &Map<String, Value>) -> Result<ChatCall, ErrorAnswer> {
    // A conversation that is gone on from may have nothing new.
    let nothing = Value::Array(Vec::new());
    let goes_on = members.get("previous_response_id").is_some_and(Value::is_string)
        || members.get("conversation").is_some_and(|conversation| !conversation.is_null());
    let input = members.get("input").filter(|input| !input.is_null()).or(goes_on.then_some(&nothing));
    let input = input.ok_or_else(|| ErrorAnswer::invalid("Missing required parameter: 'input'.", Some("input")))?;
    let items = input.as_array().map(Vec::as_slice).unwrap_or_default();
    let last_user = items.iter().rev().find(|item| item["role"] == "user");
    let answers_tool = items.last().is_some_and(|item| item["type"] == "function_call_output");
    let functions = || members.get("tools")?.as_array()?.iter().find_map(|tool| tool["name"].as_str());
    let named = functions().filter(|_| !answers_tool && members.get("tool_choice") != Some(&json!("none")));
    let asked = Asked {
        model: call::model(members)?,
        stream: members.get("stream").and_then(Value::as_bool).unwrap_or(false),
        output_limit: members.get("max_output_tokens").and_then(Value::as_u64),
        choices: 1,
        prompt: ["input", "instructions", "tools"].into_iter().filter_map(|name| members.get(name)).collect(),
        messages: items.len().max(1),
        last_user_text: last_user.map_or_else(|| texts(input), |item| texts(&item["content"])),
        function: named.map(str::to_owned),
        schema: members.get("text").and_then(|text| match text["format"]["type"].as_str() {
            Some("json_schema") => Some(text["format"]["schema"].clone()),
            Some("json_object") => Some(Value::Null),
            _ => None,
        }),
    };
    Ok(asked.into_call())
}

fn usage_value(answer: &ChatAnswer<'_>) -> Value {
    let usage = answer.usage;
    json!({
        "input_tokens": usage.prompt, "input_tokens_details": { "cached_tokens": usage.cached },
        "output_tokens": usage.completion, "output_tokens_details": { "reasoning_tokens": usage.reasoning },
        "total_tokens": usage.prompt + usage.completion,
    })
}

/// One item: a message, or the call of a function.
fn write_item(page: &mut Page, answer: &ChatAnswer<'_>) {
    let text = answer.products[0].text();
    match &answer.call.function {
        None => page
            .text("{\"id\":")
            .id("msg_")
            .text(",\"type\":\"message\",\"status\":\"completed\",\"role\":\"assistant\",\"content\":[")
            .json(&json!({ "type": "output_text", "text": text, "annotations": [] }))
            .text("]}"),
        Some(name) => page
            .text("{\"id\":")
            .id("fc_")
            .text(",\"type\":\"function_call\",\"status\":\"completed\",\"call_id\":")
            .id("call_")
            .text(",\"name\":")
            .json(name)
            .text(",\"arguments\":")
            .json(&text)
            .text("}"),
    };
}

/// The response object; one that is still being made has no output and no usage.
fn write_response(page: &mut Page, answer: &ChatAnswer<'_>, status: &str) {
    page.text("{\"id\":").id("resp_").text(",\"object\":\"response\",\"created_at\":").created();
    page.text(",\"status\":").json(status).text(",\"error\":null,\"incomplete_details\":");
    page.text(if status == "incomplete" { "{\"reason\":\"max_output_tokens\"}" } else { "null" });
    page.text(",\"instructions\":null,\"metadata\":{},\"model\":").json(&answer.call.common.model);
    page.text(",\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[],\"output\":[");
    let is_made = status != "in_progress";
    if is_made {
        write_item(page, answer);
    }
    page.text("],\"usage\":");
    match answer.shape {
        Some(UsageShape::Missing) => page.text("null"),
        _ if !is_made => page.text("null"),
        _ => page.json(&usage_value(answer)),
    };
    page.text("}");
}

fn ending(answer: &ChatAnswer<'_>) -> &'static str {
    if answer.products[0].is_cut { "incomplete" } else { "completed" }
}

pub(crate) fn plain(answer: &ChatAnswer<'_>) -> Page {
    let mut page = Page::default();
    write_response(&mut page, answer, ending(answer));
    page.end_event(answer.usage.completion);
    page
}

/// What the conversation so far is made into: the last words of its user, and what only this provider can read.
pub(crate) fn compacted(answer: &ChatAnswer<'_>) -> Page {
    let mut page = Page::default();
    page.text("{\"id\":").id("resp_").text(",\"object\":\"response.compaction\",\"created_at\":").created();
    page.text(",\"output\":[{\"id\":").id("msg_");
    page.text(",\"type\":\"message\",\"status\":\"completed\",\"role\":\"user\",\"content\":[");
    page.json(&json!({ "type": "input_text", "text": answer.call.last_user_text })).text("]},{\"id\":").id("cmp_");
    page.text(",\"type\":\"compaction\",\"encrypted_content\":\"gAAAAAB-short\"}],\"usage\":");
    match answer.shape {
        Some(UsageShape::Missing) => page.text("null"),
        _ => page.json(&usage_value(answer)),
    };
    page.text("}").end_event(answer.usage.completion);
    page
}

pub(crate) fn stream(answer: &ChatAnswer<'_>) -> Page {
    let product = &answer.products[0];
    let mut page = Page::default();
    page.text("event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":");
    write_response(&mut page, answer, "in_progress");
    page.text("}\n\n").end_event(product.reasoning_tokens + u64::from(answer.call.function.is_some()));
    let kind = match answer.call.function {
        None => "response.output_text.delta",
        Some(_) => "response.function_call_arguments.delta",
    };
    let mut number = 1;
    let head = |page: &mut Page, kind: &str, number: u64| {
        page.text("event: ").text(kind).text("\ndata: {\"type\":").json(kind);
        page.text(",\"sequence_number\":").number(number);
    };
    head(&mut page, "response.output_item.added", number);
    page.text(",\"output_index\":0,\"item\":{\"id\":");
    match &answer.call.function {
        None => page
            .id("msg_")
            .text(",\"type\":\"message\",\"status\":\"in_progress\",\"role\":\"assistant\",\"content\":[]"),
        Some(name) => page
            .id("fc_")
            .text(",\"type\":\"function_call\",\"status\":\"in_progress\",\"call_id\":")
            .id("call_")
            .text(",\"name\":")
            .json(name)
            .text(",\"arguments\":\"\""),
    };
    page.text("}}\n\n").end_event(0);
    if answer.call.function.is_none() {
        number += 1;
        head(&mut page, "response.content_part.added", number);
        page.text(",\"item_id\":").id("msg_").text(",\"output_index\":0,\"content_index\":0,\"part\":");
        page.json(&json!({ "type": "output_text", "text": "", "annotations": [] })).text("}\n\n").end_event(0);
    }
    for piece in &product.pieces {
        number += 1;
        head(&mut page, kind, number);
        page.text(",\"item_id\":").id(if answer.call.function.is_some() { "fc_" } else { "msg_" });
        page.text(",\"output_index\":0,\"content_index\":0,\"delta\":").json(piece).text("}\n\n").end_event(1);
    }
    number += 1;
    head(&mut page, "response.output_item.done", number);
    page.text(",\"output_index\":0,\"item\":");
    write_item(&mut page, answer);
    page.text("}\n\n").end_event(0);
    let kind = format!("response.{}", ending(answer));
    head(&mut page, &kind, number + 1);
    page.text(",\"response\":");
    write_response(&mut page, answer, ending(answer));
    page.text("}\n\n").end_event(0);
    page
}

/// Nothing that is asked of this provider is bad.
pub(crate) fn moderation(model: &str, count: usize) -> Page {
    let mut page = Page::default();
    let one =
        json!({ "flagged": false, "categories": { "violence": false }, "category_scores": { "violence": 0.001 } });
    page.text("{\"id\":").id("modr-").text(",\"model\":").json(model);
    page.text(",\"results\":").json(&vec![one; count]).text("}").end_event(0);
    page
}
