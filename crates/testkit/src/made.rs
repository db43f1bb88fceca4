//! Images, speech, what is heard, and documents in order: what is asked decides how much is made, and nothing of it is real.

use serde_json::{Map, Value, json};

use crate::errors::ErrorAnswer;
use crate::fault::UsageShape;
use crate::prepare::Endpoint;
use crate::render::{Page, Usage};
use crate::tokens::count_tokens;

/// Tokens of one image.
const IMAGE_TOKENS: u64 = 272;

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, ErrorAnswer> {
    let text = members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| ErrorAnswer::invalid(&format!("Missing required parameter: '{name}'."), Some(name)))
}

/// As many images as were asked for, all alike.
pub(crate) fn images(
    members: &Map<String, Value>,
    shape: Option<UsageShape>,
) -> Result<(bool, Page, Usage), ErrorAnswer> {
    // Variations have none.
    let prompt = match members.get("image_bytes") {
        Some(_) => members.get("prompt").and_then(Value::as_str).unwrap_or_default(),
        None => text(members, "prompt")?,
    };
    let prompt = count_tokens(prompt);
    let count = members.get("n").and_then(Value::as_u64).unwrap_or(1);
    let input = members.get("image_bytes").and_then(Value::as_u64).map_or(0, |_| IMAGE_TOKENS);
    let output = count * IMAGE_TOKENS;
    let data = vec![json!({ "b64_json": "aGVsbG8=" }); count as usize];
    let mut answer = json!({ "background": "opaque", "created": 1_700_000_000, "data": data, "output_format": "png" });
    let told = json!({
        "input_tokens": prompt + input, "input_tokens_details": { "image_tokens": input, "text_tokens": prompt },
        "output_tokens": output, "output_tokens_details": { "image_tokens": output, "text_tokens": 0 },
        "total_tokens": prompt + input + output,
    });
    let usage = Usage { prompt: prompt + input, completion: output, ..Usage::default() };
    if members.get("stream") == Some(&Value::Bool(true)) {
        return Ok((true, image_events(members, told, output), usage));
    }
    if shape != Some(UsageShape::Missing) {
        answer["usage"] = told;
    }
    let mut page = Page::default();
    page.json(&answer).end_event(output);
    Ok((false, page, usage))
}

/// Documents as they came, which is as good an order as any. Models whose names begin with "rerank-v" bill units of search
/// and tell them beside the answer, as Cohere's first version does; the others bill tokens.
pub(crate) fn ranked(
    members: &Map<String, Value>,
    shape: Option<UsageShape>,
) -> Result<(bool, Page, Usage), ErrorAnswer> {
    let (query, model) = (text(members, "query")?, text(members, "model")?);
    let documents = members.get("documents").and_then(Value::as_array).filter(|documents| !documents.is_empty());
    let documents = documents
        .ok_or_else(|| ErrorAnswer::invalid("\"documents\" must be a non-empty string array", Some("documents")))?;
    let words = |document: &Value| document.as_str().or(document["text"].as_str()).map_or(0, count_tokens);
    let tokens = documents.iter().map(|document| words(document) + count_tokens(query)).sum::<u64>();
    let shown = members.get("top_n").and_then(Value::as_u64).unwrap_or(u64::MAX);
    let places = (0..documents.len() as u64).take_while(|place| *place < shown);
    let results: Vec<Value> =
        places.map(|place| json!({ "index": place, "relevance_score": 1.0 / (place + 1) as f64 })).collect();
    let mut answer = json!({ "model": model, "object": "list", "results": results });
    match shape {
        Some(UsageShape::Missing) => {}
        _ if model.starts_with("rerank-v") => {
            let units = (documents.len() as u64).div_ceil(100);
            answer["meta"] = json!({ "api_version": { "version": "1" }, "billed_units": { "search_units": units } });
        }
        _ => answer["usage"] = json!({ "prompt_tokens": tokens, "total_tokens": tokens }),
    }
    let mut page = Page::default();
    page.json(&answer).end_event(0);
    Ok((false, page, Usage { prompt: tokens, ..Usage::default() }))
}

/// Bytes that are no text; nothing in them says what they cost.
pub(crate) fn speech(members: &Map<String, Value>) -> Result<(bool, Page, Usage), ErrorAnswer> {
    let input = text(members, "input")?;
    let mut page = Page::default();
    page.text("ID3\u{4}\0").text(&"\u{1}\u{2}\u{3}".repeat(input.len())).end_event(0);
    Ok((false, page, Usage::default()))
}

