//! What the fields of a form say, and which of them may change what a call costs.

use base::{ModelId, Refusal};
use bytes::Bytes;
use smallvec::SmallVec;

use super::problem::ambiguous;
use crate::billable::{Billable, CacheWrites};
use crate::call::{Call, Filled, Places, Query, Span, Upload};
use crate::dialect::Endpoint;
use crate::read::{check_image_stream, end_user, fold, model_of};
use crate::route::Route;

/// Most images of one call that may be asked for.
const IMAGES_MAX: u32 = 1_000;

/// What a known field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Model,
    Stream,
    Count,
    User,
    Format,
    PartialImages,
    /// It cannot raise the price beyond what is held.
    Harmless,
    /// It leads around a guard; the text says what to do.
    Refused(&'static str),
}

const ELSEWHERE: &str = "names a file elsewhere, whose length is not known. Send the file itself.";

const OF_AUDIO: &[(&str, Rule)] = &[
    ("model", Rule::Model),
    ("stream", Rule::Stream),
    ("response_format", Rule::Format),
    ("file", Rule::Harmless),
    ("language", Rule::Harmless),
    ("prompt", Rule::Harmless),
    ("temperature", Rule::Harmless),
    ("include", Rule::Harmless),
    ("timestamp_granularities", Rule::Harmless),
    ("chunking_strategy", Rule::Harmless),
    ("known_speaker_names", Rule::Harmless),
    ("known_speaker_references", Rule::Harmless),
    ("diarize", Rule::Harmless),
    ("context_bias", Rule::Harmless),
    ("file_url", Rule::Refused(ELSEWHERE)),
    ("file_id", Rule::Refused(ELSEWHERE)),
    ("url", Rule::Refused(ELSEWHERE)),
];

const OF_IMAGES: &[(&str, Rule)] = &[
    ("model", Rule::Model),
    ("stream", Rule::Stream),
    ("n", Rule::Count),
    ("user", Rule::User),
    ("partial_images", Rule::PartialImages),
    ("image", Rule::Harmless),
    ("mask", Rule::Harmless),
    ("prompt", Rule::Harmless),
    ("size", Rule::Harmless),
    ("quality", Rule::Harmless),
    ("background", Rule::Harmless),
    ("input_fidelity", Rule::Harmless),
    ("moderation", Rule::Harmless),
    ("output_format", Rule::Harmless),
    ("output_compression", Rule::Harmless),
    ("response_format", Rule::Harmless),
];

const OF_FILES: &[(&str, Rule)] = &[("file", Rule::Harmless), ("purpose", Rule::Harmless)];

/// What was asked so far.
#[derive(Debug)]
pub(super) struct Asked {
    endpoint: Endpoint,
    known: &'static [(&'static str, Rule)],
    pub(super) model: Option<ModelId>,
    pub(super) model_place: Option<Span>,
    /// One bit per place in `known`.
    seen: u32,
    stream: bool,
    user: Option<String>,
    billable: Billable,
    has_file: bool,
}

impl Asked {
    /// Of a form for `route`, whose path may name the model.
    pub(super) fn new(route: &Route<'_>) -> Result<Asked, Refusal> {
        Ok(Asked {
            endpoint: route.endpoint,
            known: match route.endpoint {
                Endpoint::FileUpload => OF_FILES,
                endpoint if endpoint.hears() => OF_AUDIO,
                _ => OF_IMAGES,
            },
            model: model_of(route.tail)?,
            model_place: None,
            seen: 0,
            stream: false,
            user: None,
            billable: Billable { cache_writes: CacheWrites::None, ..Billable::default() },
            has_file: false,
        })
    }

    /// Whether it is known which model is to be asked; a file is for none.
    pub(super) fn has_model(&self) -> bool {
        self.model.is_some() || self.endpoint.is_of_file()
    }

    /// A part has begun. Guarded names stand once and as fields, and before a call that has left.
    pub(super) fn part(&mut self, name: &str, is_file: bool, has_left: bool) -> Result<(), Refusal> {
        self.has_file |= is_file;
        let Some((place, rule)) = self.rule(name)? else {
            self.billable.unknown_parameters |= !is_file;
            // What nobody knows may ask for more than was held.
            return if has_left && !is_file && self.endpoint.makes_images() { Err(too_late(name)) } else { Ok(()) };
        };
        match rule {
            Rule::Harmless => return Ok(()),
            Rule::Refused(why) => return Err(Refusal::invalid(Some(name), format!("'{name}' {why}"))),
            _ => {}
        }
        if is_file {
            return Err(ambiguous("A field of the form that is no file has the name of one. Send it without."));
        }
        if self.seen & (1 << place) != 0 {
            let sentence = format!("'{name}' stands twice; parsers differ in which one they take. Send it once.");
            return Err(Refusal::ambiguous(name, sentence));
        }
        self.seen |= 1 << place;
        // How an answer comes is seen when it comes.
        let is_seen = rule == Rule::Format || (rule == Rule::Stream && !self.endpoint.makes_images());
        if has_left && !is_seen { Err(too_late(name)) } else { Ok(()) }
    }

