//! Reads what only Google's interactions have: steps and contents with their types beside their data, tools by their types,
//! and the interaction before.

use base::Refusal;

use super::body::{Draft, duplicate};
use super::fields::{present_value, wrong_kind};
use super::media::is_base64;
use crate::billable::Billable;
use crate::call::{Span, TextPlace};
use crate::scan::{Kind, Strict};

impl<'a> Draft<'a> {
    /// A text, a content, or an array of contents or steps.
    pub(super) fn interaction_input(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        let start = scanner.at();
        let mut messages = 1_u32;
        match scanner.kind()? {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::String | Kind::Object => contents(scanner, &mut self.billable, &mut self.payloads)?,
            Kind::Array => {
                messages = 0;
                scanner.array::<Refusal>(|scanner| {
                    messages = messages.saturating_add(1);
                    contents(scanner, &mut self.billable, &mut self.payloads)
                })?;
            }
            _ => return wrong_kind("input", "a text, an object or an array"),
        }
        self.billable.messages = messages;
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    /// Functions, and tools that Google runs.
    pub(super) fn interaction_tools(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::Array => {}
            _ => return wrong_kind("tools", "an array"),
        }
        let start = scanner.at();
        scanner.array::<Refusal>(|scanner| self.interaction_tool(scanner))?;
        self.texts.push(TextPlace::Json(Span { start, end: scanner.at() }));
        Ok(())
    }

    fn interaction_tool(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Object {
            return wrong_kind("tools", "an array of objects");
        }
        let kind = typed(scanner, "tools.type")?;
        let billable = &mut self.billable;
        match kind.as_deref() {
            Some("function" | "computer_use") => billable.tools = billable.tools.saturating_add(1),
            kind => {
                billable.server_tools = billable.server_tools.saturating_add(1);
                let kind = kind.unwrap_or_default();
                billable.web_search |= kind.contains("search") && !matches!(kind, "file_search" | "tool_search");
                billable.web_search |= kind == "google_maps";
            }
        }
        Ok(())
    }

    /// The schema of the answer, or what it is to be beside a text: one form or several.
    pub(super) fn answer_formats(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        let start = scanner.at();
        match scanner.kind()? {
            Kind::Array => scanner.array::<Refusal>(|scanner| self.answer_format(scanner))?,
            _ => self.answer_format(scanner)?,
        }
        self.texts.push(TextPlace::Json(Span { start, end: scanner.at() }));
        Ok(())
    }

    fn answer_format(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::Object {
            return Ok(scanner.skip()?);
        }
        match typed(scanner, "response_format.type")?.as_deref() {
            Some("audio") => self.billable.audio_output = true,
            Some("image" | "video") => {
                let sentence =
                    "'response_format' asks for images or videos, which have no price on this relay. Ask for texts.";
                return Err(Refusal::invalid(Some("response_format"), sentence));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Takes an object and gives its type, which may stand once.
fn typed(scanner: &mut Strict<'_>, name: &str) -> Result<Option<String>, Refusal> {
    let mut kind = None;
    scanner.object::<Refusal>(|scanner, key| {
        if &*key.decode() != "type" || scanner.kind()? != Kind::String {
            return Ok(scanner.skip()?);
        }
        match kind.replace(scanner.string()?.decode().into_owned()) {
            None => Ok(()),
            Some(_) => Err(duplicate(name)),
        }
    })?;
    Ok(kind)
}

/// Takes any value, counting the media in it.
fn contents(scanner: &mut Strict<'_>, billable: &mut Billable, payloads: &mut Vec<Span>) -> Result<(), Refusal> {
    match scanner.kind()? {
        Kind::Object => content(scanner, billable, payloads),
        Kind::Array => scanner.array(|scanner| contents(scanner, billable, payloads)),
        _ => Ok(scanner.skip()?),
    }
}

/// Takes one object: a content has a type, and its data or where they are.
fn content(scanner: &mut Strict<'_>, billable: &mut Billable, payloads: &mut Vec<Span>) -> Result<(), Refusal> {
    let (mut kind, mut payload, mut is_medium) = (None, None, false);
    scanner.object::<Refusal>(|scanner, key| {
        let name = key.decode();
        match (&*name, scanner.kind()?) {
            ("type", Kind::String) => match kind.replace(scanner.string()?.decode().into_owned()) {
                None => Ok(()),
                Some(_) => Err(duplicate("input.type")),
            },
            ("data", Kind::String) => {
                let text = scanner.string()?;
                let place = Span { start: text.start, end: text.start + text.raw.len() };
                is_medium = true;
                if is_base64(text.raw) && payload.replace(place).is_some() {
                    return Err(duplicate("input.data"));
                }
                Ok(())
            }
            ("uri", _) => {
                is_medium |= present_value(scanner)?.is_some();
                Ok(())
            }
            // What a function is called with is text, whatever its members are called.
            ("arguments", _) => Ok(scanner.skip()?),
            _ => contents(scanner, billable, payloads),
        }
    })?;
    let bytes = payload.map_or(0, |place: Span| (place.len() as u64).div_ceil(4) * 3);
    let add = |count: &mut u32| *count = count.saturating_add(1);
    match kind.as_deref() {
        Some("image") => add(&mut billable.images),
        Some("audio") => {
            add(&mut billable.audios);
            billable.audio_bytes += bytes;
        }
        Some("document") => {
            add(&mut billable.files);
            billable.file_bytes += bytes;
        }
        Some("video") => {
            add(&mut billable.videos);
            add(&mut billable.files);
            billable.file_bytes += bytes;
        }
        // What is named without a type that is known may be a video, which has sound; its bytes count as text, too.
        _ if is_medium => {
            add(&mut billable.videos);
            add(&mut billable.files);
            return Ok(());
        }
        _ => {}
    }
    payloads.extend(payload);
    Ok(())
}
