//! Usage, normalised; and the counts that it is made of, as providers write them.

use base::Money;
use thiserror::Error;

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
    /// Of `input`: images, where what they are made into is images.
    pub image_input: u64,
    /// Of `input`: audio, read from a cache or not.
    pub audio_input: u64,
    /// Of `audio_input`: read from a cache. Not in `cached_input`.
    pub cached_audio: u64,
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
    /// Of `output`: images.
    pub image_output: u64,
    /// Images that were made, or that became vectors, each by itself.
    pub images: u64,
    /// Characters that were spoken, or that became vectors.
    pub characters: u64,
    /// Seconds of audio that were heard, each begun one counted.
    pub seconds: u64,
    /// Searches of the web.
    pub web_searches: u64,
    /// What the provider says that it costs the operator. A cross-check only, never charged.
    pub reported_cost: Option<Money>,
}

impl Usage {
    /// Both together, class by class, as far as they can be counted.
    #[must_use]
    pub fn plus(&self, other: &Usage) -> Usage {
        let sum = |class: fn(&Usage) -> u64| class(self).saturating_add(class(other));
        let reported_cost = match (self.reported_cost, other.reported_cost) {
            (Some(one), Some(more)) => one.checked_add(more),
            (one, more) => one.or(more),
        };
        Usage {
            input: sum(|usage| usage.input),
            cached_input: sum(|usage| usage.cached_input),
            cache_write: sum(|usage| usage.cache_write),
            cache_write_1h: sum(|usage| usage.cache_write_1h),
            image_input: sum(|usage| usage.image_input),
            audio_input: sum(|usage| usage.audio_input),
            cached_audio: sum(|usage| usage.cached_audio),
            output: sum(|usage| usage.output),
            reasoning: sum(|usage| usage.reasoning),
            audio_output: sum(|usage| usage.audio_output),
            accepted_prediction: sum(|usage| usage.accepted_prediction),
            rejected_prediction: sum(|usage| usage.rejected_prediction),
            image_output: sum(|usage| usage.image_output),
            images: sum(|usage| usage.images),
            characters: sum(|usage| usage.characters),
            seconds: sum(|usage| usage.seconds),
            web_searches: sum(|usage| usage.web_searches),
            reported_cost,
        }
    }
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

/// Reads one member of an object by its raw name.
pub(super) type Member<'a> = dyn FnMut(&mut Lenient<'_>, &[u8]) -> Result<(), ScanError> + 'a;

/// Takes an object of details, or whatever stands in its place.
pub(super) fn details(scanner: &mut Lenient<'_>, member: &mut Member<'_>) -> Result<(), ScanError> {
    match scanner.kind()? {
        Kind::Object => scanner.object(|scanner, key| member(scanner, key.raw)),
        _ => scanner.skip(),
    }
}

pub(crate) type Count = Result<Option<u64>, UsageFault>;

/// Raises a count that several members may give.
pub(super) fn largest(place: &mut u64, count: Count, fault: &mut Option<UsageFault>) -> Result<(), ScanError> {
    match count {
        Ok(value) => *place = (*place).max(value.unwrap_or(0)),
        Err(found) => *fault = fault.or(Some(found)),
    }
    Ok(())
}

/// Takes one count; `None` for null.
pub(crate) fn count(scanner: &mut Lenient<'_>) -> Result<Count, ScanError> {
    if let Some(count) = scanner.short_number() {
        return Ok(Ok(Some(count)));
    }
    match scanner.kind()? {
        Kind::Null => scanner.skip().map(|()| Ok(None)),
        Kind::Number => Ok(count_of(scanner.number()?).map(Some)),
        _ => scanner.skip().map(|()| Err(UsageFault::NotANumber)),
    }
}

/// A whole number as some providers write it: plain digits, or with a fraction of zeros.
pub(super) fn count_of(raw: &[u8]) -> Result<u64, UsageFault> {
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

/// A length in seconds, a number or a text, rounded up; `None` for whatever is no length.
pub(crate) fn seconds(scanner: &mut Lenient<'_>) -> Result<Option<u64>, ScanError> {
    match scanner.kind()? {
        Kind::Number => Ok(seconds_ceil(scanner.number()?)),
        Kind::String => Ok(seconds_ceil(scanner.string()?.raw)),
        _ => scanner.skip().map(|()| None),
    }
}

/// Plain decimal seconds, rounded up to whole ones; `None` beyond what a call can have.
pub(crate) fn seconds_ceil(text: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_plain(whole) || !is_plain(fraction) {
        return None;
    }
    let begun = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    whole.parse::<u64>().ok().map(|whole| whole.saturating_add(begun)).filter(|seconds| *seconds <= COUNT_MAX)
}

/// The cost that a provider reports; whatever is not understood is left out, since nothing is charged by it.
pub(super) fn cost(scanner: &mut Lenient<'_>, name: &[u8]) -> Result<Option<Money>, ScanError> {
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
