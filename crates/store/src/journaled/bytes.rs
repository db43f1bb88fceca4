//! The primitives of the codec: numbers of variable length and texts with theirs, written and read without a panic.

use crate::StoreError;

/// Writes values one after the other.
pub(super) struct Writer<'a> {
    into: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(into: &'a mut Vec<u8>) -> Writer<'a> {
        Writer { into }
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.into.push(byte);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.into.extend_from_slice(bytes);
    }

    /// Seven bits a byte, the lowest first; the high bit says that more follow.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.into.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.into.push(number as u8);
    }

    /// A number that may be negative, small ones short.
    pub(super) fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)) as u64);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.into.extend_from_slice(text.as_bytes());
    }

    /// A text that may be absent, which is not the same as empty.
    pub(super) fn optional_text(&mut self, text: Option<&str>) {
        self.byte(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    pub(super) fn optional_number(&mut self, number: Option<u64>) {
        self.byte(u8::from(number.is_some()));
        if let Some(number) = number {
            self.number(number);
        }
    }
}

/// Reads values in the order in which they were written.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// What every unreadable record is answered with.
pub(super) fn unreadable(what: &str) -> StoreError {
    StoreError::corrupt("record", what)
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(super) fn byte(&mut self) -> Result<u8, StoreError> {
        let (&byte, rest) = self.rest.split_first().ok_or_else(|| unreadable("it is too short"))?;
        self.rest = rest;
        Ok(byte)
    }

    pub(super) fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], StoreError> {
        let (&array, rest) = self.rest.split_first_chunk().ok_or_else(|| unreadable("it is too short"))?;
        self.rest = rest;
        Ok(array)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        // Most are small.
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(byte));
        }
        self.long_number()
    }

    fn long_number(&mut self) -> Result<u64, StoreError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(unreadable("a number is too large"));
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                // One number has one form, so that bytes read and written again are the same bytes.
                return if bits == 0 && shift > 0 { Err(unreadable("a number is padded")) } else { Ok(number) };
            }
        }
        Err(unreadable("a number is too long"))
    }

    pub(super) fn signed(&mut self) -> Result<i64, StoreError> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, StoreError> {
        T::try_from(self.number()?).map_err(|_| unreadable("a number is too large"))
    }

    pub(super) fn flag(&mut self) -> Result<bool, StoreError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(unreadable("a flag is neither set nor clear")),
        }
    }

    /// A text of at most `bytes_max`.
    pub(super) fn text(&mut self, bytes_max: usize) -> Result<&'a str, StoreError> {
        core::str::from_utf8(self.raw_text(bytes_max)?).map_err(|_| unreadable("a text is not UTF-8"))
    }

    /// The bytes of a text of at most `bytes_max`, whatever they are.
    fn raw_text(&mut self, bytes_max: usize) -> Result<&'a [u8], StoreError> {
        let length: usize = self.small()?;
        if length > bytes_max {
            return Err(unreadable("a text is too long"));
        }
        let (text, rest) = self.rest.split_at_checked(length).ok_or_else(|| unreadable("it is too short"))?;
        self.rest = rest;
        Ok(text)
    }

    /// So many texts of at most `bytes_max` each as they were written, to be read later or compared as a whole.
    pub(super) fn raw_texts(&mut self, count: usize, bytes_max: usize) -> Result<&'a [u8], StoreError> {
        let all = self.rest;
        for _ in 0..count {
            self.raw_text(bytes_max)?;
        }
        Ok(&all[..all.len() - self.rest.len()])
    }

    pub(super) fn optional_text(&mut self, bytes_max: usize) -> Result<Option<&'a str>, StoreError> {
        if self.flag()? { self.text(bytes_max).map(Some) } else { Ok(None) }
    }

    pub(super) fn optional_number(&mut self) -> Result<Option<u64>, StoreError> {
        if self.flag()? { self.number().map(Some) } else { Ok(None) }
    }

    /// What was not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Says that nothing may follow.
    pub(super) fn end(self) -> Result<(), StoreError> {
        if self.rest.is_empty() { Ok(()) } else { Err(unreadable("something follows its end")) }
    }
}

/// The beginning of a text that is at most `bytes_max` long, cut between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
