//! Decimal numbers for headers, without the formatting machinery: a dozen go with every answer, and it would cost more than
//! most stages of the pipeline.

/// Appends a number of thousandths as a decimal number: 1234 as `1.234`.
pub(crate) fn push(out: &mut Vec<u8>, thousandths: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(thousandths / 1_000).as_bytes());
    let digit = |place: u64| b'0' + (thousandths / place % 10) as u8;
    out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
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
