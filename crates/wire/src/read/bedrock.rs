//! Reads what only Bedrock's Converse has. Its parser takes each name in one spelling.

use base::Refusal;

use super::bedrock_media;
use super::body::{Draft, duplicate};
use super::fields::{count, is_present, present_value, wrong_kind};
use super::nested::as_written;
use super::table::fold;
use crate::billable::ServiceTier;
use crate::call::{Span, TextPlace};
use crate::scan::{Kind, Strict};

/// Fields of models that do not raise what a call can cost: thinking is within the output limit.
const HARMLESS_FIELDS: [&str; 3] = ["top_k", "topK", "thinking"];
/// Members of `inferenceConfig` beside those that are read.
const HARMLESS_SETTINGS: [&str; 2] = ["topP", "stopSequences"];

impl<'a> Draft<'a> {
    /// The turns of a conversation, or the blocks of its system prompt.
    pub(super) fn bedrock_blocks(&mut self, scanner: &mut Strict<'a>, name: &str) -> Result<(), Refusal> {
        if !is_present(scanner)? {
            return Ok(());
        }
        if scanner.kind()? != Kind::Array {
            return wrong_kind(name, "an array");
        }
        let start = scanner.at();
        let mut blocks = 0_u32;
        scanner.array::<Refusal>(|scanner| {
            blocks = blocks.saturating_add(1);
            bedrock_media::walk(scanner, &mut self.billable, &mut self.payloads)
        })?;
        if name == "messages" {
            self.billable.messages = blocks;
        }
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    /// `inferenceConfig`: the output limit, and what cannot raise the price.
    pub(super) fn inference_config(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        self.nested(scanner, "inferenceConfig", as_written, |draft, scanner, name| {
            match name {
                "maxTokens" => {
                    let (value, place) = count(scanner, "inferenceConfig.maxTokens", 1)?;
                    (draft.max_tokens, draft.places.max_tokens) = (value, Some(place));
                }
                "temperature" => draft.temperature(scanner)?,
                harmless if HARMLESS_SETTINGS.contains(&harmless) => scanner.skip()?,
                unknown => {
                    if let Some(guarded) = ["maxTokens", "temperature"].iter().find(|one| fold(one) == fold(unknown)) {
                        let sentence = format!("Some parsers ignore case; write '{guarded}'.");
                        return Err(Refusal::ambiguous(guarded, sentence));
                    }
                    draft.billable.unknown_parameters = true;
                    scanner.skip()?;
                }
            }
            Ok(())
        })
    }

    /// Declared functions, and tools that Amazon runs.
    pub(super) fn bedrock_tools(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if !is_present(scanner)? {
            return Ok(());
        }
        if scanner.kind()? != Kind::Object {
            return wrong_kind("toolConfig", "an object");
        }
        let start = scanner.at();
        scanner.object::<Refusal>(|scanner, key| {
            if &*key.decode() != "tools" || scanner.kind()? != Kind::Array {
                return Ok(scanner.skip()?);
            }
            scanner.array::<Refusal>(|scanner| self.bedrock_tool(scanner))
        })?;
        self.texts.push(TextPlace::Json(Span { start, end: scanner.at() }));
        Ok(())
    }

    fn bedrock_tool(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Object {
            return wrong_kind("toolConfig.tools", "an array of objects");
        }
        scanner.object::<Refusal>(|scanner, key| {
            let billable = &mut self.billable;
            match &*key.decode() {
                "toolSpec" => billable.tools = billable.tools.saturating_add(1),
                "cachePoint" => {}
                _ => {
                    billable.server_tools = billable.server_tools.saturating_add(1);
                    billable.web_search = true;
                }
            }
            Ok(scanner.skip()?)
        })
    }

    /// Fields that only one model knows: one that this relay does not know may be another spelling of a limit.
    pub(super) fn bedrock_fields(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if !is_present(scanner)? {
            return Ok(());
        }
        if scanner.kind()? != Kind::Object {
            self.billable.unknown_parameters = true;
            return Ok(scanner.skip()?);
        }
        scanner.object::<Refusal>(|scanner, key| {
            self.billable.unknown_parameters |= !HARMLESS_FIELDS.contains(&&*key.decode());
            if let Some(place) = present_value(scanner)? {
                self.texts.push(TextPlace::Json(place));
            }
            Ok(())
        })
    }

    /// Optimised latency costs more.
    pub(super) fn performance(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        let word = word_of(scanner, "performanceConfig", "latency")?;
        if word.as_deref().is_some_and(|word| word != "standard") {
            let sentence = "'performanceConfig.latency' may only be 'standard': anything else costs more, for which this relay has \
                 no price.";
            return Err(Refusal::invalid(Some("performanceConfig"), sentence));
        }
        Ok(())
    }

    /// The tier, in an object of its own.
    pub(super) fn bedrock_tier(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        self.billable.service_tier = match word_of(scanner, "serviceTier", "type")?.as_deref() {
            None => None,
            Some("default") => Some(ServiceTier::Default),
            Some("flex") => Some(ServiceTier::Flex),
            Some("priority") => Some(ServiceTier::Priority),
            Some(_) => Some(ServiceTier::Other),
        };
        Ok(())
    }
}

/// The one word of an object that has nothing else; `None` for null and for an empty object.
fn word_of(scanner: &mut Strict<'_>, name: &str, member: &str) -> Result<Option<String>, Refusal> {
    if !is_present(scanner)? {
        return Ok(None);
    }
    if scanner.kind()? != Kind::Object {
        return wrong_kind(name, "an object");
    }
    let mut word = None;
    scanner.object::<Refusal>(|scanner, key| {
        if &*key.decode() != member || scanner.kind()? != Kind::String {
            return wrong_kind(name, &format!("an object with '{member}' alone"));
        }
        if word.replace(scanner.string()?.decode().into_owned()).is_some() {
            return Err(duplicate(name));
        }
        Ok(())
    })?;
    Ok(word)
}
