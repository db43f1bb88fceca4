//! Google's answers: each piece of a stream is an answer with the usage so far; the last says why each candidate ended.

use std::collections::BTreeSet;

use super::{Reading, Shape, id_of};
use crate::scan::{Kind, Lenient, ScanError};
use crate::usage;

impl Reading {
    /// One piece, or a whole answer.
    pub(super) fn gemini_event(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"candidates" if scanner.kind()? == Kind::Array => {
                scanner.array(
                    |scanner| {
                        if scanner.kind()? == Kind::Object { self.candidate(scanner) } else { scanner.skip() }
                    },
                )
            }
            b"usageMetadata" if scanner.kind()? == Kind::Object => {
                shape.usage = usage::read(self.endpoint, scanner)?.transpose();
                Ok(())
            }
            b"responseId" if self.id.is_none() && scanner.kind()? == Kind::String => {
                self.id = id_of(&scanner.string()?.decode());
                Ok(())
            }
            b"promptFeedback" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| {
                // A prompt that is blocked has no candidates.
                self.finished = if key.raw == b"blockReason" { u64::MAX } else { self.finished };
                scanner.skip()
            }),
            b"error" => {
                self.has_error |= scanner.kind()? != Kind::Null;
                scanner.skip()
            }
            _ => scanner.skip(),
        })?;
        if let Some(Ok(usage)) = &mut shape.usage {
            usage.web_searches = usage.web_searches.max(self.searches);
        }
        let has_usage = self.usage.is_some() || shape.usage.is_some();
        // A candidate that was asked for and never began may still come, until the stream ends without it.
        self.is_final = has_usage && self.finished != 0 && self.begun & !self.finished == 0;
        self.is_terminal = self.is_final && self.finished.count_ones() >= self.choices;
        Ok(())
    }

    fn candidate(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        let (mut index, mut has_finished) = (0, false);
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"index" if scanner.kind()? == Kind::Number => {
                let digits = core::str::from_utf8(scanner.number()?).ok();
                index = digits.and_then(|digits| digits.parse::<u32>().ok()).unwrap_or(0).min(63);
                Ok(())
            }
            b"content" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"parts" if scanner.kind()? == Kind::Array => scanner.array(|scanner| self.part(scanner)),
                _ => scanner.skip(),
            }),
            b"finishReason" => {
                has_finished = matches!(scanner.kind()?, Kind::String | Kind::Number);
                scanner.skip()
            }
            b"groundingMetadata" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"webSearchQueries" if scanner.kind()? == Kind::Array => {
                    self.searches = self.searches.max(queries(scanner)?);
                    Ok(())
                }
                _ => scanner.skip(),
            }),
            _ => scanner.skip(),
        })?;
        self.begun |= 1 << index;
        self.finished |= u64::from(has_finished) << index;
        self.has_finish_reason |= has_finished;
        Ok(())
    }

    fn part(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        if scanner.kind()? != Kind::Object {
            return scanner.skip();
        }
        scanner.object(|scanner, key| match key.raw {
            b"text" => self.strings(scanner),
            b"functionCall" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"name" => self.strings(scanner),
                b"args" if scanner.kind()? == Kind::Object => self.keep_json(scanner),
                _ => scanner.skip(),
            }),
            b"executableCode" if scanner.kind()? == Kind::Object => scanner.object(|scanner, key| match key.raw {
                b"code" => self.strings(scanner),
                _ => scanner.skip(),
            }),
            _ => scanner.skip(),
        })
    }
}

/// How many queries are billed: Google asks for each that says something, once.
fn queries(scanner: &mut Lenient<'_>) -> Result<u64, ScanError> {
    let mut queries = BTreeSet::new();
    scanner.array::<ScanError>(|scanner| {
        if scanner.kind()? != Kind::String {
            return scanner.skip();
        }
        let query = scanner.string()?.decode();
        let said = query.trim();
        if !said.is_empty() {
            queries.insert(said.to_owned());
        }
        Ok(())
    })?;
    Ok(queries.len() as u64)
}
