//! One-pass JSON scanning over borrowed bytes: strict for requests, lenient for answers. It allocates nothing.
//!
//! Strict means RFC 8259 to the letter, and no text that parsers are known to read differently (lone surrogates, numbers
//! beyond a double, deep nesting). Lenient still finds every value's borders, but lets pass what models and providers are
//! known to emit inside strings and for numbers (`NaN`, raw control characters, lone surrogates).

use std::borrow::Cow;

use smallvec::SmallVec;
use thiserror::Error;
use wide::u8x16;

/// Deepest nesting of a request; the outermost object is 1.
pub(crate) const DEPTH_MAX: u32 = 64;
/// Deepest nesting of an answer.
const ANSWER_DEPTH_MAX: u32 = 256;

/// Why a text is not JSON that every parser reads alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum ScanFault {
    #[error("it ends too early")]
    Early,
    #[error("an unexpected character")]
    Unexpected,
    #[error("a control character inside a string")]
    Control,
    #[error("a bad escape")]
    Escape,
    #[error("half of a surrogate pair")]
    Surrogate,
    #[error("a malformed number")]
    Number,
    #[error("a number beyond the range of a double")]
    Range,
    #[error("nesting deeper than 64")]
    Depth,
    #[error("data after the end of the document")]
    Trailing,
}

/// A fault and the byte where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{fault} at byte {at}")]
pub(crate) struct ScanError {
    pub(crate) fault: ScanFault,
    pub(crate) at: usize,
}

/// What begins at the scanner's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

/// A string as it stands in the document, without its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) raw: &'a [u8],
    /// Where `raw` begins in the document.
    pub(crate) start: usize,
    /// Whether `raw` has escapes.
    pub(crate) escaped: bool,
}

impl<'a> Text<'a> {
    /// The decoded text; what is not Unicode becomes U+FFFD, which a strict scanner never lets happen.
    pub(crate) fn decode(&self) -> Cow<'a, str> {
        if !self.escaped {
            // The lossy way reads text byte by byte, also where nothing is lost.
            return core::str::from_utf8(self.raw).map_or_else(|_| String::from_utf8_lossy(self.raw), Cow::Borrowed);
        }
        let mut text = String::with_capacity(self.raw.len());
        decode_into(self.raw, &mut text);
        Cow::Owned(text)
    }
}

/// Appends the decoded form of a string's raw bytes.
pub(crate) fn decode_into(raw: &[u8], out: &mut String) {
    let mut rest = raw;
    while let Some(place) = memchr::memchr(b'\\', rest) {
        push_lossy(&rest[..place], out);
        let (decoded, used) = unescape(&rest[place..]);
        out.push(decoded);
        rest = &rest[(place + used).min(rest.len())..];
    }
    push_lossy(rest, out);
}

/// Appends bytes that should be UTF-8.
pub(crate) fn push_lossy(bytes: &[u8], out: &mut String) {
    match core::str::from_utf8(bytes) {
        Ok(text) => out.push_str(text),
        Err(_) => out.push_str(&String::from_utf8_lossy(bytes)),
    }
}

/// The character of the escape that `bytes` begins with, and the bytes it takes.
fn unescape(bytes: &[u8]) -> (char, usize) {
    let simple = match bytes.get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(&plain @ (b'"' | b'\\' | b'/')) => plain as char,
        Some(b'u') => return unescape_unicode(bytes),
        _ => char::REPLACEMENT_CHARACTER,
    };
    (simple, 2)
}

/// The character of a `\u` escape or of a pair of them.
fn unescape_unicode(bytes: &[u8]) -> (char, usize) {
    const BAD: char = char::REPLACEMENT_CHARACTER;
    let Some(high) = hex4(bytes, 2) else { return (BAD, 2) };
    if !(0xD800..0xDC00).contains(&high) {
        return (char::from_u32(high).unwrap_or(BAD), 6);
    }
    let low = if bytes.get(6..8) == Some(b"\\u") { hex4(bytes, 8) } else { None };
    match low {
        Some(low @ 0xDC00..0xE000) => {
            (char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).unwrap_or(BAD), 12)
        }
        _ => (BAD, 6),
    }
}

/// Four hexadecimal digits at `at`.
fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | (digit as char).to_digit(16)?))
}

