//! Google's contents: plain, as events and as one JSON array; and vectors, Vertex's too.

use serde_json::{Map, Value, json};

use super::{Asked, arguments_value, list, texts, tokens};
use crate::call::{self, ChatCall};
use crate::chat::ChatAnswer;
use crate::errors::ErrorAnswer;
use crate::fault::UsageShape;
use crate::render::Page;

/// What the path and query say, written into the body so that one text says everything.
pub(crate) fn with_path(body: &[u8], model: &str, form: Form) -> Result<Vec<u8>, ErrorAnswer> {
    let mut members = call::object(body)?;
    members.insert("model".into(), json!(model));
    members.insert("sim_stream".into(), json!(form != Form::Whole));
    members.insert("sim_array".into(), json!(form == Form::Array));
    serde_json::to_vec(&members).map_err(|_| ErrorAnswer::not_json())
}

/// How an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Events,
    Array,
}

pub(crate) fn is_array(members: &Map<String, Value>) -> bool {
    members.get("sim_array") == Some(&Value::Bool(true))
}

pub(crate) fn read(members: &Map<String, Value>) -> Result<ChatCall, ErrorAnswer> {
    let inner = members.get("generateContentRequest").and_then(Value::as_object).unwrap_or(members);
    let contents = list(inner, "contents")?;
    let settings = inner.get("generationConfig").unwrap_or(&Value::Null);
    let last_user = contents.iter().rev().find(|content| content["role"] != "model");
    let answers_tool = contents.last().is_some_and(|last| {
        last["parts"].as_array().is_some_and(|parts| parts.iter().any(|part| part.get("functionResponse").is_some()))
    });
    let functions = || inner.get("tools")?.as_array()?.iter().find_map(|tool| tool["functionDeclarations"].as_array());
    let named = functions().and_then(|all| all.first()).and_then(|function| function["name"].as_str());
    let choice = inner.get("toolConfig").map(|config| &config["functionCallingConfig"]["mode"]);
    let is_forbidden = choice.is_some_and(|mode| mode == "NONE");
    let asked = Asked {
        model: call::model(members)?,
        stream: members.get("sim_stream").and_then(Value::as_bool).unwrap_or(false),
        output_limit: settings["maxOutputTokens"].as_u64(),
        choices: settings["candidateCount"].as_u64().unwrap_or(1).clamp(1, 8) as usize,
        prompt: ["contents", "systemInstruction", "tools"].into_iter().filter_map(|name| inner.get(name)).collect(),
        messages: contents.len(),
        last_user_text: last_user.map(|content| texts(&content["parts"])).unwrap_or_default(),
        function: named.filter(|_| !answers_tool && !is_forbidden).map(str::to_owned),
        schema: (settings["responseMimeType"] == "application/json").then(|| schema(settings)),
    };
    Ok(asked.into_call())
}

/// The schema of the answer in either of its two forms; null for any JSON.
fn schema(settings: &Value) -> Value {
    ["responseJsonSchema", "responseSchema"].iter().find_map(|name| settings.get(*name)).cloned().unwrap_or_default()
}

/// Google counts thinking beside the answer.
fn usage_value(answer: &ChatAnswer<'_>, produced: u64) -> Value {
    let usage = answer.usage;
    let answered = produced.saturating_sub(usage.reasoning);
    let mut value = json!({
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": answered,
        "totalTokenCount": usage.prompt + answered + usage.reasoning,
        "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": usage.prompt }],
    });
    if usage.cached > 0 {
        value["cachedContentTokenCount"] = json!(usage.cached);
    }
    if usage.reasoning > 0 {
        value["thoughtsTokenCount"] = json!(usage.reasoning);
    }
    value
}

