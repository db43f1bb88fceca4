//! Reads what makes a batch, as far as the batch itself goes.

use base::{ModelId, Refusal};
use bytes::Bytes;

use super::body::duplicate;
use crate::call::{Call, Named, NamedPlace, Objects, Span};
use crate::dialect::Endpoint;
use crate::route::Route;
use crate::scan::{Kind, Strict};

/// What a line may ask for, by the path that it names.
const LINE_ENDPOINTS: [(&str, Endpoint); 5] = [
    ("/v1/chat/completions", Endpoint::ChatCompletions),
    ("/v1/completions", Endpoint::Completions),
    ("/v1/embeddings", Endpoint::Embeddings),
    ("/v1/responses", Endpoint::Responses),
    ("/v1/moderations", Endpoint::Moderations),
];
/// Longest name that a refusal repeats, in characters.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// The members of an object that are known, each as often as it may stand: once.
pub(crate) struct Once<'n> {
    pub(crate) names: &'n [&'static str],
    pub(crate) seen: u32,
}

impl Once<'_> {
    /// The name of a member, when it is known and was not there before.
    pub(crate) fn take(&mut self, name: &str) -> Result<&'static str, Refusal> {
        let Some(place) = self.names.iter().position(|known| *known == name) else {
            let shown: String = name.chars().take(SHOWN_CHARACTERS_MAX).collect();
            let known = self.names.join("', '");
            let sentence = format!("'{}' is not known here. Known are '{known}'.", shown.escape_debug());
            return Err(Refusal::invalid(Some(&shown), sentence));
        };
        if self.seen & 1 << place != 0 {
            return Err(duplicate(name));
        }
        self.seen |= 1 << place;
        Ok(self.names[place])
    }
}

/// The call that makes a batch of a file.
pub(super) fn create(route: &Route<'_>, body: Bytes) -> Result<Call, Refusal> {
    let mut once = Once {
        names: &["input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"],
        seen: 0,
    };
    let (mut file, mut endpoint) = (None, None);
    let mut scanner = Strict::new(&body);
    check_object(&mut scanner)?;
    scanner.object::<Refusal>(|scanner, key| {
        match once.take(&key.decode())? {
            "input_file_id" => {
                let id = text(scanner, "input_file_id")?;
                file = Some(Named { place: NamedPlace::Body(id.0), id: id.1, is_needed: true, opened: None });
            }
            "endpoint" => endpoint = Some(line_endpoint(&text(scanner, "endpoint")?.1, "endpoint")?),
            _ => scanner.skip()?,
        }
        Ok(())
    })?;
    scanner.end()?;
    let missing = |name: &str| Refusal::invalid(Some(name), format!("'{name}' is missing."));
    let file = file.ok_or_else(|| missing("input_file_id"))?;
    endpoint.ok_or_else(|| missing("endpoint"))?;
    Ok(Call::naming(route.endpoint, route.hosting, body.clone(), Objects { named: vec![file], ..Objects::default() }))
}

/// The call that makes a batch of messages, which are all in it. Its model is that of the first; the requests themselves are
/// read when it is known who may use it.
pub(super) fn of_messages(route: &Route<'_>, body: Bytes) -> Result<Call, Refusal> {
    if core::str::from_utf8(&body).is_err() {
        return Err(Refusal::invalid(None, "The body is not UTF-8."));
    }
    let query = super::query::read(route.endpoint, route.query)?;
    let mut model = None;
    requests(&body, |scanner| {
        let mut named = None;
        check_object(scanner)?;
        scanner.object::<Refusal>(|scanner, key| match (&*key.decode(), scanner.kind()?) {
            ("params", Kind::Object) => scanner.object::<Refusal>(|scanner, key| {
                if &*key.decode() != "model" || scanner.kind()? != Kind::String {
                    return Ok(scanner.skip()?);
                }
                named = ModelId::new(&scanner.string()?.decode()).ok();
                Ok(())
            }),
            _ => Ok(scanner.skip()?),
        })?;
        model = model.take().or(named);
        Ok(())
    })?;
    if model.is_none() {
        return Err(Refusal::invalid(Some("requests"), "There are no requests, or the first names no model."));
    }
    let call = Call::naming(route.endpoint, route.hosting, body, Objects::default());
    Ok(Call { model, query, objects: None, ..call })
}

/// Goes through the requests of a batch of messages; `each` must take one.
pub(crate) fn requests(
    body: &Bytes,
    mut each: impl FnMut(&mut Strict<'_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut once = Once { names: &["requests"], seen: 0 };
    let mut scanner = Strict::new(body);
    check_object(&mut scanner)?;
    scanner.object::<Refusal>(|scanner, key| {
        once.take(&key.decode())?;
        if scanner.kind()? != Kind::Array {
            return Err(Refusal::invalid(Some("requests"), "'requests' must be an array."));
        }
        scanner.array::<Refusal>(&mut each)
    })?;
    Ok(scanner.end()?)
}

/// What the requests of a batch ask for, by the body that makes it.
#[must_use]
pub fn batch_endpoint(body: &[u8]) -> Option<Endpoint> {
    let mut found = None;
    let mut scanner = Strict::new(body);
    let read = scanner.object::<Refusal>(|scanner, key| {
        if &*key.decode() == "endpoint" && scanner.kind()? == Kind::String {
            found = line_endpoint(&scanner.string()?.decode(), "endpoint").ok();
            return Ok(());
        }
        Ok(scanner.skip()?)
    });
    read.ok().and(found)
}

pub(crate) fn check_object(scanner: &mut Strict<'_>) -> Result<(), Refusal> {
    if scanner.kind()? == Kind::Object { Ok(()) } else { Err(Refusal::invalid(None, "It must be a JSON object.")) }
}

/// A string that says something, and its place.
pub(crate) fn text(scanner: &mut Strict<'_>, name: &str) -> Result<(Span, String), Refusal> {
    let refuse = || Err(Refusal::invalid(Some(name), format!("'{name}' must be a text.")));
    if scanner.kind()? != Kind::String {
        return refuse();
    }
    let text = scanner.string()?;
    if text.raw.is_empty() {
        return refuse();
    }
    Ok((Span { start: text.start - 1, end: text.start + text.raw.len() + 1 }, text.decode().into_owned()))
}

/// What a path in a batch asks for.
pub(crate) fn line_endpoint(path: &str, name: &str) -> Result<Endpoint, Refusal> {
    let known = LINE_ENDPOINTS.iter().find(|(known, _)| *known == path);
    known.map(|(_, endpoint)| *endpoint).ok_or_else(|| {
        let known: Vec<&str> = LINE_ENDPOINTS.iter().map(|(known, _)| *known).collect();
        Refusal::invalid(Some(name), format!("'{name}' must be one of {}.", known.join(", ")))
    })
}