    /// What a name means; `None` for one that is not known.
    fn rule(&self, name: &str) -> Result<Option<(usize, Rule)>, Refusal> {
        if name == "_charset_" {
            return Err(ambiguous(
                "The form says in which charset it is. Send it in UTF-8, and leave '_charset_' out.",
            ));
        }
        // Lists are written with brackets behind their names.
        let (base, is_list) = name.split_once('[').map_or((name, false), |(base, _)| (base, true));
        let is_guarded = |rule: Rule| rule != Rule::Harmless;
        if let Some(place) = self.known.iter().position(|(known, _)| *known == base)
            && (!is_list || !is_guarded(self.known[place].1))
        {
            return Ok(Some((place, self.known[place].1)));
        }
        let folded = fold(base);
        match self.known.iter().find(|(known, rule)| is_guarded(*rule) && fold(known) == folded) {
            None => Ok(None),
            Some((known, _)) => {
                Err(Refusal::ambiguous(known, format!("Some parsers read '{name}' as '{known}'. Write '{known}'.")))
            }
        }
    }

    /// A field has ended.
    pub(super) fn field(&mut self, name: &str, value: &[u8], place: Span) -> Result<(), Refusal> {
        let Some((_, rule)) = self.rule(name)? else { return Ok(()) };
        let value = core::str::from_utf8(value).map_err(|_| {
            Refusal::invalid(Some(name), format!("'{name}' is not UTF-8; send a file with the name of one."))
        })?;
        match rule {
            Rule::Model => {
                let sentence =
                    |error| Refusal::invalid(Some("model"), format!("'model' is not a model name: {error}."));
                let model = ModelId::new(value).map_err(sentence)?;
                if self.model.as_ref().is_some_and(|of_path| *of_path != model) {
                    let sentence = "The body names another model than the path. Name the same one.";
                    return Err(Refusal::ambiguous("model", sentence));
                }
                (self.model, self.model_place) = (Some(model), Some(place));
            }
            Rule::Stream => {
                self.stream = match value.to_ascii_lowercase().as_str() {
                    "true" | "1" => true,
                    "false" | "0" | "" => false,
                    _ => return Err(Refusal::invalid(Some(name), format!("'{name}' must be true or false."))),
                }
            }
            Rule::Count => self.billable.choices = count(name, value, 1)?,
            Rule::PartialImages => self.billable.partial_images = count(name, value, 0)?,
            Rule::User => self.user = end_user(value),
            Rule::Format => self.billable.untold_format = matches!(value, "text" | "srt" | "vtt"),
            Rule::Harmless | Rule::Refused(_) => {}
        }
        Ok(())
    }

    /// The call, as far as it was asked when it leaves.
    pub(super) fn call(&self, route: &Route<'_>, held: Bytes, upload: Upload) -> Result<Call, Refusal> {
        if !self.has_file {
            let name = if self.endpoint.makes_images() { "image" } else { "file" };
            return Err(Refusal::invalid(Some(name), format!("The form has no file. Send one as '{name}'.")));
        }
        if self.stream {
            check_image_stream(self.endpoint, self.billable.choices)?;
        }
        // Of any size: what a file becomes is bounded by what the model takes.
        let is_free = !self.endpoint.has_usage();
        let billable = Billable { text_bytes: held.len() as u64, files: 1, is_free, ..self.billable.clone() };
        Ok(Call {
            endpoint: route.endpoint,
            hosting: route.hosting,
            maker: None,
            query: Query::None,
            body: held,
            model: self.model.clone(),
            stream: self.stream,
            client_wants_usage: true,
            billable,
            end_user: self.user.clone(),
            places: Places::at(0),
            filled: Filled::default(),
            texts: SmallVec::new(),
            payloads: Vec::new(),
            objects: None,
            is_stored: false,
            upload: Some(Box::new(upload)),
        })
    }
}

fn count(name: &str, value: &str, min: u32) -> Result<u32, Refusal> {
    let is_plain = !value.is_empty() && value.len() < 10 && value.bytes().all(|byte| byte.is_ascii_digit());
    let count = value.parse().ok().filter(|count| is_plain && (min..=IMAGES_MAX).contains(count));
    let sentence = || format!("'{name}' must be a whole number from {min} to {IMAGES_MAX}, in plain digits.");
    count.ok_or_else(|| Refusal::invalid(Some(name), sentence()))
}

/// The call is on its way, held for without this.
fn too_late(name: &str) -> Refusal {
    Refusal::invalid(
        Some(name),
        format!("'{name}' stands behind a file, and the call had left by then. Put it before."),
    )
}