fn finish_reason(answer: &ChatAnswer<'_>, choice: usize) -> &'static str {
    if answer.products[choice].is_cut { "MAX_TOKENS" } else { "STOP" }
}

fn function_part(answer: &ChatAnswer<'_>, name: &str) -> Value {
    json!({ "functionCall": { "name": name, "args": arguments_value(&answer.products[0]) } })
}

/// The members after the candidates.
fn tail(page: &mut Page, answer: &ChatAnswer<'_>, produced: u64) {
    if answer.shape != Some(UsageShape::Missing) {
        page.text(",\"usageMetadata\":").json(&usage_value(answer, produced));
    }
    page.text(",\"modelVersion\":").json(&answer.call.common.model).text(",\"responseId\":").id("").text("}");
}

pub(crate) fn plain(answer: &ChatAnswer<'_>) -> Page {
    let mut page = Page::default();
    page.text("{\"candidates\":[");
    for (index, product) in answer.products.iter().enumerate() {
        let part = match &answer.call.function {
            None => json!({ "text": product.text() }),
            Some(name) => function_part(answer, name),
        };
        page.text(if index == 0 { "" } else { "," }).json(&json!({
            "content": { "parts": [part], "role": "model" }, "finishReason": finish_reason(answer, index), "index": index,
        }));
    }
    page.text("]");
    tail(&mut page, answer, answer.usage.completion);
    page.end_event(answer.usage.completion);
    page
}

/// Each piece is an answer; the last of each candidate says why it ended.
pub(crate) fn stream(answer: &ChatAnswer<'_>, is_array: bool) -> Page {
    let mut page = Page::default();
    let mut produced = answer.usage.reasoning;
    let mut is_first = true;
    let longest = answer.products.iter().map(|product| product.pieces.len()).max().unwrap_or(0);
    let steps = if answer.call.function.is_some() { 1 } else { longest.max(1) };
    for step in 0..steps {
        for (index, product) in answer.products.iter().enumerate() {
            let last = step + 1 >= product.pieces.len().max(1) || answer.call.function.is_some();
            let (part, worth) = match (&answer.call.function, product.pieces.get(step)) {
                (Some(name), _) => (function_part(answer, name), product.tokens() + 1),
                (None, Some(piece)) => (json!({ "text": piece }), 1),
                (None, None) if step == 0 => (json!({ "text": "" }), 0),
                (None, None) => continue,
            };
            produced += worth;
            let mut candidate = json!({ "content": { "parts": [part], "role": "model" }, "index": index });
            if last {
                candidate["finishReason"] = json!(finish_reason(answer, index));
            }
            page.text(match (is_array, is_first) {
                (false, _) => "data: ",
                (true, true) => "[",
                (true, false) => ",\r\n",
            });
            page.text("{\"candidates\":[").json(&candidate).text("]");
            tail(&mut page, answer, produced.min(answer.usage.completion));
            page.text(if is_array { "" } else { "\r\n\r\n" });
            page.end_event(worth + if is_first { answer.usage.reasoning } else { 0 });
            is_first = false;
        }
    }
    if is_array {
        page.text("]").end_event(0);
    }
    page
}

/// The tokens of what is to become vectors, and how many vectors.
pub(crate) fn embedded(members: &Map<String, Value>) -> Result<(u64, Option<usize>), ErrorAnswer> {
    match members.get("requests").and_then(Value::as_array) {
        Some(requests) => Ok((requests.iter().map(|request| tokens(&request["content"])).sum(), Some(requests.len()))),
        None => match members.get("content") {
            Some(content) => Ok((tokens(content), None)),
            None => Err(ErrorAnswer::invalid("content is required", Some("content"))),
        },
    }
}

/// Vertex's vectors, each with the tokens of its text, and all tokens.
pub(crate) fn predicted(members: &Map<String, Value>, dimensions: usize) -> Result<(Page, u64), ErrorAnswer> {
    let instances = list(members, "instances")?;
    let counts: Vec<u64> = instances.iter().map(|instance| tokens(&instance["content"])).collect();
    let of = |tokens: &u64| {
        let statistics = json!({ "truncated": false, "token_count": tokens });
        json!({ "embeddings": { "statistics": statistics, "values": vec![0.25; dimensions] } })
    };
    let texts = instances.iter().filter_map(|instance| instance["content"].as_str());
    let characters = texts.map(|text| text.chars().filter(|one| !one.is_whitespace()).count()).sum::<usize>();
    let mut page = Page::default();
    page.text("{\"predictions\":").json(&counts.iter().map(of).collect::<Vec<_>>());
    page.text(",\"metadata\":").json(&json!({ "billableCharacterCount": characters })).text("}").end_event(0);
    Ok((page, counts.iter().sum()))
}

pub(crate) fn vectors(prompt: u64, count: Option<usize>, dimensions: usize) -> Page {
    let one = json!({ "values": vec![0.25; dimensions] });
    let mut page = Page::default();
    match count {
        None => page.text("{\"embedding\":").json(&one),
        Some(count) => page.text("{\"embeddings\":").json(&vec![one; count]),
    };
    page.text(",\"usageMetadata\":").json(&json!({ "promptTokenCount": prompt, "totalTokenCount": prompt }));
    page.text("}").end_event(0);
    page
}
