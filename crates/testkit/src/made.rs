//! Images and speech: what is asked decides how much is made, and nothing of it is real.

use serde_json::{Map, Value, json};

use crate::errors::ErrorAnswer;
use crate::fault::UsageShape;
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
    let prompt = count_tokens(text(members, "prompt")?);
    let count = members.get("n").and_then(Value::as_u64).unwrap_or(1);
    let output = count * IMAGE_TOKENS;
    let data = vec![json!({ "b64_json": "aGVsbG8=" }); count as usize];
    let mut answer = json!({ "background": "opaque", "created": 1_700_000_000, "data": data, "output_format": "png" });
    if shape != Some(UsageShape::Missing) {
        answer["usage"] = json!({
            "input_tokens": prompt, "input_tokens_details": { "image_tokens": 0, "text_tokens": prompt },
            "output_tokens": output, "output_tokens_details": { "image_tokens": output, "text_tokens": 0 },
            "total_tokens": prompt + output,
        });
    }
    let mut page = Page::default();
    page.json(&answer).end_event(output);
    Ok((false, page, Usage { prompt, completion: output, ..Usage::default() }))
}

/// Bytes that are no text; nothing in them says what they cost.
pub(crate) fn speech(members: &Map<String, Value>) -> Result<(bool, Page, Usage), ErrorAnswer> {
    let input = text(members, "input")?;
    let mut page = Page::default();
    page.text("ID3\u{4}\0").text(&"\u{1}\u{2}\u{3}".repeat(input.len())).end_event(0);
    Ok((false, page, Usage::default()))
}