/// Distance to the first quote, backslash or control character; the length when there is none.
#[inline]
fn plain_run(bytes: &[u8]) -> usize {
    let (blocks, rest) = bytes.as_chunks();
    if let Some((index, at)) = blocks.iter().enumerate().find_map(|(index, block)| Some((index, special_in(block)?))) {
        return index * BLOCK_BYTES + at;
    }
    let is_special = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    bytes.len() - rest.len() + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// What one instruction looks at.
const BLOCK_BYTES: usize = 16;

/// The place of the first quote, backslash or control character.
#[inline]
fn special_in(block: &[u8; BLOCK_BYTES]) -> Option<usize> {
    let block = u8x16::new(*block);
    let is_control = block.min(u8x16::splat(0x1F)).simd_eq(block);
    let is_end = block.simd_eq(u8x16::splat(b'"')) | block.simd_eq(u8x16::splat(b'\\'));
    let marks = (is_control | is_end).to_bitmask();
    (marks != 0).then(|| marks.trailing_zeros() as usize)
}

/// A place in a document. Strict scanning expects that the document is known to be UTF-8.
#[derive(Debug, Clone)]
pub(crate) struct Scanner<'a, const STRICT: bool> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
}

/// For requests.
pub(crate) type Strict<'a> = Scanner<'a, true>;
/// For answers.
pub(crate) type Lenient<'a> = Scanner<'a, false>;

