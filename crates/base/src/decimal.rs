//! Exact reading and writing of decimal numbers as scaled integers: the only door through which money enters as text.

use thiserror::Error;

/// Why a text is not an amount or a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecimalError {
    /// The text is empty, or has no digit before or after the point.
    #[error("expected a decimal number such as \"0.15\"")]
    Empty,
    /// The text carries a `+` or `-`.
    #[error("signs are not allowed; write the plain amount")]
    Sign,
    /// The text is in scientific notation.
    #[error("exponents are not allowed; write the digits out, such as \"0.000000125\"")]
    Exponent,
    /// The text has a character that is neither a digit nor the one decimal point.
    #[error("only digits and one decimal point are allowed")]
    NotADigit,
    /// More decimal places than the unit can hold; the limit is in the value.
    #[error("at most {0} decimal places can be kept exactly")]
    TooPrecise(u32),
    /// The number exceeds what the unit can hold.
    #[error("the number is too large")]
    TooLarge,
}

/// Reads `text` as an unsigned decimal and returns it times 10^`scale`, exactly.
///
/// Trailing zeros beyond `scale` places are accepted, since they lose nothing.
///
/// # Errors
/// Any [`DecimalError`]; nothing is ever rounded.
pub(crate) fn parse_scaled(text: &str, scale: u32) -> Result<u64, DecimalError> {
    if text.starts_with(['+', '-']) {
        return Err(DecimalError::Sign);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let ends_bare = text.ends_with('.');
    if whole.is_empty() || ends_bare {
        return Err(DecimalError::Empty);
    }
    for byte in whole.bytes().chain(fraction.bytes()) {
        match byte {
            b'0'..=b'9' => {}
            b'e' | b'E' => return Err(DecimalError::Exponent),
            b'+' | b'-' => return Err(DecimalError::Sign),
            _ => return Err(DecimalError::NotADigit),
        }
    }
    let fraction = fraction.trim_end_matches('0');
    let places = u32::try_from(fraction.len()).map_err(|_| DecimalError::TooPrecise(scale))?;
    if places > scale {
        return Err(DecimalError::TooPrecise(scale));
    }
    let mut value: u64 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        value =
            value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0'))).ok_or(DecimalError::TooLarge)?;
    }
    10_u64.checked_pow(scale - places).and_then(|factor| value.checked_mul(factor)).ok_or(DecimalError::TooLarge)
}

/// Writes `value` × 10^-`scale` with at least two and at most `scale` decimal places; `scale` is below 19.
pub(crate) fn write_scaled(out: &mut impl core::fmt::Write, value: u64, scale: u32) -> core::fmt::Result {
    let one = 10_u64.pow(scale);
    out.write_str(itoa::Buffer::new().format(value / one))?;
    // The one before the fraction keeps its zeros.
    let mut fraction = itoa::Buffer::new();
    let digits = &fraction.format(one + value % one)[1..];
    let last = digits.bytes().rposition(|digit| digit != b'0').unwrap_or(0);
    out.write_char('.')?;
    out.write_str(&digits[..(last + 1).max(2)])
}
