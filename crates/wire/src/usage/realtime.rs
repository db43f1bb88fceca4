//! The usage of a response of a realtime session.

use super::counts::{Usage, UsageFault, count, details, largest};
use super::merge;
use crate::scan::{Lenient, ScanError};

#[derive(Default)]
struct Raw {
    input: Option<u64>,
    output: Option<u64>,
    total: Option<u64>,
    cached: u64,
    cached_audio: u64,
    audio_input: u64,
    audio_output: u64,
}

/// Takes the usage object of a `response.done`.
pub(crate) fn read(scanner: &mut Lenient<'_>) -> Result<Result<Option<Usage>, UsageFault>, ScanError> {
    let (mut raw, mut fault) = (Raw::default(), None);
    scanner.object::<ScanError>(|scanner, key| match key.raw {
        b"input_tokens" => merge(&mut raw.input, count(scanner)?, &mut fault),
        b"output_tokens" => merge(&mut raw.output, count(scanner)?, &mut fault),
        b"total_tokens" => merge(&mut raw.total, count(scanner)?, &mut fault),
        b"input_token_details" | b"input_tokens_details" => details(scanner, &mut |scanner, name| match name {
            b"cached_tokens" => largest(&mut raw.cached, count(scanner)?, &mut fault),
            b"audio_tokens" => largest(&mut raw.audio_input, count(scanner)?, &mut fault),
            b"cached_tokens_details" => details(scanner, &mut |scanner, name| match name {
                b"audio_tokens" => largest(&mut raw.cached_audio, count(scanner)?, &mut fault),
                _ => scanner.skip(),
            }),
            _ => scanner.skip(),
        }),
        b"output_token_details" | b"output_tokens_details" => details(scanner, &mut |scanner, name| match name {
            b"audio_tokens" => largest(&mut raw.audio_output, count(scanner)?, &mut fault),
            _ => scanner.skip(),
        }),
        _ => scanner.skip(),
    })?;
    Ok(fault.map_or_else(|| normalise(&raw), Err))
}

fn normalise(raw: &Raw) -> Result<Option<Usage>, UsageFault> {
    let (input, output) = match (raw.input, raw.output, raw.total) {
        (None, None, None | Some(0)) => return Ok(None),
        (Some(input), Some(output), total) => {
            (input, total.map_or(output, |total| output.max(total.saturating_sub(input))))
        }
        (Some(input), None, Some(total)) if total >= input => (input, total - input),
        _ => return Err(UsageFault::Incomplete),
    };
    let Raw { audio_input, audio_output, .. } = *raw;
    if audio_input > input || audio_output > output {
        return Err(UsageFault::Inconsistent);
    }
    // More cached than there is: the discount is not believed, the rest is.
    let cached = if raw.cached > input { 0 } else { raw.cached };
    let cached_audio = raw.cached_audio.min(audio_input).min(cached);
    let cached_input = (cached - cached_audio).min(input - audio_input);
    Ok(Some(Usage { input, cached_input, audio_input, cached_audio, output, audio_output, ..Usage::default() }))
}
