//! Events of OpenAI's responses: pieces of items, and at the end the whole response with its usage.

use super::{Reading, Shape, id_of};
use crate::scan::{Kind, Lenient, ScanError};
use crate::usage;

impl Reading {
    /// One event, or a whole response.
    pub(super) fn response_event(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        let (mut is_end, mut is_sound) = (false, false);
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"type" if scanner.kind()? == Kind::String => {
                let kind = scanner.string()?.raw;
                is_end = matches!(
                    kind,
                    b"response.completed" | b"response.incomplete" | b"response.failed" | b"response.cancelled"
                );
                is_sound = kind == b"response.audio.delta";
                self.has_error |= kind == b"error";
                Ok(())
            }
            b"delta" if !is_sound => self.strings(scanner),
            b"response" if scanner.kind()? == Kind::Object => {
                // The whole response repeats the text of the pieces.
                let (text, beyond_bytes) = (core::mem::take(&mut self.text), self.beyond_bytes);
                scanner.object(|scanner, key| self.response_member(scanner, key.raw, shape))?;
                if self.chunks > 0 || !text.is_empty() || beyond_bytes > 0 {
                    (self.text, self.beyond_bytes) = (text, beyond_bytes);
                }
                Ok(())
            }
            name => self.response_member(scanner, name, shape),
        })?;
        self.add_searches(shape);
        self.is_final |= shape.usage.is_some();
        self.is_terminal |= is_end;
        Ok(())
    }

    /// One member of a response, or of an interaction, whose items are steps.
    pub(super) fn response_member(
        &mut self,
        scanner: &mut Lenient<'_>,
        name: &[u8],
        shape: &mut Shape,
    ) -> Result<(), ScanError> {
        let has_steps = self.endpoint.is_interaction();
        let items: &[u8] = if has_steps { b"steps" } else { b"output" };
        match name {
            b"usage" if scanner.kind()? == Kind::Object => {
                shape.usage = usage::read(self.endpoint, scanner)?.transpose().or(shape.usage);
                Ok(())
            }
            b"id" if self.id.is_none() && scanner.kind()? == Kind::String => {
                self.id = id_of(&scanner.string()?.decode());
                Ok(())
            }
            b"error" => {
                self.has_error |= scanner.kind()? != Kind::Null;
                scanner.skip()
            }
            _ if name == items && scanner.kind()? == Kind::Array => {
                self.searches = 0;
                scanner.array(|scanner| match scanner.kind()? {
                    Kind::Object if has_steps => self.step(scanner),
                    Kind::Object => self.item(scanner),
                    _ => scanner.skip(),
                })
            }
            _ => scanner.skip(),
        }
    }

    /// One item of the output.
    fn item(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        let (mut is_search, mut opens_page) = (false, false);
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"type" if scanner.kind()? == Kind::String => {
                is_search = scanner.string()?.raw == b"web_search_call";
                Ok(())
            }
            b"action" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                // Only searches cost; the pages that follow are tokens.
                b"type" if scanner.kind()? == Kind::String => {
                    opens_page = scanner.string()?.raw != b"search";
                    Ok(())
                }
                _ => scanner.skip(),
            }),
            b"content" | b"summary" | b"arguments" | b"name" => self.strings(scanner),
            _ => scanner.skip(),
        })?;
        self.searches += u64::from(is_search && !opens_page);
        Ok(())
    }

    /// OpenAI and Google bill a search each, and may count it only among the items.
    pub(super) fn add_searches(&self, shape: &mut Shape) {
        if let Some(Ok(usage)) = &mut shape.usage {
            usage.web_searches = usage.web_searches.max(self.searches);
        }
    }
}
