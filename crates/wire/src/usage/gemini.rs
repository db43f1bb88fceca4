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
}

/// Takes a `usageMetadata`. The outer error is of the document, the inner of the counts.
pub(super) fn read(scanner: &mut Lenient<'_>) -> Result<Result<Option<Usage>, UsageFault>, ScanError> {
    let mut counts = Counts::default();
    let mut fault = None;
    let mut is_reported = false;
    scanner.object::<ScanError>(|scanner, key| {
        let place = match key.raw {
            b"promptTokenCount" => &mut counts.prompt,
            b"toolUsePromptTokenCount" => &mut counts.tool_prompt,
            b"cachedContentTokenCount" => &mut counts.cached,
            b"candidatesTokenCount" | b"responseTokenCount" => &mut counts.answer,
            b"thoughtsTokenCount" => &mut counts.thoughts,
            b"totalTokenCount" => &mut counts.total,
            b"promptTokensDetails" => return modality(scanner, b"AUDIO", &mut counts.audio_input, &mut fault),
            b"cacheTokensDetails" => return modality(scanner, b"AUDIO", &mut counts.cached_audio, &mut fault),
            b"candidatesTokensDetails" | b"responseTokensDetails" => {
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
                is_wanted = scanner.string()?.raw == wanted;
                Ok(())
            }
            // Enums as numbers: audio is the fourth.
            b"modality" if scanner.kind()? == Kind::Number => {
                is_wanted = wanted == b"AUDIO" && scanner.number()? == b"4";
                Ok(())
            }
            b"tokenCount" => largest(&mut tokens, count(scanner)?, fault),
            _ => scanner.skip(),
        })?;
        *sum += if is_wanted { tokens } else { 0 };
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
            ..Usage::default()
        })
    }
}
