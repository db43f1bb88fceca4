//! Cohere's events: a message begins, its contents and tool calls grow, and `message-end` has the usage and the reason.

use super::{Reading, Shape, id_of};
use crate::scan::{Kind, Lenient, ScanError};
use crate::usage;

impl Reading {
    /// One event, or a whole answer.
    pub(super) fn cohere_event(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        let mut is_end = false;
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"type" if scanner.kind()? == Kind::String => {
                is_end |= scanner.string()?.raw == b"message-end";
                Ok(())
            }
            b"delta" if scanner.kind()? == Kind::Object => {
                scanner.object(|scanner, key| self.cohere_member(scanner, key.raw, shape))
            }
            b"id" if self.id.is_none() && scanner.kind()? == Kind::String => {
                self.id = id_of(&scanner.string()?.decode());
                Ok(())
            }
            // Of vectors and of documents in order.
            b"meta" => self.cohere_member(scanner, b"usage", shape),
            name => self.cohere_member(scanner, name, shape),
        })?;
        self.is_terminal |= is_end;
        self.is_final |= shape.usage.is_some();
        Ok(())
    }

    /// What stands in the delta of an event, and at the top of a whole answer.
    fn cohere_member(&mut self, scanner: &mut Lenient<'_>, name: &[u8], shape: &mut Shape) -> Result<(), ScanError> {
        match name {
            b"message" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"content" | b"tool_plan" | b"tool_calls" => self.strings(scanner),
                _ => scanner.skip(),
            }),
            b"usage" if scanner.kind()? == Kind::Object => {
                shape.usage = usage::read(self.endpoint, scanner)?.transpose().or(shape.usage);
                Ok(())
            }
            b"finish_reason" if scanner.kind()? == Kind::String => {
                let reason = scanner.string()?.raw;
                self.has_finish_reason = true;
                self.has_error |= matches!(reason, b"ERROR" | b"error");
                Ok(())
            }
            b"error" => {
                self.has_error |= scanner.kind()? != Kind::Null;
                scanner.skip()
            }
            _ => scanner.skip(),
        }
    }
}
