//! Counts images, audio and files inside messages and inputs, and finds inline payloads that are not text.
//!
//! Everything that a provider could take for a medium is counted wherever it appears. A payload is taken out of the text
//! only inside a content part, under a name that holds media, and when it is base64 throughout.

use base::Refusal;

use crate::billable::Billable;
use crate::call::{Named, NamedPlace, Span};
use crate::scan::{Kind, Strict, Text};

/// Longest head of a data URL, in bytes, up to its comma.
const DATA_URL_HEAD_BYTES_MAX: usize = 256;

/// What a member of an object holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    Image,
    Audio,
    File,
    /// Anthropic's `source`, which stands for an image or a file.
    Source,
}

/// Where counts and payloads are collected.
#[derive(Debug)]
pub(super) struct Media<'b> {
    pub(super) billable: &'b mut Billable,
    pub(super) payloads: &'b mut Vec<Span>,
    /// Files that the provider keeps, by their ids.
    pub(super) named: &'b mut Vec<Named>,
}

/// The medium that a member of this name holds.
#[inline]
fn medium_of(name: &[u8]) -> Option<Medium> {
    match name {
        b"image_url" | b"image" | b"images" | b"input_image" | b"image_file" | b"image_base64" | b"inline_data" => {
            Some(Medium::Image)
        }
        b"input_audio" | b"audio" | b"audio_url" => Some(Medium::Audio),
        b"file" | b"files" | b"input_file" | b"file_url" | b"file_id" | b"file_data" | b"video" | b"videos"
        | b"video_url" | b"input_video" | b"document" | b"document_url" => Some(Medium::File),
        b"source" => Some(Medium::Source),
        _ => None,
    }
}

impl Media<'_> {
    /// Takes any value, counting the media in it. `in_part`: it stands inside a content part.
    pub(super) fn walk(&mut self, scanner: &mut Strict<'_>, in_part: bool) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Object => scanner.object(|scanner, key| self.member(scanner, &key.decode(), in_part)),
            Kind::Array => scanner.array(|scanner| self.walk(scanner, in_part)),
            _ => Ok(scanner.skip()?),
        }
    }

    /// Takes the arguments of a tool, which are the tenant's own words, whatever they are called.
    pub(super) fn arguments(&mut self, scanner: &mut Strict<'_>) -> Result<(), Refusal> {
        let named = self.named.len();
        self.walk(scanner, false)?;
        self.named.truncate(named);
        Ok(())
    }

    /// Takes the value of a member of an object.
    pub(super) fn member(&mut self, scanner: &mut Strict<'_>, name: &str, in_part: bool) -> Result<(), Refusal> {
        if is_file_id(name) && scanner.kind()? == Kind::String {
            self.count(Medium::File);
            let id = scanner.string()?;
            self.kept(id);
            return Ok(());
        }
        match medium_of(name.as_bytes()) {
            Some(medium) => self.medium(scanner, medium, name.as_bytes(), in_part),
            None => self.walk(scanner, in_part || name == "content"),
        }
    }

    /// Takes the value of a member that holds a medium.
    fn medium(&mut self, scanner: &mut Strict<'_>, medium: Medium, name: &[u8], in_part: bool) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null | Kind::True | Kind::False | Kind::Number => Ok(scanner.skip()?),
            Kind::Array => scanner.array(|scanner| self.medium(scanner, medium, name, in_part)),
            Kind::String => {
                let text = scanner.string()?;
                if medium != Medium::Source {
                    self.count(medium);
                    self.payload(text, medium, in_part && matches!(name, b"input_audio" | b"file_data"), in_part);
                }
                Ok(())
            }
            Kind::Object => {
                self.count(medium);
                scanner.object(|scanner, key| {
                    if scanner.kind()? != Kind::String {
                        return self.walk(scanner, in_part);
                    }
                    let text = scanner.string()?;
                    if is_file_id(&key.decode()) || is_audio_answer(name, &key.decode()) && !text.raw.is_empty() {
                        self.kept(text);
                    }
                    let is_raw = in_part && matches!(&*key.decode(), "data" | "file_data" | "b64_json");
                    self.payload(text, medium, is_raw, in_part);
                    Ok(())
                })
            }
        }
    }

    /// A file that the provider keeps: it must be its tenant's.
    fn kept(&mut self, id: Text<'_>) {
        let place = NamedPlace::Body(Span { start: id.start - 1, end: id.start + id.raw.len() + 1 });
        let id = id.decode().into_owned();
        self.named.push(Named { place, id, is_needed: true, opened: None });
    }

    fn count(&mut self, medium: Medium) {
        let add = |count: &mut u32| *count = count.saturating_add(1);
        match medium {
            Medium::Image => add(&mut self.billable.images),
            Medium::Audio => add(&mut self.billable.audios),
            Medium::File => add(&mut self.billable.files),
            Medium::Source => {
                add(&mut self.billable.images);
                add(&mut self.billable.files);
            }
        }
    }

    /// Notes the payload of a text, if it has one that is not to be counted as text.
    fn payload(&mut self, text: Text<'_>, medium: Medium, is_raw: bool, in_part: bool) {
        let after_head = data_url_payload(text.raw);
        let skipped = match after_head {
            Some(skipped) => skipped,
            None if is_raw => 0,
            None => return,
        };
        let payload = &text.raw[skipped..];
        if !in_part || !is_base64(payload) {
            return;
        }
        let decoded_bytes = (payload.len() as u64).div_ceil(4) * 3;
        match medium {
            Medium::Audio => self.billable.audio_bytes += decoded_bytes,
            Medium::File | Medium::Source => self.billable.file_bytes += decoded_bytes,
            Medium::Image => {}
        }
        let start = text.start + skipped;
        self.payloads.push(Span { start, end: start + payload.len() });
    }
}

/// Whether a parser could take this name for that of a file which the provider keeps.
fn is_file_id(name: &str) -> bool {
    name.eq_ignore_ascii_case("file_id")
}

/// Whether this is the name of an earlier answer in audio, which the provider keeps for some time.
fn is_audio_answer(medium: &[u8], name: &str) -> bool {
    medium == b"audio" && name.eq_ignore_ascii_case("id")
}

/// How many bytes of a `data:...;base64,` URL stand before its payload.
fn data_url_payload(raw: &[u8]) -> Option<usize> {
    if !raw.get(..5)?.eq_ignore_ascii_case(b"data:") {
        return None;
    }
    let comma = memchr::memchr(b',', &raw[..raw.len().min(DATA_URL_HEAD_BYTES_MAX)])?;
    raw[..comma].to_ascii_lowercase().ends_with(b";base64").then_some(comma + 1)
}

/// Whether every byte is of a base64 alphabet; `\/` is how PHP writes a slash.
pub(super) fn is_base64(raw: &[u8]) -> bool {
    let is_stranger = |byte: u8| {
        !(byte.is_ascii_lowercase()
            | byte.is_ascii_uppercase()
            | byte.is_ascii_digit()
            | (byte == b'+')
            | (byte == b'/')
            | (byte == b'=')
            | (byte == b'-')
            | (byte == b'_')
            | (byte == b'\\'))
    };
    // No early exit inside a block, so that the compiler can use vector instructions.
    let is_clean = |block: &[u8]| !block.iter().fold(false, |found, &byte| found | is_stranger(byte));
    raw.chunks(256).all(is_clean) && memchr::memchr_iter(b'\\', raw).all(|place| raw.get(place + 1) == Some(&b'/'))
}
