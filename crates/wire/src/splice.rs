//! Changes values of a body in place: slices of the client's bytes around the new values, never a re-serialisation.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::call::{Call, NamedPlace, NestedPlaces, Span, Upload, UsageOption};
use crate::dialect::{Dialect, Endpoint};
use crate::hosting::Hosting;
use crate::maker::Maker;

/// Values to set in an outgoing body. `None` and `false` leave the client's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edits<'a> {
    /// The upstream's name of the model.
    pub model: Option<&'a str>,
    /// Ask for usage at the end of the stream.
    pub include_usage: bool,
    /// The most output tokens per choice.
    pub output_limit: Option<u64>,
    /// A raw JSON number.
    pub temperature: Option<&'a str>,
}

/// A body ready to be sent.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pieces: SmallVec<[Bytes; 8]>,
    len: usize,
}

impl Outgoing {
    /// Bytes of all pieces.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// The whole, in one piece; a copy when there are several.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match &self.pieces[..] {
            [one] => one.clone(),
            pieces => Bytes::from(pieces.concat()),
        }
    }

    /// Whether there is nothing to send; never so for a body that was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces, in order.
    #[must_use]
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// The pieces, in order, owned.
    #[must_use]
    pub fn into_pieces(self) -> SmallVec<[Bytes; 8]> {
        self.pieces
    }
}

impl Call {
    /// The body with `edits` and what [`Call::fill`] filled in spliced in: each value replaced where it stands, or inserted right after the opening brace.
    ///
    /// An output limit that the client did not name goes out as the dialect calls it. In chats that is `max_tokens`, or
    /// `max_completion_tokens` for OpenAI's reasoning models, which refuse the former. A server that does not know the
    /// latter ignores it, and with it the limit, so the choice is by the name of the model that goes out.
    #[must_use]
    pub fn outgoing(&self, edits: &Edits<'_>) -> Outgoing {
        if self.endpoint.is_of_object() {
            return Outgoing { pieces: SmallVec::new(), len: 0 };
        }
        if let Some(upload) = &self.upload {
            return self.outgoing_form(upload, edits.model);
        }
        let mut patches: SmallVec<[Patch; 6]> = SmallVec::new();
        let mut inserted: Vec<u8> = Vec::new();
        self.rename_objects(&mut patches);
        if self.endpoint.makes_batch() || self.endpoint.is_of_conversation() {
            return self.assembled(patches, inserted);
        }
        let limit = edits.output_limit.or(self.filled.output_limit);
        let temperature = edits.temperature.or(self.filled.temperature.as_deref());
        if (self.endpoint.streams_lines() || self.endpoint == Endpoint::Interactions)
            && let Some(model) = edits.model
        {
            set(&mut patches, &mut inserted, "model", self.places.model, &quoted(model));
        }
        let is_nested = self.endpoint.dialect() == Some(Dialect::Gemini)
            || self.endpoint == Endpoint::Converse
            || self.maker.and_then(Maker::nested_limit).is_some();
        if is_nested || self.endpoint.streams_lines() {
            self.nest(edits.model, limit, temperature, &mut patches, &mut inserted);
            return self.assembled(patches, inserted);
        }
        if let Some(model) = edits.model.filter(|_| !self.names_model_in_path()) {
            let value = quoted(model);
            set(&mut patches, &mut inserted, "model", self.places.model, &value);
        }
        if let Some(limit) = limit {
            self.limit_output(limit, edits.model, &mut patches, &mut inserted);
        }
        if let Some(temperature) = temperature {
            set(&mut patches, &mut inserted, "temperature", self.places.temperature, temperature.as_bytes());
        }
        if edits.include_usage {
            match self.places.usage_option {
                UsageOption::Absent => {
                    set(&mut patches, &mut inserted, "stream_options", None, b"{\"include_usage\":true}");
                }
                UsageOption::Null(place) => patches.push(Patch::new(place, b"{\"include_usage\":true}")),
                UsageOption::Value(place) => patches.push(Patch::new(place, b"true")),
                UsageOption::Object { inside, is_empty } => {
                    let comma = if is_empty { "" } else { "," };
                    let place = Span { start: inside, end: inside };
                    patches.push(Patch::new(place, format!("\"include_usage\":true{comma}").as_bytes()));
                }
            }
        }
        self.assembled(patches, inserted)
    }

