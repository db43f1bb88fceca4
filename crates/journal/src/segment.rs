//! A segment: one file of the journal, and its name.

use std::io;

use crate::disk::DiskFile;
use crate::header::{self, Header};
use crate::scan::Scan;

const SUFFIX: &str = ".log";
const DIGITS: usize = 10;

/// The name of a segment's file.
pub(crate) fn name(number: u64) -> String {
    format!("{number:0DIGITS$}{SUFFIX}")
}

/// The number in a file's name, when it is that of a segment.
pub(crate) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let is_ours = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_ours.then(|| digits.parse().ok()).flatten()
}

/// A file of the journal that has records, or is about to.
#[derive(Debug)]
pub(crate) struct Segment<F> {
    pub(crate) number: u64,
    /// The position where its first record begins.
    pub(crate) first: u64,
    /// The opening that wrote its records.
    pub(crate) epoch: u64,
    /// The size of the file.
    pub(crate) bytes: u64,
    pub(crate) file: F,
}

impl<F: DiskFile> Segment<F> {
    pub(crate) fn name(&self) -> String {
        name(self.number)
    }

    /// Where in the file the record that begins at `position` is.
    pub(crate) const fn offset_of(&self, position: u64) -> u64 {
        header::BYTES + (position - self.first)
    }

    /// Its records up to the position `end`.
    pub(crate) fn scan(&self, end: u64) -> Scan<'_, F> {
        Scan::new(&self.file, self.first, self.epoch, self.offset_of(end))
    }

    /// All that may be a record.
    pub(crate) fn scan_all(&self) -> Scan<'_, F> {
        Scan::new(&self.file, self.first, self.epoch, self.bytes)
    }

    pub(crate) fn write_header(&self, header: &Header) -> io::Result<()> {
        self.file.write_at(&header::encode(header), 0)
    }
}