impl<'a, const STRICT: bool> Scanner<'a, STRICT> {
    /// At the start of a document.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Scanner { bytes, at: 0, depth: 0 }
    }

    /// The place, in bytes from the start.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// The document between two places.
    pub(crate) fn slice(&self, start: usize, end: usize) -> &'a [u8] {
        &self.bytes[start..end]
    }

    #[cold]
    const fn fail<T>(&self, fault: ScanFault) -> Result<T, ScanError> {
        Err(ScanError { fault, at: self.at })
    }

    /// An unexpected byte, or the end where one was needed.
    #[cold]
    const fn unexpected<T>(&self) -> Result<T, ScanError> {
        self.fail(if self.at >= self.bytes.len() { ScanFault::Early } else { ScanFault::Unexpected })
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Takes one byte that must come next.
    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), ScanError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            self.unexpected()
        }
    }

    /// Skips white space and says what begins there.
    #[inline]
    pub(crate) fn kind(&mut self) -> Result<Kind, ScanError> {
        self.space();
        match self.peek() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            Some(b'N' | b'I' | b'+' | b'.') if !STRICT => Ok(Kind::Number),
            _ => self.unexpected(),
        }
    }

    /// Takes a string; the place is at its opening quote, or at white space before it.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Text<'a>, ScanError> {
        self.space();
        self.expect(b'"')?;
        // Nearly all strings have no escape, and do not end within the last block of the document.
        let (start, mut end) = (self.at, self.at);
        while let Some(block) = self.bytes[end..].first_chunk() {
            match special_in(block) {
                None => end += BLOCK_BYTES,
                Some(at) if block[at] == b'"' => {
                    end += at;
                    self.at = end + 1;
                    return Ok(Text { raw: &self.bytes[start..end], start, escaped: false });
                }
                Some(_) => break,
            }
        }
        self.at = end;
        self.rest_of_string(start)
    }

    /// Takes what is left of a string that began at `start`, whatever is in it.
    #[inline(never)]
    fn rest_of_string(&mut self, start: usize) -> Result<Text<'a>, ScanError> {
        let mut escaped = false;
        loop {
            self.at += plain_run(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    let raw = &self.bytes[start..self.at];
                    self.at += 1;
                    return Ok(Text { raw, start, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                None => return self.fail(ScanFault::Early),
                Some(_) if STRICT => return self.fail(ScanFault::Control),
                Some(_) => self.at += 1,
            }
        }
    }

    /// Takes one escape, or a pair that makes one character.
    fn escape(&mut self) -> Result<(), ScanError> {
        if !STRICT {
            self.at = (self.at + 2).min(self.bytes.len());
            return Ok(());
        }
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => match hex4(self.bytes, self.at + 2) {
                None => self.fail(ScanFault::Escape),
                Some(0xD800..=0xDFFF) if unescape_unicode(&self.bytes[self.at..]).1 != 12 => {
                    self.fail(ScanFault::Surrogate)
                }
                Some(0xD800..=0xDFFF) => {
                    self.at += 12;
                    Ok(())
                }
                Some(_) => {
                    self.at += 6;
                    Ok(())
                }
            },
            _ => self.fail(ScanFault::Escape),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at - start
    }

    /// Takes a number that is at most nine digits and nothing else, as nearly all are; of anything else it takes no more than the
    /// white space before it.
    #[inline]
    pub(crate) fn short_number(&mut self) -> Option<u64> {
        self.space();
        let (mut number, mut end) = (0, self.at);
        while let Some(digit @ b'0'..=b'9') = self.bytes.get(end) {
            number = number * 10 + u64::from(digit - b'0');
            end += 1;
            if end - self.at > 9 {
                return None;
            }
        }
        let is_whole = end > self.at && matches!(self.bytes.get(end), Some(b',' | b'}' | b']' | b' ' | b'\n' | b'\r'));
        is_whole.then(|| {
            self.at = end;
            number
        })
    }

    /// Takes a number and gives it as written.
    pub(crate) fn number(&mut self) -> Result<&'a [u8], ScanError> {
        self.space();
        let start = self.at;
        if !STRICT {
            while let Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            return if self.at == start { self.unexpected() } else { Ok(&self.bytes[start..self.at]) };
        }
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leads_with_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leads_with_zero && whole > 1) {
            return self.fail(ScanFault::Number);
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return self.fail(ScanFault::Number);
            }
        }
        let mut is_plain = whole < 300;
        if let Some(b'e' | b'E') = self.peek() {
            is_plain = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.digits() == 0 {
                return self.fail(ScanFault::Number);
            }
        }
        let raw = &self.bytes[start..self.at];
        if !is_plain && !is_finite(raw) {
            return self.fail(ScanFault::Range);
        }
        Ok(raw)
    }

    /// Takes the word that must come next.
    fn word(&mut self, word: &[u8]) -> Result<(), ScanError> {
        for &byte in word {
            self.expect(byte)?;
        }
        Ok(())
    }

    #[inline]
    fn enter(&mut self) -> Result<(), ScanError> {
        let limit = if STRICT { DEPTH_MAX } else { ANSWER_DEPTH_MAX };
        if self.depth >= limit {
            return self.fail(ScanFault::Depth);
        }
        self.depth += 1;
        self.at += 1;
        self.space();
        Ok(())
    }

    /// Takes an object. `member` is given each key, with the place before its value, and must take the value.
    #[inline]
    pub(crate) fn object<E: From<ScanError>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Text<'a>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.space();
        if self.peek() != Some(b'{') {
            return Ok(self.unexpected()?);
        }
        self.enter()?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.space();
            self.expect(b':')?;
            member(self, key)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(());
                }
                _ => return Ok(self.unexpected()?),
            }
        }
    }

    /// Takes an array. `item` must take each item.
    #[inline]
    pub(crate) fn array<E: From<ScanError>>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.space();
        if self.peek() != Some(b'[') {
            return Ok(self.unexpected()?);
        }
        self.enter()?;
        if self.peek() == Some(b']') {
            self.at += 1;
            self.depth -= 1;
            return Ok(());
        }
        loop {
            item(self)?;
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(());
                }
                _ => return Ok(self.unexpected()?),
            }
        }
    }

    /// Takes any value without looking at it.
    pub(crate) fn skip(&mut self) -> Result<(), ScanError> {
        match self.kind()? {
            Kind::String => self.string().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::True => self.word(b"true"),
            Kind::False => self.word(b"false"),
            Kind::Null => self.word(b"null"),
            Kind::Object => self.object(|scanner, _| scanner.skip()),
            Kind::Array => self.array(Self::skip),
        }
    }

    /// As [`Scanner::skip`], for what is not read and not copied either: goes by brackets and strings alone, and does not
    /// see what else is wrong inside.
    pub(crate) fn pass_over(&mut self) -> Result<(), ScanError> {
        if !matches!(self.kind()?, Kind::Object | Kind::Array) {
            return self.skip();
        }
        let mut open = SmallVec::<[u8; 32]>::new();
        loop {
            match self.peek() {
                None => return self.fail(ScanFault::Early),
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(bracket @ (b'{' | b'[')) => {
                    if self.depth as usize + open.len() >= ANSWER_DEPTH_MAX as usize {
                        return self.fail(ScanFault::Depth);
                    }
                    // In ASCII, a bracket and its other half are two apart.
                    open.push(bracket + 2);
                }
                Some(bracket @ (b'}' | b']')) => {
                    if open.pop() != Some(bracket) {
                        return self.unexpected();
                    }
                    if open.is_empty() {
                        self.at += 1;
                        return Ok(());
                    }
                }
                Some(_) => {}
            }
            self.at += 1;
        }
    }

    /// Takes any value and gives the places where it starts and ends.
    pub(crate) fn span(&mut self) -> Result<(usize, usize), ScanError> {
        self.space();
        let start = self.at;
        self.skip()?;
        Ok((start, self.at))
    }

    /// The document must end here.
    pub(crate) fn end(&mut self) -> Result<(), ScanError> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { self.fail(ScanFault::Trailing) }
    }
}

/// Whether a number of correct grammar fits into a double.
fn is_finite(raw: &[u8]) -> bool {
    core::str::from_utf8(raw).ok().and_then(|text| text.parse::<f64>().ok()).is_some_and(f64::is_finite)
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
