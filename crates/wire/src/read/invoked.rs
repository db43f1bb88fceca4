//! Reads what only models have that Bedrock invokes in the forms of other makers than Anthropic.

use base::Refusal;

use super::body::Draft;
use super::fields::{count, present_value};
use super::nested::as_written;
use super::table::fold;
use crate::call::TextPlace;
use crate::maker::Maker;
use crate::scan::Strict;

/// Members of the settings that are read, in every spelling that a maker takes.
const GUARDED: [&str; 4] = ["maxTokenCount", "maxTokens", "max_new_tokens", "temperature"];
/// Those that cannot raise the price.
const HARMLESS: [&str; 6] = ["topP", "top_p", "topK", "top_k", "stopSequences", "stop_sequences"];

impl<'a> Draft<'a> {
    /// The settings of a generation: the output limit, and what cannot raise the price.
    pub(super) fn maker_settings(&mut self, scanner: &mut Strict<'a>, object: &str) -> Result<(), Refusal> {
        let is_titan = self.maker == Some(Maker::TitanText);
        self.nested(scanner, object, as_written, |draft, scanner, name| {
            match (name, is_titan) {
                ("maxTokenCount", true) | ("maxTokens", false) => {
                    let (value, place) = count(scanner, &format!("{object}.{name}"), 1)?;
                    (draft.max_tokens, draft.places.max_tokens) = (value, Some(place));
                }
                ("max_new_tokens", false) => {
                    let (value, place) = count(scanner, &format!("{object}.{name}"), 1)?;
                    (draft.max_completion_tokens, draft.places.max_completion_tokens) = (value, Some(place));
                }
                ("temperature", _) => draft.temperature(scanner)?,
                (harmless, _) if HARMLESS.contains(&harmless) => scanner.skip()?,
                (unknown, _) => {
                    if let Some(guarded) = GUARDED.iter().find(|one| **one != unknown && fold(one) == fold(unknown)) {
                        let sentence = format!("Some parsers ignore case; write '{guarded}'.");
                        return Err(Refusal::ambiguous(guarded, sentence));
                    }
                    draft.billable.unknown_parameters = true;
                    scanner.skip()?;
                }
            }
            Ok(())
        })
    }

    /// What its maker puts into a prompt of its own, of a length that nobody tells: the whole window is held.
    pub(super) fn maker_turn(&mut self, scanner: &mut Strict<'a>) -> Result<(), Refusal> {
        if let Some(place) = present_value(scanner)? {
            self.billable.stored_input = true;
            self.texts.push(TextPlace::Strings(place));
        }
        Ok(())
    }
}
