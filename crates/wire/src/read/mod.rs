//! Reads a request strictly: what it asks for and what can change its price, or why it cannot be taken.

mod anthropic;
mod batch;
mod bedrock;
mod bedrock_media;
mod body;
mod cohere;
mod fields;
mod gemini;
mod gemini_media;
mod interactions;
mod invoked;
mod known;
mod made;
mod media;
mod nested;
mod ollama;
mod predict;
mod query;
mod ranked;
mod responses;
mod table;
mod tools;

use base::{ModelId, Refusal};
use bytes::Bytes;

pub use self::batch::batch_endpoint;
pub(crate) use self::batch::{Once, check_object, line_endpoint, requests, text};
use self::body::Draft;
pub(crate) use self::body::end_user;
pub(crate) use self::fields::check_image_stream;
pub(crate) use self::table::fold;
use crate::billable::Billable;
use crate::call::{Call, Filled, Named, NamedPlace, Objects};
use crate::dialect::Endpoint;
use crate::maker::Maker;
use crate::route::{Route, unescaped};
use crate::scan::{Kind, Strict};

/// Reads the body of a call to `route`, which may be an [`Endpoint`] whose calls say everything in their bodies.
///
/// [`Endpoint::Explain`] takes the body of any billed endpoint: the call is then of the endpoint that the body is for, by
/// its `messages`, `prompt` or `input`.
///
/// # Errors
/// [`Refusal::InvalidRequest`] when the body is not a strict JSON object in UTF-8, or a guarded field has a bad value;
/// [`Refusal::AmbiguousRequest`] when two parsers could read it differently.
pub fn read<'a>(route: impl Into<Route<'a>>, content_type: Option<&[u8]>, body: Bytes) -> Result<Call, Refusal> {
    let route = route.into();
    if route.endpoint.is_of_object() {
        return of_object(&route);
    }
    if !route.endpoint.takes_json() {
        return Err(Refusal::invalid(None, "Send the body as 'Content-Type: multipart/form-data'."));
    }
    check_content_type(route.endpoint, content_type)?;
    if core::str::from_utf8(&body).is_err() {
        return Err(Refusal::invalid(None, "The body is not UTF-8."));
    }
    if route.endpoint == Endpoint::MessageBatchCreate {
        return batch::of_messages(&route, body);
    }
    if route.endpoint.makes_batch() {
        return batch::create(&route, body);
    }
    let endpoint = match route.endpoint {
        Endpoint::Predict => predict::endpoint_of(&body)?,
        billed if billed.is_billed() => billed,
        _ => endpoint_of(&body)?,
    };
    let maker = if endpoint == Endpoint::Invoke { maker_of(&route) } else { None };
    let endpoint = maker.map_or(Ok(endpoint), Maker::endpoint)?;
    let query = query::read(endpoint, route.query)?;
    // What a conversation's path has is no model.
    let in_path = route.tail.filter(|_| !endpoint.is_of_conversation());
    let draft = Draft::read(endpoint, maker, model_of(in_path)?, &body);
    let draft = draft.map_err(|refusal| anthropic::or_other_maker(endpoint, &body, refusal))?;
    let Draft { endpoint, model, stream, client_wants_usage, billable, end_user, places, texts, payloads, .. } = draft;
    let objects = if endpoint.is_of_conversation() {
        let mut objects = in_path_and_query(&route)?;
        objects.named.extend(draft.named);
        Some(Box::new(objects))
    } else {
        let named = Some(draft.named).filter(|named| !named.is_empty());
        named.map(|named| Box::new(Objects { named, ..Objects::default() }))
    };
    let is_stored = draft.is_stored;
    let stream = stream || route.stream;
    let billable = Billable { cache_writes: anthropic::cache_writes(endpoint, &body), ..billable };
    // The draft borrows from the body, so the call gets its own handle on the same bytes.
    let body = body.clone();
    let filled = Filled::default();
    #[rustfmt::skip]
    let call = Call {
        endpoint, hosting: route.hosting, maker, query, body, model, stream, client_wants_usage, billable, end_user, places, filled, texts, payloads,
        objects, is_stored, upload: None,
    };
    Ok(call)
}

