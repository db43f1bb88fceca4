//! What can go wrong: with a record ([`NoRoom`]), with the journal ([`Poisoned`]), or with what is on the disk
//! ([`Doubt`]).

use core::fmt;
use std::io;
use std::sync::Arc;

use thiserror::Error;

use crate::Position;

/// A write or a sync failed, and nobody knows what the disk holds since. Nothing is retried: the process must end, and
/// the next one recovers what is there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the journal is closed to writing: {reason}")]
pub struct Poisoned {
    reason: Arc<str>,
}

impl Poisoned {
    pub(crate) fn new(reason: impl fmt::Display) -> Poisoned {
        Poisoned { reason: reason.to_string().into() }
    }
}

/// A record was not written, and nothing of it can be recovered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoRoom {
    /// The preallocated space is needed for the ends of what began; more cannot be had, or not yet.
    #[error("the journal has no room for another record: free space on its disk")]
    Full,
    /// The journal is unusable.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
}

/// Something in the folder is not as the journal left it.
#[derive(Debug, Error)]
#[error("{file}, byte {offset}: {what}")]
pub struct Doubt {
    /// The file's name in the folder.
    pub file: String,
    /// Where in the file.
    pub offset: u64,
    /// What is wrong.
    pub what: Wrong,
}

impl Doubt {
    pub(crate) fn new(file: impl Into<String>, offset: u64, what: Wrong) -> Doubt {
        Doubt { file: file.into(), offset, what }
    }

    pub(crate) fn unreadable(file: &str) -> impl FnOnce(io::Error) -> Doubt {
        let file = file.to_owned();
        move |error| Doubt::new(file, 0, Wrong::Unreadable(error))
    }
}

/// What is wrong at a place of a file.
#[derive(Debug, Error)]
pub enum Wrong {
    /// The operating system says so.
    #[error("{0}")]
    Unreadable(io::Error),
    /// There are segments before and after it.
    #[error("the segment is missing")]
    Missing,
    /// It has another magic number.
    #[error("this is no segment of a journal")]
    Foreign,
    /// It was written by another version of the format.
    #[error("the segment is of version {0}, which this program does not read")]
    Version(u32),
    /// The checksum of the header does not fit, or the header is another segment's, or is missing.
    #[error("the header of the segment is damaged")]
    Header,
    /// There is no record where one must be.
    #[error("a record is damaged")]
    Record,
    /// The segment does not begin where the one before it ends.
    #[error("the segment begins at position {found}, and the one before it ends at {expected}")]
    Gap {
        /// Where it must begin.
        expected: Position,
        /// Where it begins.
        found: Position,
    },
    /// The segments were written in another order.
    #[error("the segment is of epoch {found}, and one before it of epoch {before}")]
    Epoch {
        /// The epoch of the segment.
        found: u64,
        /// The later epoch of the one before.
        before: u64,
    },
    /// What the segments before it hold is not what was written.
    #[error("the segments before this one were changed: their hash is not the one that was recorded here")]
    Chain,
    /// Bytes after the last record.
    #[error("{0} bytes after the last record are no record: torn by a crash, which opening repairs, or damaged")]
    Torn(u64),
}

/// A journal does not open. What is on the disk was not changed, except where an I/O error came while a torn tail was
/// cut.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has the journal open.
    #[error("the journal is already open in another process")]
    Locked,
    /// Something is wrong with what is on the disk.
    #[error("the journal is damaged: {0}")]
    Doubt(#[from] Doubt),
    /// The disk refused while a tail was cut or a segment made.
    #[error("{file}: {source}")]
    Disk {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// Records that were not applied are gone.
    #[error("the records between {applied}, where the store is, and {first}, where the journal begins, are missing")]
    Gone {
        /// What the caller has applied.
        applied: Position,
        /// Where the journal begins.
        first: Position,
    },
    /// The caller has applied what the journal does not have.
    #[error("the store is at {applied}, and the journal ends at {end}: one of the two is from another time")]
    Beyond {
        /// What the caller has applied.
        applied: Position,
        /// Where the journal ends.
        end: Position,
    },
    /// The epoch is not a new one.
    #[error("the journal was opened with epoch {last} before, and {given} is not later")]
    Epoch {
        /// The epoch of the options.
        given: u64,
        /// The last one in the folder.
        last: u64,
    },
}

impl OpenError {
    pub(crate) fn disk(file: &str) -> impl FnOnce(io::Error) -> OpenError {
        let file = file.to_owned();
        move |source| OpenError::Disk { file, source }
    }
}

/// Records cannot be read back.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The position is before the first record that is kept, or after the last.
    #[error("position {0} is not in the journal")]
    Outside(Position),
    /// A record is damaged, or the disk refused.
    #[error(transparent)]
    Doubt(#[from] Doubt),
}
