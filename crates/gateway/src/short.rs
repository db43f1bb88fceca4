//! Short texts for headers, written on the stack and digit by digit: a dozen of them go with every answer, and the
//! formatting machinery would cost more than most stages of the pipeline.

use core::fmt;

use smallvec::SmallVec;

/// A text that grows on the stack, and on the heap where it becomes longer than any of ours.
#[derive(Debug, Default)]
pub(crate) struct Short(SmallVec<[u8; 192]>);

impl Short {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A number of thousandths as a decimal number: 1234 as `1.234`.
    pub(crate) fn push_thousandths(&mut self, thousandths: u64) {
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
        self.0.extend_from_slice(&text[first..]);
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_are_written_as_the_formatter_would() {
        for value in [0, 1, 9, 10, 999, 1_000, 1_001, 12_345, 1_000_000, u64::MAX] {
            let mut short = Short::default();
            short.push_thousandths(value);
            let expected = format!("{}.{:03}", value / 1_000, value % 1_000);
            assert_eq!(short.as_bytes(), expected.as_bytes());
        }
    }
}