    /// What was read of a form, for the upstream's name of the model: in the place of the client's, or in a part of its
    /// own before all others.
    fn outgoing_form(&self, upload: &Upload, model: Option<&str>) -> Outgoing {
        // A file is kept for no model.
        let patch = model.filter(|_| !self.endpoint.is_of_file()).map(|model| match upload.model {
            Some(place) => Patch::new(place, model.as_bytes()),
            None => {
                let boundary = &upload.boundary;
                let head = "Content-Disposition: form-data; name=\"model\"";
                let part = format!("--{boundary}\r\n{head}\r\n\r\n{model}\r\n");
                Patch::new(Span { start: 0, end: 0 }, part.as_bytes())
            }
        });
        assemble(&self.body, patch.into_iter().collect())
    }

    /// What goes to an upstream with this hosting, where the call came in another form: path and body. `None` where both are
    /// of one form, so that the client's bytes pass.
    #[must_use]
    pub fn rehosted(&self, hosting: Hosting, edits: &Edits<'_>) -> Option<(Option<String>, Bytes)> {
        let differs = self.hosting.has_own_form(self.endpoint) != hosting.has_own_form(self.endpoint);
        let model = edits.model.or(self.model.as_ref().map(base::ModelId::as_str)).filter(|_| differs)?;
        let body = hosting.recast(self.endpoint, &self.outgoing(edits).to_bytes(), model, self.stream);
        let path = hosting.path(self.endpoint, self.stream, model);
        Some((Some(path.unwrap_or_else(|| self.endpoint.path().to_owned())), body))
    }

    /// Objects go by their provider's names.
    fn rename_objects(&self, patches: &mut SmallVec<[Patch; 6]>) {
        for named in self.objects.iter().flat_map(|objects| &objects.named) {
            if let (NamedPlace::Body(place), Some(id)) = (named.place, &named.opened) {
                patches.push(Patch::new(place, &quoted(id)));
            }
        }
    }

    /// The body with its patches, and the members to be inserted after its brace.
    fn assembled(&self, mut patches: SmallVec<[Patch; 6]>, mut inserted: Vec<u8>) -> Outgoing {
        if !inserted.is_empty() {
            if self.places.is_empty {
                inserted.pop();
            }
            let place = Span { start: self.places.inside, end: self.places.inside };
            patches.push(Patch { place, value: inserted });
        }
        assemble(&self.body, patches)
    }

    /// Gemini's form, and Bedrock's: the model is in the path, and in the body only as the name of a resource; the settings
    /// of the generation have an object of their own.
    fn nest(
        &self,
        model: Option<&str>,
        limit: Option<u64>,
        temperature: Option<&str>,
        patches: &mut SmallVec<[Patch; 6]>,
        inserted: &mut Vec<u8>,
    ) {
        if let Some(model) = model {
            let collection = if model.contains('/') { "" } else { "models/" };
            let value = quoted(&format!("{collection}{model}"));
            patches.extend(self.places.resource_names.iter().map(|place| Patch::new(*place, &value)));
        }
        let (object_name, limit_name) = match self.endpoint {
            Endpoint::InvokeText => {
                self.maker.and_then(Maker::nested_limit).expect("only makers with settings of their own are nested")
            }
            Endpoint::Converse => ("inferenceConfig", "maxTokens"),
            Endpoint::OllamaChat | Endpoint::OllamaGenerate => ("options", "num_predict"),
            Endpoint::Interactions => ("generation_config", "max_output_tokens"),
            _ => ("generationConfig", "maxOutputTokens"),
        };
        let mut members = Vec::new();
        if let Some(limit) = limit {
            let mut digits = itoa::Buffer::new();
            let value = digits.format(limit).as_bytes();
            // Nova's other spelling of it.
            patches.extend(self.places.max_completion_tokens.map(|place| Patch::new(place, value)));
            if self.places.max_tokens.is_some() || self.places.max_completion_tokens.is_none() {
                set(patches, &mut members, limit_name, self.places.max_tokens, value);
            }
        }
        if let Some(temperature) = temperature {
            set(patches, &mut members, "temperature", self.places.temperature, temperature.as_bytes());
        }
        if members.is_empty() {
            return;
        }
        let comma = members.pop();
        let object = |members: &[u8]| [b"{", members, b"}"].concat();
        match self.places.nested {
            NestedPlaces::Absent => set(patches, inserted, object_name, None, &object(&members)),
            NestedPlaces::Null(place) => patches.push(Patch::new(place, &object(&members))),
            NestedPlaces::Object { inside, is_empty } => {
                members.extend(comma.filter(|_| !is_empty));
                patches.push(Patch::new(Span { start: inside, end: inside }, &members));
            }
        }
    }