/// Unfinished images as they were asked for, and the finished one with its usage.
fn image_events(members: &Map<String, Value>, usage: Value, output: u64) -> Page {
    let kind = if members.contains_key("image_bytes") { "image_edit" } else { "image_generation" };
    let mut page = Page::default();
    for index in 0..members.get("partial_images").and_then(Value::as_u64).unwrap_or(0) {
        let event =
            json!({ "type": format!("{kind}.partial_image"), "b64_json": "aGVs", "partial_image_index": index });
        event_of(&mut page, &event, 0);
    }
    let event = json!({ "type": format!("{kind}.completed"), "b64_json": "aGVsbG8=", "usage": usage });
    event_of(&mut page, &event, output);
    page
}

fn event_of(page: &mut Page, event: &Value, tokens: u64) {
    page.text("event: ").text(event["type"].as_str().unwrap_or_default()).text("\ndata: ").json(event);
    page.text("\n\n").end_event(tokens);
}

/// A thousand bytes of a file are a second of it.
const BYTES_PER_SECOND: u64 = 1_000;
/// Tokens of a second of audio.
const TOKENS_PER_SECOND: u64 = 10;
/// What every file says.
const SPOKEN: &str = "Good fences make good neighbours.";

/// What is heard in a file. Models whose names begin with "whisper" bill its length, the others tokens.
pub(crate) fn heard(
    members: &Map<String, Value>,
    shape: Option<UsageShape>,
) -> Result<(bool, Page, Usage), ErrorAnswer> {
    let bytes = members.get("file_bytes").and_then(Value::as_u64);
    let bytes = bytes.ok_or_else(|| ErrorAnswer::invalid("Missing required parameter: 'file'.", Some("file")))?;
    let seconds = bytes.div_ceil(BYTES_PER_SECOND);
    let (input, output) = (seconds * TOKENS_PER_SECOND, count_tokens(SPOKEN));
    let is_timed = text(members, "model")?.starts_with("whisper");
    let told = if is_timed {
        json!({ "type": "duration", "seconds": seconds })
    } else {
        json!({
            "type": "tokens", "input_tokens": input, "input_token_details": { "text_tokens": 0, "audio_tokens": input },
            "output_tokens": output, "total_tokens": input + output,
        })
    };
    let is_told = shape != Some(UsageShape::Missing);
    let mut page = Page::default();
    let is_stream = members.get("stream") == Some(&Value::Bool(true));
    let mut answer = json!({ "text": SPOKEN });
    let format = members.get("response_format").and_then(Value::as_str).unwrap_or("json");
    match format {
        _ if is_stream => {
            for word in SPOKEN.split_inclusive(' ') {
                event_of(&mut page, &json!({ "type": "transcript.text.delta", "delta": word }), 1);
            }
            let mut last = json!({ "type": "transcript.text.done", "text": SPOKEN });
            if is_told {
                last["usage"] = told;
            }
            event_of(&mut page, &last, 0);
        }
        "text" => page.text(SPOKEN).text("\n").end_event(output),
        "srt" => {
            let end = format!("{:02}:{:02}:{:02},000", seconds / 3_600, seconds / 60 % 60, seconds % 60);
            page.text("1\n00:00:00,000 --> ").text(&end).text("\n").text(SPOKEN).text("\n\n").end_event(output);
        }
        _ => {
            if format == "verbose_json" {
                answer["duration"] = json!(bytes as f64 / BYTES_PER_SECOND as f64);
            }
            if is_told && format != "verbose_json" {
                answer["usage"] = told;
            }
            page.json(&answer).end_event(output);
        }
    }
    Ok((is_stream, page, Usage { prompt: input, completion: output, ..Usage::default() }))
}

/// What an answer is, where it is no stream.
pub(crate) fn content_type(endpoint: Endpoint, members: &Map<String, Value>) -> &'static str {
    let format = members.get("response_format").and_then(Value::as_str);
    match (endpoint, format) {
        (Endpoint::Speech, _) => "audio/mpeg",
        (Endpoint::Heard, Some("text" | "srt")) => "text/plain; charset=utf-8",
        _ => "application/json",
    }
}
