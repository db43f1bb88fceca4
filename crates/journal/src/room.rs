//! The space that the end of a record's matter takes, taken before it begins.

use std::sync::Arc;

use crate::core::Core;
use crate::disk::Disk;
use crate::{Position, frame, header};

/// How many of the longest records a file can still take behind `offset`, whatever lengths they turn out to have: a
/// record that does not fit leaves less than its own length unused.
pub(crate) const fn ends_behind(offset: u64, bytes: u64) -> u64 {
    bytes.saturating_sub(offset) / frame::BYTES_MAX
}

/// The same for a file without records.
pub(crate) const fn ends_of(bytes: u64) -> u64 {
    ends_behind(header::BYTES, bytes)
}

/// An intent that is in the journal, and space for its end. Dropped without one, the intent stays open for whoever
/// recovers it, and the space is given back.
#[must_use = "without its end the intent stays open"]
pub struct Room<D: Disk> {
    core: Arc<Core<D>>,
    position: Position,
    is_taken: bool,
}

impl<D: Disk> Room<D> {
    pub(crate) fn new(core: Arc<Core<D>>, position: Position) -> Room<D> {
        Room { core, position, is_taken: true }
    }

    /// Where the intent ends: durable when the journal is, up to there.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Appends the end. It cannot fail for want of space. Where the journal is or becomes unusable, the record is not
    /// there after a restart, and waiting for the position that is returned fails.
    ///
    /// # Panics
    /// When the payload is longer than [`crate::PAYLOAD_BYTES_MAX`]; the intent stays open then.
    pub fn finish(mut self, kind: u8, payload: &[u8]) -> Position {
        assert!(payload.len() <= crate::PAYLOAD_BYTES_MAX, "the end of an intent is too long");
        self.is_taken = false;
        self.core.finish(kind, payload)
    }
}

impl<D: Disk> Drop for Room<D> {
    fn drop(&mut self) {
        if self.is_taken {
            self.core.give_back();
        }
    }
}

impl<D: Disk> core::fmt::Debug for Room<D> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Room").field("position", &self.position).finish_non_exhaustive()
    }
}
