//! What the caller decides when it opens a journal.

use core::fmt;
use core::time::Duration;
use std::sync::Arc;

use crate::{Poisoned, frame, header};

/// The default size of a segment.
pub const SEGMENT_BYTES: u64 = 8 << 20;
/// How long records gather by default: far below the time that a model takes for its first byte.
pub(crate) const GATHER: Duration = Duration::from_millis(2);
/// How long records may be without a sync by default while nobody waits for one: most answers take far longer to begin.
pub(crate) const LINGER: Duration = Duration::from_millis(10);
/// Smaller segments are made of this size.
pub const SEGMENT_BYTES_MIN: u64 = header::BYTES + 16 * frame::BYTES_MAX;
/// Larger segments are made of this size.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// When records reach the disk. They survive the end of the process at once, at every level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When somebody asks for it.
    Process,
    /// As soon as the disk can; the caller waits before it lets something out.
    #[default]
    Power,
    /// As `Power`; the caller waits before it sends something upstream, too.
    Strict,
}

/// Who does the work beside the hot path: syncs, spare segments, deletions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Driver {
    /// Two threads of the journal.
    #[default]
    Threads,
    /// Whoever waits, and [`crate::Journal::drive`]. The order of all I/O is then that of the calls, so that a test can
    /// repeat it.
    Caller,
}

/// The run of the machine, such as Linux' boot id. It tells a killed process from a machine that lost its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// Where the system has no such id: every stop that was not clean then counts as a loss of power.
    pub const UNKNOWN: BootId = BootId([0; 16]);

    /// True when both are known and the same.
    pub(crate) fn is_same_run(self, other: BootId) -> bool {
        self == other && self != BootId::UNKNOWN
    }
}

/// Called once, with no lock held, when the journal has become unusable.
pub type OnPoison = Arc<dyn Fn(&Poisoned) + Send + Sync>;

/// How to open a journal.
#[derive(Clone)]
pub struct Options {
    /// The size of new segments; held between [`SEGMENT_BYTES_MIN`] and [`SEGMENT_BYTES_MAX`].
    pub segment_bytes: u64,
    /// When records reach the disk.
    pub durability: Durability,
    /// The number of this opening, greater than that of any before.
    pub epoch: u64,
    /// The run of the machine.
    pub boot: BootId,
    /// How long the thread lets records gather after a sync, but for `Strict`: an answer that comes at once waits for up
    /// to so much longer, and a busy journal syncs less often.
    pub gather: Duration,
    /// At `Power`, how long records that nobody waits for may be without a sync. More of them share one then; a loss of
    /// power loses the ends of so much more time.
    pub linger: Duration,
    /// Who does the work beside the hot path.
    pub driver: Driver,
    /// True where an empty folder may follow a position that was applied: after the restore of a backup without the
    /// journal. Else a lost journal is an error.
    pub accept_lost: bool,
    /// Told of the first failed write or sync.
    pub on_poison: Option<OnPoison>,
}

impl Options {
    /// The defaults, for the opening with this number in this run of the machine.
    #[must_use]
    pub fn new(epoch: u64, boot: BootId) -> Options {
        Options {
            segment_bytes: SEGMENT_BYTES,
            durability: Durability::default(),
            epoch,
            boot,
            gather: GATHER,
            linger: LINGER,
            driver: Driver::default(),
            accept_lost: false,
            on_poison: None,
        }
    }

    /// The size of new segments within its bounds.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("durability", &self.durability)
            .field("epoch", &self.epoch)
            .field("boot", &self.boot)
            .field("driver", &self.driver)
            .finish_non_exhaustive()
    }
}
