//! Anthropic's events: a message begins with the usage of its input, its blocks grow, and its end has the usage of all.

use super::{Reading, Shape, id_of};
use crate::scan::{Kind, Lenient, ScanError};

impl Reading {
    /// One event, or a whole message.
    pub(super) fn message_event(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        let (mut is_end, mut has_usage) = (false, false);
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"type" if scanner.kind()? == Kind::String => {
                let kind = scanner.string()?.raw;
                is_end |= kind == b"message_stop";
                self.has_error |= kind == b"error";
                Ok(())
            }
            b"message" if scanner.kind()? == Kind::Object => self.message(scanner, shape),
            b"content_block" | b"delta" if scanner.kind()? == Kind::Object => self.block(scanner),
            b"error" => {
                self.has_error |= scanner.kind()? != Kind::Null;
                scanner.skip()
            }
            b"usage" if scanner.kind()? == Kind::Object => {
                has_usage = true;
                self.add_counts(scanner, shape)
            }
            b"content" if scanner.kind()? == Kind::Array => self.blocks(scanner),
            b"id" if self.id.is_none() && scanner.kind()? == Kind::String => {
                self.id = id_of(&scanner.string()?.decode());
                Ok(())
            }
            _ => scanner.skip(),
        })?;
        self.is_terminal |= is_end;
        // At the top of an event it stands only in the last but one.
        self.is_final |= has_usage;
        Ok(())
    }

    /// The message as it begins.
    fn message(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        scanner.object(|scanner, key| match key.raw {
            b"usage" if scanner.kind()? == Kind::Object => self.add_counts(scanner, shape),
            b"content" if scanner.kind()? == Kind::Array => self.blocks(scanner),
            b"id" if self.id.is_none() && scanner.kind()? == Kind::String => {
                self.id = id_of(&scanner.string()?.decode());
                Ok(())
            }
            _ => scanner.skip(),
        })
    }

    fn add_counts(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        let added = self.counts.add(scanner)?;
        shape.usage = added.and_then(|()| self.counts.usage()).transpose();
        Ok(())
    }

    fn blocks(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        scanner.array(|scanner| if scanner.kind()? == Kind::Object { self.block(scanner) } else { scanner.skip() })
    }

    /// A block, or what is added to one: the text that its reader gets.
    fn block(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        scanner.object(|scanner, key| match key.raw {
            b"text" | b"thinking" | b"name" | b"partial_json" => self.strings(scanner),
            // Of a conversation that was summed up.
            b"content" if scanner.kind()? == Kind::String => self.strings(scanner),
            b"input" if scanner.kind()? == Kind::Object => self.keep_json(scanner),
            _ => scanner.skip(),
        })
    }

    /// Takes an object that the model wrote, and keeps its JSON unless it is empty.
    pub(super) fn keep_json(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        let (start, end) = scanner.span()?;
        let raw = scanner.slice(start, end);
        if raw.len() > 2 {
            self.keep_raw(raw);
        }
        Ok(())
    }
}
