//! Small values of guarded fields, read so that no parser could read more into them.

use base::Refusal;

use crate::call::Span;
use crate::dialect::Endpoint;
use crate::scan::{Kind, ScanError, Strict};

/// Largest count that is accepted anywhere: what every parser holds in a signed 32-bit integer.
const COUNT_MAX: u64 = (1 << 31) - 1;

impl From<ScanError> for Refusal {
    fn from(error: ScanError) -> Refusal {
        Refusal::invalid(None, format!("The body is not valid JSON: {error}."))
    }
}

/// Whether the value is there: takes a null and says `false`.
pub(super) fn is_present(scanner: &mut Strict<'_>) -> Result<bool, Refusal> {
    if scanner.kind()? == Kind::Null {
        scanner.skip()?;
        return Ok(false);
    }
    Ok(true)
}

/// The place of any value, which is taken.
pub(super) fn span(scanner: &mut Strict<'_>) -> Result<Span, Refusal> {
    let (start, end) = scanner.span()?;
    Ok(Span { start, end })
}

/// The place of a value that is not null.
pub(super) fn present_value(scanner: &mut Strict<'_>) -> Result<Option<Span>, Refusal> {
    if is_present(scanner)? { Ok(Some(span(scanner)?)) } else { Ok(None) }
}

/// `true`, `false` or null (as false).
pub(super) fn boolean(scanner: &mut Strict<'_>, name: &str) -> Result<bool, Refusal> {
    let kind = scanner.kind()?;
    match kind {
        Kind::True | Kind::False | Kind::Null => {
            scanner.skip()?;
            Ok(kind == Kind::True)
        }
        _ => Err(Refusal::invalid(Some(name), format!("'{name}' must be true or false."))),
    }
}

/// A whole number of plain digits from `min` to 2^31 - 1, or null; and its place (also that of a null).
pub(super) fn count(scanner: &mut Strict<'_>, name: &str, min: u64) -> Result<(Option<u64>, Span), Refusal> {
    let refuse = || {
        let sentence = format!("'{name}' must be a whole number from {min} to {COUNT_MAX}, in plain digits.");
        Err(Refusal::invalid(Some(name), sentence))
    };
    match scanner.kind()? {
        Kind::Null => Ok((None, span(scanner)?)),
        Kind::Number => {
            let raw = scanner.number()?;
            let place = Span { start: scanner.at() - raw.len(), end: scanner.at() };
            let digits = core::str::from_utf8(raw).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            match digits.and_then(|digits| digits.parse::<u64>().ok()) {
                Some(value) if (min..=COUNT_MAX).contains(&value) => Ok((Some(value), place)),
                _ => refuse(),
            }
        }
        _ => refuse(),
    }
}

/// A refusal of a value of the wrong kind.
pub(super) fn wrong_kind<T>(name: &str, expected: &str) -> Result<T, Refusal> {
    Err(Refusal::invalid(Some(name), format!("'{name}' must be {expected}.")))
}

/// One image a stream: its last event has the usage, and nobody says of how many images that is.
pub(crate) fn check_image_stream(endpoint: Endpoint, choices: u32) -> Result<(), Refusal> {
    if endpoint.makes_images() && choices > 1 {
        return Err(Refusal::invalid(Some("n"), "A stream shows one image. Leave 'n' or 'stream' out."));
    }
    Ok(())
}
