//! Ollama's answers: each line of a stream is an answer with the next piece; the last says that it is done, and has the usage.

use super::{Reading, Shape};
use crate::scan::{Kind, Lenient, ScanError};
use crate::usage::{Usage, UsageFault, count};

impl Reading {
    /// One line, or a whole answer.
    pub(super) fn ollama_event(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        let (mut is_done, mut input, mut output) = (false, Ok(None), Ok(None));
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"message" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"content" | b"thinking" => self.strings(scanner),
                b"tool_calls" if scanner.kind()? == Kind::Array => scanner.array(|scanner| self.ollama_call(scanner)),
                _ => scanner.skip(),
            }),
            b"response" | b"thinking" => self.strings(scanner),
            b"done" => {
                is_done = scanner.kind()? == Kind::True;
                scanner.skip()
            }
            b"done_reason" => {
                self.has_finish_reason |= scanner.kind()? == Kind::String;
                scanner.skip()
            }
            b"prompt_eval_count" => {
                input = count(scanner)?;
                Ok(())
            }
            b"eval_count" => {
                output = count(scanner)?;
                Ok(())
            }
            b"error" => {
                self.has_error |= scanner.kind()? != Kind::Null;
                scanner.skip()
            }
            _ => scanner.skip(),
        })?;
        self.is_terminal |= is_done;
        shape.usage = usage(input, output);
        self.is_final |= matches!(shape.usage, Some(Ok(_)));
        Ok(())
    }

    fn ollama_call(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        if scanner.kind()? != Kind::Object {
            return scanner.skip();
        }
        scanner.object(|scanner, key| match key.raw {
            b"function" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"name" => self.strings(scanner),
                b"arguments" if scanner.kind()? == Kind::Object => self.keep_json(scanner),
                _ => scanner.skip(),
            }),
            _ => scanner.skip(),
        })
    }
}

/// The usage of a last line. Older servers leave out a prompt that they had from before: then nobody knows how long it is.
fn usage(
    input: Result<Option<u64>, UsageFault>,
    output: Result<Option<u64>, UsageFault>,
) -> Option<Result<Usage, UsageFault>> {
    match (input, output) {
        (Err(fault), _) | (_, Err(fault)) => Some(Err(fault)),
        (Ok(Some(input)), Ok(output)) => Some(Ok(Usage { input, output: output.unwrap_or(0), ..Usage::default() })),
        (Ok(None), Ok(_)) => None,
    }
}
