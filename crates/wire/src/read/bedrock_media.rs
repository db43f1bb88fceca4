//! Counts the media of Bedrock's blocks, and finds inline payloads that are not text.

use base::Refusal;

use super::media::is_base64;
use crate::billable::Billable;
use crate::call::Span;
use crate::scan::{Kind, Strict};

/// What a block holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Medium {
    Image,
    Audio,
    Document,
    Video,
}

/// Takes any value, counting the media in it.
pub(super) fn walk(scanner: &mut Strict<'_>, billable: &mut Billable, payloads: &mut Vec<Span>) -> Result<(), Refusal> {
    match scanner.kind()? {
        Kind::Object => scanner.object(|scanner, key| {
            let is_object = scanner.kind()? == Kind::Object;
            let medium = match &*key.decode() {
                "image" => Medium::Image,
                "audio" => Medium::Audio,
                "document" => Medium::Document,
                "video" => Medium::Video,
                // What a function is called with and answers is text, whatever its members are called.
                "input" | "json" => return Ok(scanner.skip()?),
                _ => return walk(scanner, billable, payloads),
            };
            if !is_object {
                return walk(scanner, billable, payloads);
            }
            count(medium, billable);
            bytes_of(scanner, medium, billable, payloads)
        }),
        Kind::Array => scanner.array(|scanner| walk(scanner, billable, payloads)),
        _ => Ok(scanner.skip()?),
    }
}

fn count(medium: Medium, billable: &mut Billable) {
    let add = |count: &mut u32| *count = count.saturating_add(1);
    match medium {
        Medium::Image => add(&mut billable.images),
        Medium::Audio => add(&mut billable.audios),
        Medium::Document => add(&mut billable.files),
        Medium::Video => {
            add(&mut billable.videos);
            add(&mut billable.files);
        }
    }
}

/// Takes what is inside a medium: its bytes are in `source`.
fn bytes_of(
    scanner: &mut Strict<'_>,
    medium: Medium,
    billable: &mut Billable,
    payloads: &mut Vec<Span>,
) -> Result<(), Refusal> {
    match scanner.kind()? {
        Kind::Object => scanner.object(|scanner, key| match &*key.decode() {
            "s3Location" => {
                let sentence = "'s3Location' names an object of the provider's account, whose owner this relay does not \
                                know. Send the bytes.";
                Err(Refusal::invalid(Some("messages"), sentence))
            }
            "bytes" if scanner.kind()? == Kind::String => {
                let text = scanner.string()?;
                if !is_base64(text.raw) {
                    return Ok(());
                }
                let decoded_bytes = (text.raw.len() as u64).div_ceil(4) * 3;
                match medium {
                    Medium::Audio => billable.audio_bytes += decoded_bytes,
                    Medium::Document | Medium::Video => billable.file_bytes += decoded_bytes,
                    Medium::Image => {}
                }
                payloads.push(Span { start: text.start, end: text.start + text.raw.len() });
                Ok(())
            }
            _ => bytes_of(scanner, medium, billable, payloads),
        }),
        Kind::Array => scanner.array(|scanner| bytes_of(scanner, medium, billable, payloads)),
        _ => Ok(scanner.skip()?),
    }
}
