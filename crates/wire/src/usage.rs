//! What a provider says that it used, normalised over the habits of providers.

mod gemini;
mod messages;

use base::Money;
use thiserror::Error;

pub(crate) use self::messages::MessageCounts;

use crate::dialect::{Dialect, Endpoint};
use crate::scan::{Kind, Lenient, ScanError};

/// More tokens than any attempt can use: larger counts are a provider's mistake, or an attack.
const COUNT_MAX: u64 = 1 << 32;

/// Tokens and other units that one attempt used, normalised so that the parts never exceed the wholes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All input tokens: cached, written to a cache, audio and plain.
    pub input: u64,
    /// Of `input`: read from a cache.
    pub cached_input: u64,
    /// Of `input`: written to a cache.
    pub cache_write: u64,
    /// Of `cache_write`: to be kept for an hour, which costs more.
    pub cache_write_1h: u64,
    /// Of `input`: audio.
    pub audio_input: u64,
    /// All output tokens: reasoning, audio, rejected predictions and plain.
    pub output: u64,
    /// Of `output`: reasoning.
    pub reasoning: u64,
    /// Of `output`: audio.
    pub audio_output: u64,
    /// Of `output`: predicted and accepted.
    pub accepted_prediction: u64,
    /// Of `output`: predicted and rejected.
    pub rejected_prediction: u64,
    /// Searches of the web.
    pub web_searches: u64,
    /// What the provider says that it costs the operator. A cross-check only, never charged.
    pub reported_cost: Option<Money>,
}

/// Why a provider's usage cannot be believed. The hold stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum UsageFault {
    /// A count is below zero.
    #[error("a count is negative")]
    Negative,
    /// A count is not whole.
    #[error("a count is fractional")]
    Fractional,
    /// A count is a string, an object or the like.
    #[error("a count is not a number")]
    NotANumber,
    /// A count exceeds what one attempt can use.
    #[error("a count is too large")]
    TooLarge,
    /// The parts exceed the whole, or the usage comes twice with different counts.
    #[error("the counts contradict each other")]
    Inconsistent,
    /// A count that must be there is missing.
    #[error("a count is missing")]
    Incomplete,
    /// The answer is not JSON.
    #[error("not JSON")]
    Malformed,
}

/// The counts as providers write them; `None` where absent or null.
#[derive(Debug, Default)]
struct Raw {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    /// Read from a cache, from whichever member says so.
    cached: u64,
    /// Read from a cache, in Anthropic's member, whose tokens some providers leave out of the prompt's.
    cached_apart: u64,
    cache_write: u64,
    cache_write_apart: u64,
    audio_input: u64,
    reasoning: u64,
    audio_output: u64,
    accepted_prediction: u64,
    rejected_prediction: u64,
    web_searches: u64,
    cost: Option<Money>,
}

/// Takes a usage object. The outer error is of the document, the inner of the counts.
pub(crate) fn read(
    endpoint: Endpoint,
    scanner: &mut Lenient<'_>,
) -> Result<Result<Option<Usage>, UsageFault>, ScanError> {
    match endpoint.dialect() {
        Some(Dialect::Anthropic) => {
            let mut counts = MessageCounts::default();
            let read = counts.add(scanner)?;
            Ok(read.and_then(|()| counts.usage()))
        }
        Some(Dialect::Gemini) => gemini::read(scanner),
        _ => read_openai(endpoint, scanner),
    }
}

