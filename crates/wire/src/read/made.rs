//! Reads what is only said of images and speech.

use base::Refusal;

use super::body::Draft;
use super::fields::{boolean, wrong_kind};
use super::media::Media;
use crate::scan::{Kind, Strict};

impl<'a> Draft<'a> {
    /// What nobody has written down of speech is not guessed at.
    pub(super) fn no_stream(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if boolean(scanner, "stream")? {
            let sentence = "Speech is asked for as events by 'stream_format'. Leave 'stream' out.";
            return Err(Refusal::invalid(Some("stream"), sentence));
        }
        Ok(())
    }

    /// Images that others are made from, inline or where they are.
    pub(super) fn image(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        let named = &mut self.named;
        let mut media = Media { billable: &mut self.billable, payloads: &mut self.payloads, named };
        media.member(scanner, "images", true)
    }

    /// How speech comes: as its bytes, or as events.
    pub(super) fn stream_format(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::String => {}
            _ => return wrong_kind("stream_format", "a text"),
        }
        self.stream = match &*scanner.string()?.decode() {
            "audio" => false,
            "sse" => true,
            _ => return wrong_kind("stream_format", "'audio' or 'sse'"),
        };
        Ok(())
    }

    /// The text to be spoken, which is billed by its characters.
    pub(super) fn spoken_text(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? != Kind::String {
            return wrong_kind("input", "a text");
        }
        self.billable.characters = scanner.string()?.decode().chars().count() as u64;
        Ok(())
    }
}
