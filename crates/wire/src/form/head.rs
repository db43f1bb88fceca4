//! The head of one part of a form: its name, and whether it is a file.

use base::Refusal;

use super::problem::ambiguous;

/// What is known of a part before its content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PartHead {
    pub(super) name: String,
    pub(super) is_file: bool,
}

/// Reads the lines of a head, without the empty one at its end.
///
/// # Errors
/// What two parsers could read differently, and what is no part of a form.
pub(super) fn read(head: &[u8]) -> Result<PartHead, Refusal> {
    let text = core::str::from_utf8(head).map_err(|_| bad("The head of a part of the form is not UTF-8."))?;
    let mut found = None;
    let mut has_type = false;
    let mut content_type = "";
    for line in text.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or_else(|| bad("The head of a part has a line without a name."))?;
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if name.is_empty() || !name.bytes().all(is_token) || value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(bad("The head of a part of the form is not made of plain headers."));
        }
        let value = value.trim_matches([' ', '\t']);
        match name.to_ascii_lowercase().as_str() {
            "content-disposition" if found.is_some() => {
                return Err(ambiguous("A part of the form has two names. Name it once."));
            }
            "content-disposition" => found = Some(disposition(value)?),
            "content-type" if has_type => return Err(ambiguous("A part of the form has two types. Give it one.")),
            "content-type" => (has_type, content_type) = (true, value),
            // Whoever decodes would read something else than who does not.
            "content-transfer-encoding"
                if !["binary", "8bit", "7bit"].iter().any(|it| value.eq_ignore_ascii_case(it)) =>
            {
                return Err(ambiguous("A part of the form is encoded. Send it as it is."));
            }
            "content-encoding" => return Err(ambiguous("A part of the form is encoded. Send it as it is.")),
            _ => {}
        }
    }
    let found = found.ok_or_else(|| bad("A part of the form has no 'Content-Disposition'."))?;
    let lower = content_type.to_ascii_lowercase();
    if !found.is_file && lower.contains("charset") && !lower.contains("utf-8") && !lower.contains("us-ascii") {
        return Err(ambiguous("A field of the form is not in UTF-8. Send it so."));
    }
    Ok(found)
}

/// `form-data; name="model"` and `form-data; name="file"; filename="a.wav"`. Between parameters stand spaces and nothing else:
/// what parsers take for space differs, and to one that takes less, the name of a part would be another.
fn disposition(value: &str) -> Result<PartHead, Refusal> {
    let mut rest = value.strip_prefix("form-data").ok_or_else(|| bad("A part of the form is no 'form-data'."))?;
    let (mut name, mut is_file) = (None, false);
    while !rest.is_empty() {
        rest = rest.trim_start_matches(' ').strip_prefix(';').ok_or_else(unclear)?.trim_start_matches(' ');
        let (key, after) = rest.split_once('=').ok_or_else(unclear)?;
        let (value, after) = parameter(after)?;
        rest = after;
        match key {
            "name" if name.is_none() => name = Some(value),
            "filename" | "filename*" => is_file = true,
            _ => return Err(unclear()),
        }
    }
    let name = name.ok_or_else(|| bad("A part of the form has no name."))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_plain) {
        return Err(bad("The name of a field of the form must be plain letters, such as 'model' or 'include[]'."));
    }
    Ok(PartHead { name: name.to_owned(), is_file })
}

/// The value of a parameter and what follows it. Parsers differ in what a backslash before a quote means.
fn parameter(text: &str) -> Result<(&str, &str), Refusal> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return if value.contains(['"', '\\']) { Err(unclear()) } else { Ok((value, rest)) };
    };
    let (value, rest) = quoted.split_once('"').ok_or_else(unclear)?;
    if value.ends_with('\\') { Err(unclear()) } else { Ok((value, rest)) }
}

fn unclear() -> Refusal {
    ambiguous("Parsers read the name of a part of the form differently. Name it plainly, and its file without quotes.")
}

fn bad(sentence: &str) -> Refusal {
    Refusal::invalid(None, sentence)
}
