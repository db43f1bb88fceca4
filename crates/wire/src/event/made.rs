//! The events of OpenAI's streams of images, of speech, and of what was heard.

use super::{Reading, Shape};
use crate::scan::{Kind, Lenient, ScanError};
use crate::usage::Usage;

impl Reading {
    /// One event: its type says what it is, and the last one of its kind has the usage.
    pub(super) fn made_event(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        let mut is_last = false;
        scanner.object(|scanner, key| match key.raw {
            b"type" if scanner.kind()? == Kind::String => {
                let kind = scanner.string()?.raw;
                is_last = kind.ends_with(b".done") || kind.ends_with(b".completed");
                self.has_error |= kind == b"error";
                Ok(())
            }
            b"delta" if self.endpoint.hears() => self.strings(scanner),
            b"usage" if scanner.kind()? == Kind::Object => self.usage(scanner, shape),
            b"error" => {
                self.has_error |= scanner.kind()? != Kind::Null;
                scanner.skip()
            }
            _ => scanner.skip(),
        })?;
        if is_last && self.endpoint.makes_images() {
            self.images += 1;
            let images = self.images;
            // What was made is an event's own account of itself, also where it has no usage.
            let told = shape.usage.unwrap_or(Ok(Usage::default()));
            shape.usage = Some(told.map(|usage| Usage { images, ..usage }));
        }
        self.is_terminal |= is_last;
        self.is_final |= is_last && shape.usage.is_some();
        Ok(())
    }
}
