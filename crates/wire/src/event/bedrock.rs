//! Bedrock's events: blocks begin and grow, the message stops, and the metadata at the end have the usage.

use super::{Reading, Shape};
use crate::base64;
use crate::dialect::Endpoint;
use crate::scan::{Kind, Lenient, ScanError, ScanFault};
use crate::usage;

impl Reading {
    /// The payload of one event, or a whole answer.
    pub(super) fn bedrock_event(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"delta" | b"start" if scanner.kind()? == Kind::Object => self.bedrock_block(scanner),
            b"output" if scanner.kind()? == Kind::Object => self.bedrock_output(scanner),
            b"usage" if scanner.kind()? == Kind::Object => {
                shape.usage = usage::read(self.endpoint, scanner)?.transpose();
                Ok(())
            }
            b"stopReason" => {
                self.has_finish_reason |= scanner.kind()? == Kind::String;
                scanner.skip()
            }
            _ => scanner.skip(),
        })?;
        // Only the last event has it.
        let has_usage = matches!(shape.usage, Some(Ok(_)));
        self.is_final |= has_usage;
        self.is_terminal |= has_usage;
        Ok(())
    }

    /// What is around blocks: a message, or the event that begins one or adds to it.
    pub(super) fn bedrock_output(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        scanner.object(|scanner, key| match key.raw {
            b"delta" | b"start" if scanner.kind()? == Kind::Object => self.bedrock_block(scanner),
            b"message" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"content" if scanner.kind()? == Kind::Array => scanner.array(|scanner| {
                    if scanner.kind()? == Kind::Object { self.bedrock_block(scanner) } else { scanner.skip() }
                }),
                _ => scanner.skip(),
            }),
            _ => scanner.skip(),
        })
    }

    /// One event of an invoked model, which is wrapped in base64; or its whole answer, which is not.
    pub(super) fn invoked_event(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        let (start, end) = scanner.span()?;
        let document = scanner.slice(start, end);
        let mut wrapped = None;
        Lenient::new(document).object::<ScanError>(|scanner, key| match key.raw {
            b"bytes" if scanner.kind()? == Kind::String => {
                wrapped = Some(scanner.string()?.raw);
                Ok(())
            }
            _ => scanner.skip(),
        })?;
        let is_event = wrapped.is_some();
        let mut read = |scanner: &mut Lenient<'_>| match self.endpoint {
            Endpoint::Invoke => self.message_event(scanner, shape),
            _ => self.maker_event(scanner, is_event, shape),
        };
        let Some(wrapped) = wrapped else { return read(&mut Lenient::new(document)) };
        let event = base64::decoded(wrapped).ok_or(ScanError { fault: ScanFault::Unexpected, at: start })?;
        let mut scanner = Lenient::new(&event);
        read(&mut scanner)?;
        scanner.end()
    }

    /// A block, or what is added to one: the text that its reader gets.
    fn bedrock_block(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        scanner.object(|scanner, key| match key.raw {
            b"text" => self.strings(scanner),
            b"toolUse" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"name" => self.strings(scanner),
                // Streamed as pieces of text, whole as an object.
                b"input" if scanner.kind()? == Kind::String => self.strings(scanner),
                b"input" if scanner.kind()? == Kind::Object => self.keep_json(scanner),
                _ => scanner.skip(),
            }),
            b"reasoningContent" | b"reasoningText" if scanner.kind()? == Kind::Object => self.bedrock_block(scanner),
            _ => scanner.skip(),
        })
    }
}
