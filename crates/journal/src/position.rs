//! Where a record ends in the sequence of all records ever written.

use core::fmt;

/// The end of a record: the number of bytes of it and of all records before it, since the journal was first opened. It
/// survives restarts and the deletion of segments, and orders all records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(u64);

impl Position {
    /// Before the first record.
    pub const START: Position = Position(0);

    /// A position that [`Position::get`] gave, as it was stored.
    #[must_use]
    pub const fn new(bytes: u64) -> Position {
        Position(bytes)
    }

    /// The number to store.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