fn read_openai(endpoint: Endpoint, scanner: &mut Lenient<'_>) -> Result<Result<Option<Usage>, UsageFault>, ScanError> {
    let mut raw = Raw::default();
    // A fault does not end the scan: the rest of the document must still be walked.
    let mut fault = None;
    scanner.object::<ScanError>(|scanner, key| match key.raw {
        b"prompt_tokens" | b"input_tokens" => merge(&mut raw.prompt, count(scanner)?, &mut fault),
        b"completion_tokens" | b"output_tokens" => merge(&mut raw.completion, count(scanner)?, &mut fault),
        b"total_tokens" => merge(&mut raw.total, count(scanner)?, &mut fault),
        b"prompt_tokens_details" | b"input_tokens_details" | b"prompt_token_details" => {
            details(scanner, &mut |scanner, name| match name {
                b"cached_tokens" => largest(&mut raw.cached, count(scanner)?, &mut fault),
                b"cache_write_tokens" => largest(&mut raw.cache_write, count(scanner)?, &mut fault),
                b"audio_tokens" => largest(&mut raw.audio_input, count(scanner)?, &mut fault),
                _ => Ok(scanner.skip()?),
            })
        }
        b"completion_tokens_details" | b"output_tokens_details" => details(scanner, &mut |scanner, name| match name {
            b"reasoning_tokens" => largest(&mut raw.reasoning, count(scanner)?, &mut fault),
            b"audio_tokens" => largest(&mut raw.audio_output, count(scanner)?, &mut fault),
            b"accepted_prediction_tokens" => largest(&mut raw.accepted_prediction, count(scanner)?, &mut fault),
            b"rejected_prediction_tokens" => largest(&mut raw.rejected_prediction, count(scanner)?, &mut fault),
            _ => Ok(scanner.skip()?),
        }),
        b"prompt_cache_hit_tokens" | b"cached_tokens" | b"num_cached_tokens" => {
            largest(&mut raw.cached, count(scanner)?, &mut fault)
        }
        b"cache_read_input_tokens" => largest(&mut raw.cached_apart, count(scanner)?, &mut fault),
        b"cache_creation_input_tokens" => largest(&mut raw.cache_write_apart, count(scanner)?, &mut fault),
        b"reasoning_tokens" => largest(&mut raw.reasoning, count(scanner)?, &mut fault),
        b"audio_prompt_tokens" => largest(&mut raw.audio_input, count(scanner)?, &mut fault),
        b"num_sources_used" | b"num_search_queries" => largest(&mut raw.web_searches, count(scanner)?, &mut fault),
        b"server_tool_use_details" | b"server_tool_use" | b"server_side_tool_usage_details" => {
            details(scanner, &mut |scanner, name| match name {
                b"web_search_requests" | b"web_search_calls" => {
                    largest(&mut raw.web_searches, count(scanner)?, &mut fault)
                }
                _ => Ok(scanner.skip()?),
            })
        }
        b"cost" | b"cost_in_usd_ticks" => {
            let cost = cost(scanner, key.raw)?;
            raw.cost = raw.cost.or(cost);
            Ok(())
        }
        _ => scanner.skip(),
    })?;
    Ok(match fault {
        Some(fault) => Err(fault),
        None => normalise(endpoint, &raw),
    })
}

/// Reads one member of an object by its raw name.
type Member<'a> = dyn FnMut(&mut Lenient<'_>, &[u8]) -> Result<(), ScanError> + 'a;

/// Takes an object of details, or whatever stands in its place.
fn details(scanner: &mut Lenient<'_>, member: &mut Member<'_>) -> Result<(), ScanError> {
    match scanner.kind()? {
        Kind::Object => scanner.object(|scanner, key| member(scanner, key.raw)),
        _ => scanner.skip(),
    }
}

type Count = Result<Option<u64>, UsageFault>;

/// Sets a count that has several names; two of them must agree.
fn merge(place: &mut Option<u64>, count: Count, fault: &mut Option<UsageFault>) -> Result<(), ScanError> {
    match count {
        Ok(Some(value)) if place.is_some_and(|earlier| earlier != value) => *fault = Some(UsageFault::Inconsistent),
        Ok(Some(value)) => *place = Some(value),
        Ok(None) => {}
        Err(found) => *fault = fault.or(Some(found)),
    }
    Ok(())
}

/// Raises a count that several members may give.
fn largest(place: &mut u64, count: Count, fault: &mut Option<UsageFault>) -> Result<(), ScanError> {
    match count {
        Ok(value) => *place = (*place).max(value.unwrap_or(0)),
        Err(found) => *fault = fault.or(Some(found)),
    }
    Ok(())
}

/// Takes one count; `None` for null.
fn count(scanner: &mut Lenient<'_>) -> Result<Count, ScanError> {
    match scanner.kind()? {
        Kind::Null => scanner.skip().map(|()| Ok(None)),
        Kind::Number => Ok(count_of(scanner.number()?).map(Some)),
        _ => scanner.skip().map(|()| Err(UsageFault::NotANumber)),
    }
}

