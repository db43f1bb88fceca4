//! Reads what is only said of images and speech.

use base::Refusal;

use super::body::Draft;
use super::fields::{boolean, wrong_kind};
use crate::scan::{Kind, Strict};

impl<'a> Draft<'a> {
    /// Events of images and of sound are not read here, so that their usage could not be charged.
    pub(super) fn no_stream(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if boolean(scanner, "stream")? {
            let sentence = "Images and speech are not streamed as events by this relay. Set 'stream' to false.";
            return Err(Refusal::invalid(Some("stream"), sentence));
        }
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
