//! Counts the media of Gemini's parts, and finds inline payloads that are not text.
//!
//! A medium is an object under `inlineData` or `fileData`, with its type beside its data: which of them comes first is
//! the client's choice, so that both are read before anything is counted.

use base::Refusal;

use super::media::is_base64;
use crate::billable::Billable;
use crate::call::Span;
use crate::scan::{Kind, Strict};

/// Takes any value, counting the media in it.
pub(super) fn walk(scanner: &mut Strict<'_>, billable: &mut Billable, payloads: &mut Vec<Span>) -> Result<(), Refusal> {
    match scanner.kind()? {
        Kind::Object => scanner.object(|scanner, key| match &*key.decode() {
            "inlineData" | "inline_data" | "fileData" | "file_data" if scanner.kind()? == Kind::Object => {
                medium(scanner, billable, payloads)
            }
            // What a function is called with and answers is text, whatever its members are called.
            "args" | "response" => Ok(scanner.skip()?),
            _ => walk(scanner, billable, payloads),
        }),
        Kind::Array => scanner.array(|scanner| walk(scanner, billable, payloads)),
        _ => Ok(scanner.skip()?),
    }
}

/// Takes one medium.
fn medium(scanner: &mut Strict<'_>, billable: &mut Billable, payloads: &mut Vec<Span>) -> Result<(), Refusal> {
    let (mut kind, mut payload) = (None, None);
    let mut is_repeated = false;
    scanner.object::<Refusal>(|scanner, key| {
        let name = key.decode();
        if scanner.kind()? != Kind::String {
            return walk(scanner, billable, payloads);
        }
        let text = scanner.string()?;
        match &*name {
            "mimeType" | "mime_type" => {
                is_repeated |= kind.is_some();
                kind = Some(text.decode().to_ascii_lowercase());
            }
            "data" if is_base64(text.raw) => {
                is_repeated |= payload.is_some();
                payload = Some(Span { start: text.start, end: text.start + text.raw.len() });
            }
            _ => {}
        }
        Ok(())
    })?;
    if is_repeated {
        return Err(Refusal::ambiguous("contents", "A medium has its type or data twice. Send them once."));
    }
    let bytes = payload.map_or(0, |place: Span| (place.len() as u64).div_ceil(4) * 3);
    let add = |count: &mut u32| *count = count.saturating_add(1);
    match kind.as_deref().and_then(|kind| kind.split('/').next()).unwrap_or_default() {
        "image" => add(&mut billable.images),
        "audio" => {
            add(&mut billable.audios);
            billable.audio_bytes += bytes;
        }
        // A video has sound.
        "video" => {
            add(&mut billable.videos);
            add(&mut billable.files);
            billable.file_bytes += bytes;
        }
        // Text is text, however it is wrapped; the rest may be a video behind an address.
        "text" | "application" => {
            add(&mut billable.files);
            billable.file_bytes += bytes;
        }
        _ => {
            add(&mut billable.videos);
            add(&mut billable.files);
        }
    }
    payloads.extend(payload);
    Ok(())
}