/// A whole number as some providers write it: plain digits, or with a fraction of zeros.
fn count_of(raw: &[u8]) -> Result<u64, UsageFault> {
    // Nearly all counts; as many digits as can be no more than the largest one, and not overflow.
    if (1..=9).contains(&raw.len()) && raw.iter().all(u8::is_ascii_digit) {
        return Ok(raw.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')));
    }
    if raw.starts_with(b"-") && raw[1..].iter().any(|byte| (b'1'..=b'9').contains(byte)) {
        return Err(UsageFault::Negative);
    }
    let text = core::str::from_utf8(raw).map_err(|_| UsageFault::NotANumber)?;
    let (whole, fraction) = text.trim_start_matches('-').split_once('.').unwrap_or((text.trim_start_matches('-'), ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        let is_scientific = text.bytes().all(|byte| byte.is_ascii_digit() || b"eE.+-".contains(&byte));
        return Err(if is_scientific { UsageFault::Fractional } else { UsageFault::NotANumber });
    }
    if fraction.bytes().any(|byte| byte != b'0') {
        return Err(UsageFault::Fractional);
    }
    match whole.parse::<u64>() {
        Ok(value) if value <= COUNT_MAX => Ok(value),
        _ => Err(UsageFault::TooLarge),
    }
}

/// The cost that a provider reports; whatever is not understood is left out, since nothing is charged by it.
fn cost(scanner: &mut Lenient<'_>, name: &[u8]) -> Result<Option<Money>, ScanError> {
    // OpenRouter writes dollars, xAI ten-billionths of a dollar, Perplexity an object with the sum in dollars.
    let nano_digits = if name == b"cost_in_usd_ticks" { -1 } else { 9 };
    match scanner.kind()? {
        Kind::Number => Ok(scaled_ceil(scanner.number()?, nano_digits)),
        Kind::Object => {
            let mut total = None;
            scanner.object::<ScanError>(|scanner, key| {
                if key.raw == b"total_cost" && scanner.kind()? == Kind::Number {
                    total = scaled_ceil(scanner.number()?, nano_digits);
                    return Ok(());
                }
                scanner.skip()
            })?;
            Ok(total)
        }
        _ => scanner.skip().map(|()| None),
    }
}

/// A JSON number times 10^`shift`, in nano-USD, rounded up; `None` when it is negative or does not fit.
fn scaled_ceil(raw: &[u8], shift: i32) -> Option<Money> {
    let text = core::str::from_utf8(raw).ok()?;
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut value: u128 = 0;
    let digits = whole.bytes().chain(fraction.bytes().take(18));
    for digit in digits {
        let digit = (digit as char).to_digit(10)?;
        value = value.checked_mul(10)?.checked_add(u128::from(digit))?;
    }
    let places = i32::try_from(fraction.len().min(18)).ok()?;
    let power = exponent.parse::<i32>().ok()?.checked_add(shift)?.checked_sub(places)?;
    let factor = 10_u128.checked_pow(power.unsigned_abs());
    let nanos = match (power >= 0, factor) {
        (true, factor) => value.checked_mul(factor?)?,
        (false, Some(factor)) => value.div_ceil(factor),
        (false, None) => u128::from(value > 0),
    };
    i64::try_from(nanos).ok().map(Money::from_nanos)
}

/// Turns what a provider wrote into wholes that include their parts.
fn normalise(endpoint: Endpoint, raw: &Raw) -> Result<Option<Usage>, UsageFault> {
    let total = raw.total.filter(|total| *total > 0);
    let (prompt, completion) = match (endpoint, raw.prompt, raw.completion) {
        (_, None, None) if total.is_none() => return Ok(None),
        // Voyage gives only the total.
        (Endpoint::Embeddings, prompt, completion) => (prompt.or(total).unwrap_or(0), completion.unwrap_or(0)),
        (_, Some(prompt), Some(completion)) => (prompt, completion),
        (_, Some(prompt), None) => (prompt, total.ok_or(UsageFault::Incomplete)?.saturating_sub(prompt)),
        (_, None, _) => return Err(UsageFault::Incomplete),
    };
    let cache_write = raw.cache_write.max(raw.cache_write_apart);
    let cached = raw.cached.max(raw.cached_apart);
    let apart = cached + cache_write;
    let has_apart = raw.cached_apart + raw.cache_write_apart > 0;
    let mut input = prompt;
    let mut output = completion;
    let audio_input = raw.audio_input;
    match total.map(|total| total.saturating_sub(prompt + completion)) {
        // Mistral leaves audio, and Anthropic's style cached tokens, out of the prompt's but in the total.
        Some(missing) if missing > 0 && missing == audio_input => input += missing,
        Some(missing) if missing > 0 && has_apart && missing == apart => input += missing,
        // xAI's reasoning and Gemini's thinking are billed as output, and missing in it.
        Some(missing) if endpoint != Endpoint::Embeddings => output += missing,
        None if raw.reasoning > completion => output += raw.reasoning,
        _ => {}
    }
    if has_apart && apart > input && total.is_none() {
        input += apart;
    }
    // More cached than there is (Azure's Grok): the discount is not believed, the rest is.
    let cached = if cached > input { 0 } else { cached };
    if cache_write > input || audio_input > input || cache_write + audio_input > input {
        return Err(UsageFault::Inconsistent);
    }
    if raw.audio_output > output || raw.accepted_prediction > output || raw.rejected_prediction > output {
        return Err(UsageFault::Inconsistent);
    }
    Ok(Some(Usage {
        input,
        // A token that is audio and cached counts as audio, so that the parts are disjoint.
        cached_input: cached.min(input - cache_write - audio_input),
        cache_write,
        cache_write_1h: 0,
        audio_input,
        output,
        // Some servers count the markers around the reasoning, too.
        reasoning: raw.reasoning.min(output),
        audio_output: raw.audio_output,
        accepted_prediction: raw.accepted_prediction,
        rejected_prediction: raw.rejected_prediction,
        web_searches: raw.web_searches,
        reported_cost: raw.cost,
    }))
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
