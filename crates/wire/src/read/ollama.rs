//! Reads what only Ollama's calls have: the settings of the generation, in an object of their own.

use base::Refusal;

use super::body::Draft;
use super::fields::{count, span, wrong_kind};
use super::nested::as_written;
use super::table::fold;
use crate::scan::{Kind, Strict};

/// Members of `options` that are read.
const GUARDED: [&str; 2] = ["num_predict", "temperature"];

impl<'a> Draft<'a> {
    /// Whether the answer is streamed: it is, unless the body says otherwise.
    pub(super) fn ollama_stream(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        match scanner.kind()? {
            Kind::Null | Kind::True => self.stream = true,
            Kind::False => self.stream = false,
            _ => return wrong_kind("stream", "true or false"),
        }
        Ok(scanner.skip()?)
    }

    /// `options`: the output limit, the temperature, and what cannot raise the price: each only turns a knob of the model.
    pub(super) fn ollama_options(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        self.nested(scanner, "options", as_written, |draft, scanner, name| {
            match name {
                "num_predict" => draft.num_predict(scanner)?,
                "temperature" => draft.temperature(scanner)?,
                other => {
                    if let Some(guarded) = GUARDED.iter().find(|guarded| fold(guarded) == fold(other)) {
                        let sentence = format!("Some parsers ignore case; write '{guarded}'.");
                        return Err(Refusal::ambiguous(guarded, sentence));
                    }
                    scanner.skip()?;
                }
            }
            Ok(())
        })
    }

    /// The output limit; -1 and -2 are Ollama's words for none.
    fn num_predict(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if scanner.kind()? == Kind::Number && matches!(scanner.clone().number()?, b"-1" | b"-2") {
            self.places.max_tokens = Some(span(scanner)?);
            return Ok(());
        }
        let (value, place) = count(scanner, "options.num_predict", 1)?;
        (self.max_tokens, self.places.max_tokens) = (value, Some(place));
        Ok(())
    }
}