    /// Sets every output limit that is there, or the one that this model takes.
    fn limit_output(
        &self,
        limit: u64,
        model: Option<&str>,
        patches: &mut SmallVec<[Patch; 6]>,
        inserted: &mut Vec<u8>,
    ) {
        let mut digits = itoa::Buffer::new();
        let value = digits.format(limit).as_bytes();
        let places = [self.places.max_tokens, self.places.max_completion_tokens];
        for place in places.into_iter().flatten() {
            patches.push(Patch::new(place, value));
        }
        if places == [None, None] {
            let model = model.or(self.model.as_ref().map(base::ModelId::as_str)).unwrap_or("");
            let name = match self.endpoint {
                Endpoint::Responses => "max_output_tokens",
                Endpoint::InvokeText => self.maker.map_or("max_tokens", |maker| maker.limit(model)),
                Endpoint::ChatCompletions if refuses_max_tokens(model) => "max_completion_tokens",
                _ => "max_tokens",
            };
            set(patches, inserted, name, None, value);
        }
    }
}

/// A new value in the place of an old one, or of nothing.
struct Patch {
    place: Span,
    value: Vec<u8>,
}

impl Patch {
    fn new(place: Span, value: &[u8]) -> Patch {
        Patch { place, value: value.to_vec() }
    }
}

/// Replaces the value at `place`, or adds the member to those to be inserted.
fn set(patches: &mut SmallVec<[Patch; 6]>, inserted: &mut Vec<u8>, name: &str, place: Option<Span>, value: &[u8]) {
    match place {
        Some(place) => patches.push(Patch::new(place, value)),
        None => {
            inserted.push(b'"');
            inserted.extend_from_slice(name.as_bytes());
            inserted.extend_from_slice(b"\":");
            inserted.extend_from_slice(value);
            inserted.push(b',');
        }
    }
}

/// A text as a JSON string.
fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).expect("a text is always JSON")
}

/// Whether a model is one of OpenAI's that take only `max_completion_tokens`, whatever stands before its name.
pub(crate) fn refuses_max_tokens(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    ["o1", "o3", "o4", "gpt-5"].iter().any(|family| {
        name.strip_prefix(family).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    })
}

/// The body with its patches, which do not overlap.
fn assemble(body: &Bytes, mut patches: SmallVec<[Patch; 6]>) -> Outgoing {
    if patches.is_empty() {
        return Outgoing { len: body.len(), pieces: SmallVec::from_iter([body.clone()]) };
    }
    // An insertion comes before a replacement that starts at the same byte.
    patches.sort_by_key(|patch| (patch.place.start, patch.place.end));
    let added: usize = patches.iter().map(|patch| patch.value.len()).sum();
    let removed: usize = patches.iter().map(|patch| patch.place.len()).sum();
    let len = body.len() + added - removed;
    let mut pieces = SmallVec::new();
    let mut at = 0;
    for patch in patches {
        pieces.push(body.slice(at..patch.place.start));
        pieces.push(Bytes::from(patch.value));
        at = patch.place.end;
    }
    pieces.push(body.slice(at..));
    Outgoing { len, pieces }
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
