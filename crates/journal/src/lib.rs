//! The write-ahead journal: records that survive the end of the process at once and a loss of power after a sync.
//!
//! [`Journal::begin`] writes an intent and takes room for its end, so that [`Room::finish`] cannot fail for want of
//! space. A thread makes written records durable in groups; [`Journal::wait_durable`] waits for one. An applier follows
//! with [`Journal::read`] and gives space back with [`Journal::applied`]. [`Journal::open`] cuts what a crash tore and
//! refuses everything else that is not as it was written.
//!
//! **Architecture invariant:** `journal` knows no money, no record but its kind and bytes, no SQL and no async runtime;
//! of tokio it uses what waits on any runtime. Everything that it asks of a disk goes through [`Disk`], so that a test
//! can fail each I/O.
//!
//! Invariants: a position is given once; what is durable is never cut; the head of a segment proves that everything
//! before it was durable; after a failed write or sync nothing is written any more; what was promised to rooms fits in
//! space that is taken on the disk already.
//!
//! # On the disk
//!
//! Files `NNNNNNNNNN.log` of one size, full of zeros when they are made. A head (magic, version, number, first position,
//! epoch, boot id, how the journal was left before, hash of the segment before, checksum) is written into the first
//! 4,096 bytes when all before it is durable; records follow without a gap. A record says how far the journal was
//! durable when it was written. After a loss of power this tells a record that never reached the disk (cut) from one
//! that was there and is damaged (refused).
//!
//! # Where this differs from the first design
//!
//! - Each opening begins a segment; the head of a segment that follows in the same run is written by the sync, not by
//!   the writer, because a head proves that the one before is whole.
//! - Segments are deleted, not used again: a fresh one of zeros shows that nothing is behind the last record.
//! - Two threads, because a spare of zeros takes longer than a sync. With [`Driver::Caller`] there is none.
//! - `Recovered` is a visitor of its own and names all openings: an opening after a loss of power that is killed before
//!   it wrote anything tells the next one of that loss, and later ones find it in [`Recovered::openings`].
//! - At [`Durability::Process`] waiting asks for a sync; nothing else does.
//! - A record that needs another spare while it is being made waits up to 20 ms for it before it is refused.

mod chain;
mod core;
mod disk;
mod error;
mod frame;
mod header;
mod journal;
mod keeper;
mod options;
mod position;
mod recover;
mod recovered;
mod room;
mod scan;
mod segment;
mod state;
mod survey;
mod syncer;
#[cfg(test)]
mod tests;
mod verify;
mod waiting;

pub use disk::{Disk, DiskFile, RUN_BYTES, RealDisk};
#[cfg(any(test, feature = "faults"))]
pub use disk::{Fault, FaultDisk, Loss};
pub use error::{Doubt, NoRoom, OpenError, Poisoned, ReadError, Wrong};
pub use header::Stop;
pub use journal::Journal;
pub use options::{BootId, Driver, Durability, OnPoison, Options, SEGMENT_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
pub use position::Position;
pub use recovered::{Opening, Recovered};
pub use room::Room;
pub use verify::{Report, read_disk, read_folder, verify, verify_folder};

/// The longest payload of a record.
pub const PAYLOAD_BYTES_MAX: usize = 2_048;
