//! Google's interactions: pieces of steps, and at the end the interaction with its usage.

use std::collections::BTreeSet;

use super::{Reading, Shape};
use crate::scan::{Kind, Lenient, ScanError};

impl Reading {
    /// One event, or a whole interaction.
    pub(super) fn interaction_event(&mut self, scanner: &mut Lenient<'_>, shape: &mut Shape) -> Result<(), ScanError> {
        let mut is_end = false;
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"event_type" if scanner.kind()? == Kind::String => {
                let kind = scanner.string()?.raw;
                // As the first version called it, and the others.
                is_end = matches!(kind, b"interaction.completed" | b"interaction.complete");
                self.has_error |= kind == b"error";
                Ok(())
            }
            b"delta" | b"step" if scanner.kind()? == Kind::Object => self.step(scanner),
            b"interaction" if scanner.kind()? == Kind::Object => {
                scanner.object(|scanner, key| self.response_member(scanner, key.raw, shape))
            }
            name => self.response_member(scanner, name, shape),
        })?;
        self.add_searches(shape);
        self.is_final |= shape.usage.is_some();
        self.is_terminal |= is_end;
        Ok(())
    }

    /// A step, or a piece of one: what the model said, thought or called, and what it searched for.
    pub(super) fn step(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        let (mut is_search, mut queries) = (false, 0);
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"type" if scanner.kind()? == Kind::String => {
                is_search = scanner.string()?.raw == b"google_search_call";
                Ok(())
            }
            b"arguments" if scanner.kind()? == Kind::Object => {
                let (start, end) = scanner.span()?;
                let arguments = scanner.slice(start, end);
                queries = queries_in(&mut Lenient::new(arguments))?;
                self.keep_json(&mut Lenient::new(arguments))
            }
            b"content" if scanner.kind()? == Kind::Array => scanner.array(|scanner| self.said(scanner)),
            b"content" => self.said(scanner),
            b"text" | b"name" | b"arguments" | b"partial_arguments" | b"summary" => self.strings(scanner),
            _ => scanner.skip(),
        })?;
        self.searches += if is_search { queries } else { 0 };
        Ok(())
    }

    /// A content: only its text is counted.
    fn said(&mut self, scanner: &mut Lenient<'_>) -> Result<(), ScanError> {
        if scanner.kind()? != Kind::Object {
            return scanner.skip();
        }
        scanner.object(|scanner, key| if key.raw == b"text" { self.strings(scanner) } else { scanner.skip() })
    }
}

/// How many queries a search was asked with, each once.
fn queries_in(scanner: &mut Lenient<'_>) -> Result<u64, ScanError> {
    let mut queries = BTreeSet::new();
    scanner.object::<ScanError>(|scanner, key| {
        if key.raw != b"queries" || scanner.kind()? != Kind::Array {
            return scanner.skip();
        }
        scanner.array(|scanner| {
            if scanner.kind()? != Kind::String {
                return scanner.skip();
            }
            queries.insert(scanner.string()?.decode().trim().to_owned());
            Ok(())
        })
    })?;
    queries.remove("");
    Ok(queries.len() as u64)
}
