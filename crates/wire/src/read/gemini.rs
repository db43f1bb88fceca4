//! Reads what only Gemini's contents and embeddings have. Google's parser takes `camelCase` and `snake_case`, and so do we.

use std::borrow::Cow;

use base::Refusal;
use smallvec::SmallVec;

use super::body::{Draft, duplicate};
use super::fields::{count, present_value, wrong_kind};
use super::gemini_media;
use super::table::{camel, fold};
use crate::call::{Span, TextPlace};
use crate::scan::{Kind, Strict};

/// Members of `generationConfig` that cannot raise the price beyond what the others say.
const HARMLESS_SETTINGS: [&str; 23] = [
    "_responseJsonSchema",
    "audioTimestamp",
    "enableAffectiveDialog",
    "enableEnhancedCivicAnswers",
    "frequencyPenalty",
    "imageConfig",
    "logprobs",
    "mediaResolution",
    "presencePenalty",
    "responseFormat",
    "responseLogprobs",
    "responseMimeType",
    "seed",
    "speechConfig",
    "stopSequences",
    "thinkingConfig",
    "thinkingLevel",
    "thinkingSummaries",
    "toolChoice",
    "topK",
    "topP",
    "translationConfig",
    "videoConfig",
];

impl<'a> Draft<'a> {
    /// The parts of a content, with their media.
    pub(super) fn parts(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        let kind = scanner.kind()?;
        let start = scanner.at();
        if kind == Kind::Null {
            return Ok(scanner.skip()?);
        }
        gemini_media::walk(scanner, &mut self.billable, &mut self.payloads)?;
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    /// The turns of a conversation; Google also takes one alone.
    pub(super) fn contents(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Array {
            self.billable.messages = 1;
            return self.parts(scanner);
        }
        let start = scanner.at();
        let mut messages = 0_u32;
        scanner.array::<Refusal>(|scanner| {
            messages = messages.saturating_add(1);
            gemini_media::walk(scanner, &mut self.billable, &mut self.payloads)
        })?;
        self.billable.messages = messages;
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    /// A model within the body: it must be the one of the path, and goes out as the upstream calls it.
    pub(super) fn resource_name(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::String {
            return wrong_kind("model", "a string");
        }
        let text = scanner.string()?;
        let named = text.decode();
        let bare = named.strip_prefix("models/").unwrap_or(&named);
        if self.model.as_ref().is_some_and(|model| model.as_str() != bare) {
            let sentence = "The body names another model than the path. Name the same one.";
            return Err(Refusal::ambiguous("model", sentence));
        }
        self.places.resource_names.push(Span { start: text.start - 1, end: text.start + text.raw.len() + 1 });
        Ok(())
    }

    /// Content that was cached earlier: of any length.
    pub(super) fn cached_content(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if present_value(scanner)?.is_some() {
            self.billable.files = self.billable.files.saturating_add(1);
        }
        Ok(())
    }

    /// The request whose tokens are to be counted. Only its model matters here.
    pub(super) fn counted_request(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Object {
            return wrong_kind("generateContentRequest", "an object");
        }
        let mut seen = false;
        scanner.object::<Refusal>(|scanner, key| {
            if &*key.decode() != "model" {
                return Ok(scanner.skip()?);
            }
            if core::mem::replace(&mut seen, true) {
                return Err(duplicate("model"));
            }
            self.resource_name(scanner)
        })
    }

    /// The inputs of `batchEmbedContents`, each with a model of its own.
    pub(super) fn embed_requests(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Array {
            return wrong_kind("requests", "an array");
        }
        let mut prompts = 0_u32;
        scanner.array::<Refusal>(|scanner| {
            prompts = prompts.saturating_add(1);
            if scanner.kind()? != Kind::Object {
                return wrong_kind("requests", "an array of objects");
            }
            let mut seen: SmallVec<[bool; 2]> = SmallVec::from_elem(false, 2);
            scanner.object::<Refusal>(|scanner, key| {
                let name = key.decode();
                let place = ["model", "content"].iter().position(|known| *known == name);
                if place.is_some_and(|place| core::mem::replace(&mut seen[place], true)) {
                    return Err(duplicate(&name));
                }
                match place {
                    Some(0) => self.resource_name(scanner),
                    Some(_) => self.parts(scanner),
                    None => Ok(scanner.skip()?),
                }
            })
        })?;
        self.billable.prompts = prompts.max(1);
        Ok(())
    }

    /// `generationConfig`: the output limit, the choices, and what may be answered besides text.
    pub(super) fn generation_config(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        let named = |written: Cow<'_, str>| {
            let name = camel(written.as_bytes());
            if written.starts_with('_') { written.into_owned() } else { name }
        };
        self.nested(scanner, "generationConfig", named, |draft, scanner, name| draft.setting(scanner, name))
    }

    /// One member of `generationConfig`, by its `camelCase` name.
    fn setting(&mut self, scanner: &mut Strict<'a>, name: &str) -> Result<(), Refusal> {
        match name {
            "maxOutputTokens" => {
                let (value, place) = count(scanner, "generationConfig.maxOutputTokens", 1)?;
                (self.max_tokens, self.places.max_tokens) = (value, Some(place));
            }
            "candidateCount" => {
                let (value, _) = count(scanner, "generationConfig.candidateCount", 1)?;
                self.billable.choices = value.map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX));
            }
            "temperature" => self.temperature(scanner)?,
            "responseModalities" => self.gemini_modalities(scanner, "generationConfig.responseModalities")?,
            "responseSchema" | "responseJsonSchema" => {
                if let Some(place) = present_value(scanner)? {
                    self.texts.push(TextPlace::Json(place));
                }
            }
            "routingConfig" => self.chooses_model(scanner, "generationConfig.routingConfig")?,
            "modelSelectionConfig" => self.chooses_model(scanner, "generationConfig.modelSelectionConfig")?,
            harmless if HARMLESS_SETTINGS.contains(&harmless) => scanner.skip()?,
            unknown => {
                let guarded = [
                    "maxOutputTokens",
                    "candidateCount",
                    "responseModalities",
                    "temperature",
                    "routingConfig",
                    "modelSelectionConfig",
                ];
                if let Some(guarded) = guarded.into_iter().find(|guarded| fold(guarded) == fold(unknown)) {
                    let sentence = format!("Some parsers ignore case; write '{guarded}'.");
                    return Err(Refusal::ambiguous(guarded, sentence));
                }
                self.billable.unknown_parameters = true;
                scanner.skip()?;
            }
        }
        Ok(())
    }

    /// A setting by which Google chooses the model.
    fn chooses_model(&mut self, scanner: &mut Strict<'a>, name: &'static str) -> Result<(), Refusal> {
        if present_value(scanner)?.is_some() {
            self.billable.upstream_routing.get_or_insert(name);
        }
        Ok(())
    }

    pub(super) fn gemini_modalities(&mut self, scanner: &mut Strict<'a>, name: &str) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::Array => {}
            _ => return wrong_kind(name, "an array of strings"),
        }
        scanner.array(|scanner| {
            if scanner.kind()? != Kind::String {
                return wrong_kind(name, "an array of strings");
            }
            match scanner.string()?.decode().to_ascii_uppercase().as_str() {
                "TEXT" | "MODALITY_UNSPECIFIED" => {}
                "AUDIO" => self.billable.audio_output = true,
                _ => return wrong_kind(name, "of 'TEXT' and 'AUDIO'; other outputs have no price on this relay"),
            }
            Ok(())
        })
    }

    /// Declared functions, and tools that Google runs.
    pub(super) fn gemini_tools(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        let start = match scanner.kind()? {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::Array | Kind::Object => scanner.at(),
            _ => return wrong_kind("tools", "an array"),
        };
        if scanner.kind()? == Kind::Object {
            self.gemini_tool(scanner)?;
        } else {
            scanner.array::<Refusal>(|scanner| self.gemini_tool(scanner))?;
        }
        self.texts.push(TextPlace::Json(Span { start, end: scanner.at() }));
        Ok(())
    }

    fn gemini_tool(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Object {
            return wrong_kind("tools", "an array of objects");
        }
        scanner.object::<Refusal>(|scanner, key| {
            let name = camel(key.decode().as_bytes());
            match name.as_str() {
                "functionDeclarations" if scanner.kind()? == Kind::Array => {
                    let mut functions = 0_u32;
                    scanner.array::<Refusal>(|scanner| {
                        functions = functions.saturating_add(1);
                        Ok(scanner.skip()?)
                    })?;
                    self.billable.tools = self.billable.tools.saturating_add(functions);
                }
                "functionDeclarations" | "computerUse" => scanner.skip()?,
                other => {
                    if present_value(scanner)?.is_some() {
                        self.billable.server_tools = self.billable.server_tools.saturating_add(1);
                        self.billable.web_search |= other.contains("earch") && other != "fileSearch";
                        self.billable.web_search |= other == "googleMaps";
                    }
                }
            }
            Ok(())
        })
    }
}
