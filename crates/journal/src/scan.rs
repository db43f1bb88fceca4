//! Reads the records of one segment from the front, in pieces.

use std::io;

use crate::disk::DiskFile;
use crate::frame::{self, Frame, Place};
use crate::header;

/// What is read at once. A system call is not interrupted: what it takes, a call that wakes up on that core waits.
const PIECE_BYTES: usize = 64 << 10;

/// Walks the frames of a segment.
pub(crate) struct Scan<'f, F> {
    file: &'f F,
    /// No frame reaches beyond it.
    limit: u64,
    place: Place,
    /// In the file, of the next frame.
    offset: u64,
    buffer: Vec<u8>,
    /// Within the buffer, of the next frame.
    at: usize,
}

/// The next frame, with the position where it ends; or nothing, where there is no valid one.
pub(crate) type Next<'a> = Option<(u64, Frame<'a>)>;

impl<'f, F: DiskFile> Scan<'f, F> {
    /// From the first record of a segment that begins at position `first`, up to the offset `limit` of the file.
    pub(crate) fn new(file: &'f F, first: u64, epoch: u64, limit: u64) -> Scan<'f, F> {
        let place = Place { start: first, epoch };
        Scan { file, limit, place, offset: header::BYTES, buffer: Vec::new(), at: 0 }
    }

    /// Goes on from `position`, where a record begins.
    pub(crate) fn skip_to(mut self, position: u64) -> Scan<'f, F> {
        self.offset += position - self.place.start;
        self.place.start = position;
        self
    }

    /// In the file, of the next frame.
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The position where the next frame begins.
    pub(crate) const fn position(&self) -> u64 {
        self.place.start
    }

    /// Steps over the next frame and returns it.
    pub(crate) fn next(&mut self) -> io::Result<Next<'_>> {
        let left = self.limit.saturating_sub(self.offset);
        let wanted = usize::try_from(left.min(frame::BYTES_MAX)).unwrap_or_default();
        if self.buffer.len() - self.at < wanted {
            self.fill()?;
        }
        let Some(frame) = frame::parse(&self.buffer[self.at..], self.place) else { return Ok(None) };
        let bytes = frame.bytes();
        self.at += bytes as usize;
        self.offset += bytes;
        self.place.start += bytes;
        Ok(Some((self.place.start, frame)))
    }

    fn fill(&mut self) -> io::Result<()> {
        let left = usize::try_from(self.limit.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let kept = self.buffer.len() - self.at;
        self.buffer.copy_within(self.at.., 0);
        self.at = 0;
        self.buffer.resize(PIECE_BYTES.min(left), 0);
        let read = self.file.read_at(&mut self.buffer[kept..], self.offset + kept as u64)?;
        self.buffer.truncate(kept + read);
        Ok(())
    }
}

/// What is in a part of a file that should be blank.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Remains {
    /// From the start of the part to its last byte that is not zero.
    pub(crate) bytes: u64,
    /// The start of the last frame in it that is valid, and how far the journal was synced when that was written.
    pub(crate) frame: Option<(u64, u64)>,
}

/// Looks for what is left after the last record, at `place`, from `offset` to the end of the file.
pub(crate) fn remains<F: DiskFile>(file: &F, offset: u64, place: Place) -> io::Result<Remains> {
    let mut found = Remains::default();
    let mut piece = vec![0; PIECE_BYTES + frame::BYTES_MAX as usize];
    let mut at = 0;
    loop {
        let read = file.read_at(&mut piece, offset + at)?;
        let whole = read.min(PIECE_BYTES);
        let used = used(&piece[..whole]);
        if used > 0 {
            found.bytes = at + used as u64;
            // The twelfth byte of a frame is never zero, so only those are looked at.
            for start in (0..used).filter(|start| piece[..read].get(start + 11).is_some_and(|byte| *byte != 0)) {
                let begins = place.start + at + start as u64;
                if let Some(frame) = frame::parse(&piece[start..read], Place { start: begins, ..place }) {
                    found.frame = Some((begins, found.frame.map_or(0, |(_, durable)| durable).max(frame.durable)));
                }
            }
        }
        if read <= PIECE_BYTES {
            return Ok(found);
        }
        at += PIECE_BYTES as u64;
    }
}

/// The length up to the last byte that is not zero. Blank space is nearly all there is, so it is compared in blocks.
fn used(bytes: &[u8]) -> usize {
    const BLANK: [u8; 4096] = [0; 4096];
    let mut end = bytes.len();
    while end > 0 {
        let start = (end - 1) / BLANK.len() * BLANK.len();
        let block = &bytes[start..end];
        if block != &BLANK[..block.len()] {
            return start + block.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        }
        end = start;
    }
    0
}
