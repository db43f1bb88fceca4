//! Forms as this model server reads them.

use serde_json::{Map, Value};

use crate::errors::ErrorAnswer;

/// One part: its name, the name of its file if it is one, and its content.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) file: Option<String>,
    pub(crate) content: Vec<u8>,
}

/// The parts of a form, in their order.
pub(crate) fn parts(body: &[u8], content_type: &str) -> Result<Vec<Part>, ErrorAnswer> {
    let refuse = |problem: &str| ErrorAnswer::invalid(problem, None);
    let boundary = content_type.split("boundary=").nth(1).ok_or_else(|| refuse("no boundary"))?;
    let mark = format!("\r\n--{}", boundary.trim_matches('"'));
    let whole = [b"\r\n", body].concat();
    let mut parts = Vec::new();
    let mut rest = after(&whole, mark.as_bytes()).ok_or_else(|| refuse("the form has no part"))?.1;
    while !rest.starts_with(b"--") {
        let (part, next) = after(rest, mark.as_bytes()).ok_or_else(|| refuse("the form is not closed"))?;
        let (head, content) = after(part, b"\r\n\r\n").ok_or_else(|| refuse("a part has no content"))?;
        let head = String::from_utf8_lossy(head);
        let value = |name: &str| {
            let value = head.split(name).nth(1)?.split('"').next()?;
            Some(value.to_owned())
        };
        let name = value("; name=\"").unwrap_or_default().trim_end_matches("[]").to_owned();
        parts.push(Part { name, file: value("filename=\""), content: content.to_vec() });
        rest = next;
    }
    Ok(parts)
}

/// A form as the JSON object that says the same. A file `name` becomes `name_bytes`, the sum over all of that name.
pub(crate) fn as_json(body: &[u8], content_type: &str) -> Result<Vec<u8>, ErrorAnswer> {
    let mut members = Map::new();
    for Part { name, file, content } in parts(body, content_type)? {
        if file.is_some() {
            let bytes = members.entry(format!("{name}_bytes")).or_insert(Value::from(0));
            *bytes = Value::from(bytes.as_u64().unwrap_or(0) + content.len() as u64);
            continue;
        }
        let text = String::from_utf8_lossy(&content).into_owned();
        let value = match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            digits if name == "n" || name == "partial_images" => digits.parse::<u64>().map_or(Value::Null, Value::from),
            _ => Value::String(text),
        };
        members.insert(name, value);
    }
    Ok(Value::Object(members).to_string().into_bytes())
}

/// What stands before the first `mark`, and what behind it.
fn after<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}
