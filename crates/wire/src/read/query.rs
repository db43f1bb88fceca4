//! The queries that reach an upstream: a few known values. Everything else of a query stays here, above all keys.

use base::Refusal;

use crate::call::{Named, NamedPlace, Objects, Query};
use crate::dialect::{Dialect, Endpoint};

/// Reads what the dialect of `endpoint` says in queries.
///
/// # Errors
/// [`Refusal::InvalidRequest`] for a form of answer that this relay cannot read; [`Refusal::AmbiguousRequest`] when there
/// are two.
pub(super) fn read(endpoint: Endpoint, query: &str) -> Result<Query, Refusal> {
    let mut read = Query::None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let known = match (endpoint.dialect(), name, value) {
            (Some(Dialect::Anthropic), "beta", "true") => Query::Beta,
            (Some(Dialect::Gemini), "alt" | "$alt" | "%24alt", value) => form(value)?,
            _ => continue,
        };
        if read != Query::None && read != known {
            return Err(Refusal::ambiguous("alt", "Two forms of answer are asked for. Ask for one."));
        }
        read = known;
    }
    Ok(read)
}

/// What may be asked of a stored object, by the name that goes out.
const OF_OBJECTS: [(&str, &str); 10] = [
    ("after", "after"),
    ("before", "before"),
    ("limit", "limit"),
    ("order", "order"),
    ("include", "include"),
    ("include[]", "include[]"),
    ("include%5B%5D", "include[]"),
    ("stream", "stream"),
    ("starting_after", "starting_after"),
    ("include_obfuscation", "include_obfuscation"),
];
/// What may be asked of an interaction.
const OF_INTERACTIONS: [(&str, &str); 4] =
    [("alt", "alt"), ("stream", "stream"), ("last_event_id", "last_event_id"), ("include_input", "include_input")];
/// Most pairs that are passed on.
const PAIRS_MAX: usize = 32;

/// Reads what a query asks of a stored object: its pairs, and the ids of objects among them.
///
/// # Errors
/// [`Refusal::InvalidRequest`] for a value that could be read as more than one.
pub(super) fn of_object(endpoint: Endpoint, query: &str) -> Result<Objects, Refusal> {
    let mut objects = Objects::default();
    let known = if endpoint.is_interaction() { &OF_INTERACTIONS[..] } else { &OF_OBJECTS[..] };
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(&(_, name)) = known.iter().find(|(known, _)| *known == name) else { continue };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if value.is_empty() || !value.bytes().all(is_plain) || objects.pairs.len() >= PAIRS_MAX {
            return Err(Refusal::invalid(Some(name), format!("'{name}' must be a plain value, without escapes.")));
        }
        if matches!(name, "after" | "before") {
            let place = NamedPlace::Query(objects.pairs.len());
            objects.named.push(Named { place, id: value.to_owned(), is_needed: true, opened: None });
        }
        objects.pairs.push((name, value.to_owned()));
    }
    Ok(objects)
}

/// Google's forms of answer.
fn form(value: &str) -> Result<Query, Refusal> {
    match value {
        "sse" => Ok(Query::Events),
        "json" => Ok(Query::Json),
        "json;enum-encoding=int" | "json%3Benum-encoding%3Dint" => Ok(Query::JsonWithNumbers),
        _ => Err(Refusal::invalid(Some("alt"), "'alt' must be 'sse' or 'json'.")),
    }
}
