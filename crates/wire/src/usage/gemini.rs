//! Usage as Google writes it: thinking beside the answer, tokens of tools beside the prompt, and no zeros.

use super::counts::{Usage, UsageFault, count, largest};
use crate::scan::{Kind, Lenient, ScanError};

/// The counts of one `usageMetadata`.
#[derive(Default)]
struct Counts {
    prompt: u64,
    tool_prompt: u64,
    cached: u64,
    answer: u64,
    thoughts: u64,
    total: u64,
    audio_input: u64,
    cached_audio: u64,
    audio_output: u64,
    searches: u64,
}

/// Takes a `usageMetadata`. The outer error is of the document, the inner of the counts.
pub(super) fn read(scanner: &mut Lenient<'_>) -> Result<Result<Option<Usage>, UsageFault>, ScanError> {
    let mut counts = Counts::default();
    let mut fault = None;
    let mut is_reported = false;
    scanner.object::<ScanError>(|scanner, key| {
        let place = match key.raw {
            // Interactions have names of their own for the same counts.
            b"promptTokenCount" | b"total_input_tokens" => &mut counts.prompt,
            b"toolUsePromptTokenCount" | b"total_tool_use_tokens" => &mut counts.tool_prompt,
            b"cachedContentTokenCount" | b"total_cached_tokens" => &mut counts.cached,
            b"candidatesTokenCount" | b"responseTokenCount" | b"total_output_tokens" => &mut counts.answer,
            b"thoughtsTokenCount" | b"total_thought_tokens" => &mut counts.thoughts,
            b"totalTokenCount" | b"total_tokens" => &mut counts.total,
            b"promptTokensDetails" | b"input_tokens_by_modality" | b"tool_use_tokens_by_modality" => {
                return modality(scanner, b"AUDIO", &mut counts.audio_input, &mut fault);
            }
            b"cacheTokensDetails" | b"cached_tokens_by_modality" => {
                return modality(scanner, b"AUDIO", &mut counts.cached_audio, &mut fault);
            }
            b"grounding_tool_count" => return grounded(scanner, &mut counts.searches, &mut fault),
            b"candidatesTokensDetails" | b"responseTokensDetails" | b"output_tokens_by_modality" => {
                return modality(scanner, b"AUDIO", &mut counts.audio_output, &mut fault);
            }
            _ => return scanner.skip(),
        };
        is_reported = true;
        largest(place, count(scanner)?, &mut fault)
    })?;
    Ok(match fault {
        Some(fault) => Err(fault),
        None if is_reported => counts.usage().map(Some),
        None => Ok(None),
    })
}

/// Takes an array of counts by modality, and adds those of one.
fn modality(
    scanner: &mut Lenient<'_>,
    wanted: &[u8],
    sum: &mut u64,
    fault: &mut Option<UsageFault>,
) -> Result<(), ScanError> {
    if scanner.kind()? != Kind::Array {
        return scanner.skip();
    }
    scanner.array::<ScanError>(|scanner| {
        if scanner.kind()? != Kind::Object {
            return scanner.skip();
        }
        let (mut is_wanted, mut tokens) = (false, 0);
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"modality" if scanner.kind()? == Kind::String => {
                is_wanted = scanner.string()?.raw.eq_ignore_ascii_case(wanted);
                Ok(())
            }
            // Enums as numbers: audio is the fourth.
            b"modality" if scanner.kind()? == Kind::Number => {
                is_wanted = wanted == b"AUDIO" && scanner.number()? == b"4";
                Ok(())
            }
            b"tokenCount" | b"tokens" => largest(&mut tokens, count(scanner)?, fault),
            _ => scanner.skip(),
        })?;
        *sum += if is_wanted { tokens } else { 0 };
        Ok(())
    })
}

/// Takes how often each tool was asked that looks things up, and adds those that are billed each.
fn grounded(scanner: &mut Lenient<'_>, sum: &mut u64, fault: &mut Option<UsageFault>) -> Result<(), ScanError> {
    if scanner.kind()? != Kind::Array {
        return scanner.skip();
    }
    scanner.array::<ScanError>(|scanner| {
        if scanner.kind()? != Kind::Object {
            return scanner.skip();
        }
        let (mut is_billed, mut times) = (false, 0);
        scanner.object::<ScanError>(|scanner, key| match key.raw {
            b"type" if scanner.kind()? == Kind::String => {
                is_billed = matches!(scanner.string()?.raw, b"google_search" | b"google_maps");
                Ok(())
            }
            b"count" => largest(&mut times, count(scanner)?, fault),
            _ => scanner.skip(),
        })?;
        *sum += if is_billed { times } else { 0 };
        Ok(())
    })
}

impl Counts {
    fn usage(&self) -> Result<Usage, UsageFault> {
        let mut input = self.prompt + self.tool_prompt;
        let mut output = self.answer + self.thoughts;
        // What only the total knows is billed as output, unless there is no prompt: then it is that.
        let missing = self.total.saturating_sub(input + output);
        if self.prompt == 0 {
            input += missing;
        } else {
            output += missing;
        }
        if self.cached > input || self.audio_input > input || self.audio_output > output {
            return Err(UsageFault::Inconsistent);
        }
        // A token that is audio and cached counts as audio, so that the parts are disjoint.
        let cached_audio = self.cached_audio.min(self.audio_input);
        let cached_text = self.cached.saturating_sub(cached_audio);
        Ok(Usage {
            input,
            cached_input: cached_text.min(input - self.audio_input),
            audio_input: self.audio_input,
            cached_audio,
            output,
            reasoning: self.thoughts,
            audio_output: self.audio_output.min(output - self.thoughts),
            web_searches: self.searches,
            ..Usage::default()
        })
    }
}
