//! Makes a new input from those that were kept.

/// Bytes at which parsers decide.
const SPECIAL: &[u8] = b"\0\n\r\t \"\\/{}[],:;=-+.eE0189aAuU%<>&\x7f\x80\xbf\xc0\xed\xef\xf4\xff";
/// Numbers at which parsers decide.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1e999",
    "0.5",
    "-0",
    "2147483648",
    "4294967296",
    "9223372036854775808",
    "18446744073709551616",
    "1E-1",
];
/// Values that stand for others.
const VALUES: &[&str] =
    &["null", "true", "[]", "{}", "\"\"", "\"\\ud800\"", "\"\\u0000\"", "[[[[[[[[", "{\"a\":{\"a\":{\"a\":"];

/// See the module's description.
pub(crate) struct Mutator<'a> {
    pub(crate) random: &'a mut fastrand::Rng,
    pub(crate) kept: &'a [Vec<u8>],
    pub(crate) words: &'a [Vec<u8>],
}

impl Mutator<'_> {
    /// The next input, of at most `bytes_max` bytes.
    pub(crate) fn next(&mut self, bytes_max: usize) -> Vec<u8> {
        let mut input = self.random.choice(self.kept).cloned().unwrap_or_default();
        // Most often a few changes: what is changed everywhere is refused at its beginning.
        for _ in 0..1 << self.random.u32(0..4) {
            self.change(&mut input);
        }
        input.truncate(bytes_max);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (at, end) = self.range(input.len());
        match self.random.u32(0..13) {
            0 if at < input.len() => input[at] ^= 1 << self.random.u32(0..8),
            1 if at < input.len() => input[at] = self.random.u8(..),
            2 if at < input.len() => input[at] = *self.random.choice(SPECIAL).expect("some"),
            3 => input.insert(at, *self.random.choice(SPECIAL).expect("some")),
            4 => drop(input.drain(at..end)),
            5 => input.truncate(at),
            6 => {
                let piece = input[at..end].to_vec();
                let to = self.random.usize(0..=input.len());
                input.splice(to..to, piece);
            }
            7 => self.put(input, at, at, NUMBERS),
            8 => self.put(input, at, end, VALUES),
            9 => {
                let word = self.random.choice(self.words).cloned().unwrap_or_default();
                let end = if self.random.bool() { at } else { end };
                input.splice(at..end, word);
            }
            10 => self.cross(input, at),
            11 => self.swap_members(input),
            _ => self.number(input),
        }
    }

    fn range(&mut self, length: usize) -> (usize, usize) {
        let at = self.random.usize(0..=length);
        let longest = 1 << self.random.u32(0..8);
        (at, (at + self.random.usize(0..=longest)).min(length))
    }

    fn put(&mut self, input: &mut Vec<u8>, at: usize, end: usize, texts: &[&str]) {
        let text = self.random.choice(texts).expect("some");
        input.splice(at..end, text.bytes());
    }

    /// The beginning of this one and the end of another.
    fn cross(&mut self, input: &mut Vec<u8>, at: usize) {
        let Some(other) = self.random.choice(self.kept) else { return };
        let from = self.random.usize(0..=other.len());
        input.truncate(at);
        input.extend_from_slice(&other[from..]);
    }

    /// Copies what stands between two commas to behind another one: a member twice, or out of its place.
    fn swap_members(&mut self, input: &mut Vec<u8>) {
        let commas: Vec<usize> = (0..input.len()).filter(|&at| matches!(input[at], b',' | b'\n')).take(256).collect();
        if commas.len() < 2 {
            return;
        }
        let from = self.random.usize(0..commas.len() - 1);
        let piece = input[commas[from]..commas[from + 1]].to_vec();
        let to = commas[self.random.usize(0..commas.len())];
        input.splice(to..to, piece);
    }

    /// Another number where one stands.
    fn number(&mut self, input: &mut Vec<u8>) {
        let starts = |at: &usize| input[*at].is_ascii_digit() && (*at == 0 || !input[*at - 1].is_ascii_digit());
        let starts: Vec<usize> = (0..input.len()).filter(starts).take(256).collect();
        let Some(&start) = self.random.choice(&starts) else { return };
        let end = (start..input.len()).find(|&at| !input[at].is_ascii_digit()).unwrap_or(input.len());
        self.put(input, start, end, NUMBERS);
    }
}
