//! Reads what only Ollama's calls have: the settings of the generation, in an object of their own.

use base::Refusal;
use smallvec::SmallVec;

use super::body::{Draft, duplicate};
use super::fields::{count, span, wrong_kind};
use super::table::fold;
use crate::call::NestedPlaces;
use crate::scan::{Kind, Strict};

/// Members of `options` at most.
const MEMBERS_MAX: usize = 64;
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
        match scanner.kind()? {
            Kind::Null => {
                self.places.nested = NestedPlaces::Null(span(scanner)?);
                return Ok(());
            }
            Kind::Object => {}
            _ => return wrong_kind("options", "an object"),
        }
        let inside = scanner.at() + 1;
        let mut seen: SmallVec<[String; 8]> = SmallVec::new();
        scanner.object::<Refusal>(|scanner, key| {
            let name = key.decode().into_owned();
            if seen.contains(&name) || seen.len() >= MEMBERS_MAX {
                return Err(duplicate(&format!("options.{}", name.escape_debug())));
            }
            match name.as_str() {
                "num_predict" => self.num_predict(scanner)?,
                "temperature" => self.temperature(scanner)?,
                other => {
                    if let Some(guarded) = GUARDED.iter().find(|guarded| fold(guarded) == fold(other)) {
                        let sentence = format!("Some parsers ignore case; write '{guarded}'.");
                        return Err(Refusal::ambiguous(guarded, sentence));
                    }
                    scanner.skip()?;
                }
            }
            seen.push(name);
            Ok(())
        })?;
        self.places.nested = NestedPlaces::Object { inside, is_empty: seen.is_empty() };
        Ok(())
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
