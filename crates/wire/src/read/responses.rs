//! Reads what only OpenAI's responses have.

use base::Refusal;

use super::body::Draft;
use super::fields::{boolean, wrong_kind};
use super::media::Media;
use crate::call::{Span, TextPlace};
use crate::scan::{Kind, Strict};

impl<'a> Draft<'a> {
    /// A text, or an array of items.
    pub(super) fn response_items(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        let kind = scanner.kind()?;
        let start = scanner.at();
        match kind {
            Kind::Null => return Ok(scanner.skip()?),
            Kind::String => {
                scanner.skip()?;
                self.billable.messages = 1;
            }
            Kind::Array => {
                let mut items = 0_u32;
                let mut media = Media { billable: &mut self.billable, payloads: &mut self.payloads };
                scanner.array::<Refusal>(|scanner| {
                    items = items.saturating_add(1);
                    media.walk(scanner, false)
                })?;
                self.billable.messages = items;
            }
            _ => return wrong_kind("input", "a text or an array"),
        }
        self.texts.push(TextPlace::Strings(Span { start, end: scanner.at() }));
        Ok(())
    }

    /// A response that is made later is never seen here, and could not be charged.
    pub(super) fn background(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if boolean(scanner, "background")? {
            let sentence = "Responses in the background are not relayed. Set 'background' to false, and stream.";
            return Err(Refusal::invalid(Some("background"), sentence));
        }
        Ok(())
    }
}