/// What path and query say of stored objects; those of the path come first.
fn in_path_and_query(route: &Route<'_>) -> Result<Objects, Refusal> {
    let mut objects = query::of_object(route.endpoint, route.query)?;
    let between = route.endpoint.path().split("{id}").nth(1).filter(|between| !between.is_empty());
    let ids = route.tail.into_iter().flat_map(|tail| tail.splitn(2, between.unwrap_or("/")));
    let named = ids.enumerate().map(|(at, id)| {
        let place = NamedPlace::Path(at);
        Named { place, id: id.to_owned(), is_needed: true, opened: None }
    });
    objects.named.splice(..0, named);
    Ok(objects)
}

/// A call about one stored object: everything that it says is in its path and query, and a body stays here.
fn of_object(route: &Route<'_>) -> Result<Call, Refusal> {
    let objects = in_path_and_query(route)?;
    let stream = objects.pairs.iter().any(|(name, value)| *name == "stream" && value == "true");
    Ok(Call { stream, ..Call::naming(route.endpoint, route.hosting, Bytes::new(), objects) })
}

/// The maker of the model: by its provider's name where that is known, else by the one in the path.
fn maker_of(route: &Route<'_>) -> Option<Maker> {
    route.maker.or_else(|| Maker::of(&unescaped(route.tail?)))
}

/// The model that a path names.
pub(crate) fn model_of(tail: Option<&str>) -> Result<Option<ModelId>, Refusal> {
    let Some(tail) = tail else { return Ok(None) };
    let model = ModelId::new(&unescaped(tail));
    model.map(Some).map_err(|error| Refusal::invalid(Some("model"), format!("The path has no model name: {error}.")))
}

/// Only JSON in UTF-8 is taken; a client that says nothing is taken to mean that. Amazon's SDKs call the body of an invoked
/// model bytes, unless their caller says more.
fn check_content_type(endpoint: Endpoint, content_type: Option<&[u8]>) -> Result<(), Refusal> {
    let refuse = || Err(Refusal::invalid(None, "Send the body as 'Content-Type: application/json'."));
    let Some(value) = content_type else { return Ok(()) };
    let Ok(value) = core::str::from_utf8(value) else { return refuse() };
    let mut parts = value.split(';').map(str::trim);
    let is_taken = |media: &str| {
        let is_bytes = endpoint == Endpoint::Invoke && media.eq_ignore_ascii_case("application/octet-stream");
        is_bytes || media.eq_ignore_ascii_case("application/json")
    };
    if !parts.next().is_some_and(is_taken) {
        return refuse();
    }
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let is_utf8 = ["utf-8", "\"utf-8\"", "utf8"].iter().any(|known| value.trim().eq_ignore_ascii_case(known));
        if name.trim().eq_ignore_ascii_case("charset") && !is_utf8 {
            return refuse();
        }
    }
    Ok(())
}

/// The billed endpoint that a body is for.
fn endpoint_of(body: &[u8]) -> Result<Endpoint, Refusal> {
    let mut found = None;
    let mut scanner = Strict::new(body);
    if scanner.kind()? == Kind::Object {
        scanner.object::<Refusal>(|scanner, key| {
            let endpoint = match &*key.decode() {
                "messages" => Some(Endpoint::ChatCompletions),
                "prompt" => Some(Endpoint::Completions),
                "input" => Some(Endpoint::Embeddings),
                _ => None,
            };
            found = found.or(endpoint);
            Ok(scanner.skip()?)
        })?;
    }
    found.ok_or_else(|| Refusal::invalid(None, "The body must have 'messages', 'prompt' or 'input'."))
}

#[cfg(test)]
mod dialect_tests;
#[cfg(test)]
mod tests;
