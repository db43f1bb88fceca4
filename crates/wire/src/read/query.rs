//! The queries that reach an upstream: a few known values. Everything else of a query stays here, above all keys.

use base::Refusal;

use crate::call::Query;
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

/// Google's forms of answer.
fn form(value: &str) -> Result<Query, Refusal> {
    match value {
        "sse" => Ok(Query::Events),
        "json" => Ok(Query::Json),
        "json;enum-encoding=int" | "json%3Benum-encoding%3Dint" => Ok(Query::JsonWithNumbers),
        _ => Err(Refusal::invalid(Some("alt"), "'alt' must be 'sse' or 'json'.")),
    }
}
