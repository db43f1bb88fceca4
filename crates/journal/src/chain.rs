//! The hash that each segment's head has of the segment before it: of that one's head, and so of all before, and of its
//! records.

use std::io;

use crate::disk::DiskFile;
use crate::segment::Segment;

/// What is read and hashed at a stretch, some tens of microseconds: between two of them, whoever waits for the core goes first.
const PIECE_BYTES: u64 = 64 << 10;

/// What the first segment of all has for the one before it.
pub(crate) const START: [u8; 32] = [0; 32];

/// The hash of one segment, as far as it was read back.
pub(crate) struct Chain {
    hasher: blake3::Hasher,
    /// In the file.
    offset: u64,
    piece: Vec<u8>,
}

impl Chain {
    pub(crate) fn new() -> Chain {
        Chain { hasher: blake3::Hasher::new(), offset: 0, piece: Vec::new() }
    }

    /// Takes in what the file has up to the position `end`. The head must be written by then.
    pub(crate) fn read_to<F: DiskFile>(&mut self, segment: &Segment<F>, end: u64) -> io::Result<()> {
        let end = segment.offset_of(end);
        while self.offset < end {
            self.piece.resize(usize::try_from(PIECE_BYTES.min(end - self.offset)).unwrap_or_default(), 0);
            let read = segment.file.read_at(&mut self.piece, self.offset)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.hasher.update(&self.piece[..read]);
            self.offset += read as u64;
            if self.offset < end {
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hasher.finalize().into()
    }
}

/// The hash of a whole segment that ends at the position `end`.
pub(crate) fn of<F: DiskFile>(segment: &Segment<F>, end: u64) -> io::Result<[u8; 32]> {
    let mut chain = Chain::new();
    chain.read_to(segment, end)?;
    Ok(chain.hash())
}
