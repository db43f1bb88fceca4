//! What a journal held when it was opened.

use std::sync::Arc;

use crate::disk::DiskFile;
use crate::error::Wrong;
use crate::frame::Mark;
use crate::segment::Segment;
use crate::{BootId, Doubt, Position, ReadError, Stop};

/// The records after what was applied, and how the journal was left. It keeps its files open, whatever is deleted.
pub struct Recovered<F> {
    /// What the caller had applied.
    pub applied: Position,
    /// Where the last record ends.
    pub end: Position,
    /// How the journal was left.
    pub after: Stop,
    /// What was behind the last record and was cut: a record that the end of the process or a loss of power caught.
    pub torn_bytes: u64,
    /// Every opening that left something in the folder, in order, with this one last. Records at or before
    /// [`Opening::at`] are of earlier ones.
    pub openings: Vec<Opening>,
    pub(crate) records: Vec<(Arc<Segment<F>>, u64)>,
}

/// One opening of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// Where the journal ended at that time.
    pub at: Position,
    /// Its number.
    pub epoch: u64,
    /// The run of the machine.
    pub boot: BootId,
    /// How the journal was left before it.
    pub after: Stop,
}

impl<F: DiskFile> Recovered<F> {
    /// True when the journal was closed, or had never been opened.
    #[must_use]
    pub fn clean(&self) -> bool {
        matches!(self.after, Stop::Clean | Stop::First)
    }

    /// True when the machine was restarted without a clean stop, so that what was written and not synced may be gone.
    #[must_use]
    pub fn power_lost(&self) -> bool {
        self.after == Stop::PowerLost
    }

    /// Shows every record after [`Recovered::applied`] in order, with its end and its kind. Returns the end.
    ///
    /// # Errors
    /// When a record cannot be read any more.
    pub fn visit(&self, visit: &mut dyn FnMut(Position, u8, &[u8])) -> Result<Position, ReadError> {
        for (segment, end) in &self.records {
            if *end > self.applied.get() {
                visit_segment(segment, *end, self.applied.get().max(segment.first), visit)?;
            }
        }
        Ok(self.end)
    }
}

/// Shows the records of one segment from the position `from` to its last one, which ends at `end`.
pub(crate) fn visit_segment<F: DiskFile>(
    segment: &Segment<F>,
    end: u64,
    from: u64,
    visit: &mut dyn FnMut(Position, u8, &[u8]),
) -> Result<(), Doubt> {
    visit_batch(segment, end, from, u64::MAX, visit).map(drop)
}

/// The same, until `bytes_max` bytes were read. Returns the position that was reached.
pub(crate) fn visit_batch<F: DiskFile>(
    segment: &Segment<F>,
    end: u64,
    from: u64,
    bytes_max: u64,
    visit: &mut dyn FnMut(Position, u8, &[u8]),
) -> Result<u64, Doubt> {
    let doubt = |offset, wrong| Doubt::new(segment.name(), offset, wrong);
    let mut scan = segment.scan(end).skip_to(from);
    while scan.position() < end && scan.position() - from < bytes_max {
        let offset = scan.offset();
        let next = scan.next().map_err(|error| doubt(offset, Wrong::Unreadable(error)))?;
        let (end, frame) = next.ok_or_else(|| doubt(offset, Wrong::Record))?;
        if frame.mark == Mark::Record {
            visit(Position::new(end), frame.kind, frame.payload);
        }
    }
    Ok(scan.position())
}

impl<F> core::fmt::Debug for Recovered<F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Recovered")
            .field("applied", &self.applied)
            .field("end", &self.end)
            .field("after", &self.after)
            .field("torn_bytes", &self.torn_bytes)
            .field("openings", &self.openings)
            .finish_non_exhaustive()
    }
}
