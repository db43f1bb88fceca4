//! Decimal numbers for headers, written digit by digit: a dozen go with every answer, and the formatting machinery would
//! cost more than most stages of the pipeline.

/// Appends a number of thousandths as a decimal number: 1234 as `1.234`.
pub(crate) fn push(out: &mut Vec<u8>, thousandths: u64) {
    // A u64 has at most 20 digits; the point comes before the last three.
    const POINT: usize = 17;
    let mut text = [b'0'; 21];
    text[POINT] = b'.';
    let (mut rest, mut first) = (thousandths, text.len());
    while rest > 0 || first >= POINT {
        first -= 1;
        if first != POINT {
            text[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
    out.extend_from_slice(&text[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_written_as_the_formatter_would() {
        for value in [0, 1, 9, 10, 999, 1_000, 1_001, 12_345, 1_000_000, u64::MAX] {
            let mut out = Vec::new();
            push(&mut out, value);
            let expected = format!("{}.{:03}", value / 1_000, value % 1_000);
            assert_eq!(out, expected.as_bytes());
        }
    }
}
