//! The few operations that a journal asks of a disk, so that tests can make each of them fail.

#[cfg(any(test, feature = "faults"))]
mod fault;
mod real;

use std::io;

#[cfg(any(test, feature = "faults"))]
pub use fault::{Fault, FaultDisk, Loss};
pub use real::RealDisk;

/// So much of a new file is written between two rests.
pub const RUN_BYTES: u64 = 64 << 10;

/// A folder of files.
pub trait Disk: Send + Sync + 'static {
    /// An open file.
    type File: DiskFile;
    /// Proof that nobody else writes to the folder; ends when it is dropped.
    type Lock: Send + Sync + 'static;

    /// Takes the folder for writing. The error's kind is `WouldBlock` when somebody else has it.
    ///
    /// # Errors
    /// When the lock cannot be taken.
    fn lock(&self) -> io::Result<Self::Lock>;

    /// True when somebody has taken the folder for writing.
    ///
    /// # Errors
    /// When the lock cannot be read.
    fn is_locked(&self) -> io::Result<bool>;

    /// Makes a file of `bytes` zeros whose space is taken on the disk. When it returns, file and name are durable.
    /// After each [`RUN_BYTES`] of it `rest` is called, which may sleep.
    ///
    /// # Errors
    /// When there is no space, or the disk fails; no file of that name is left then, as far as that can be had.
    fn create(&self, name: &str, bytes: u64, rest: &dyn Fn()) -> io::Result<Self::File>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// When it is missing or cannot be used.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// The names of all files, in any order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Removes a file; it may come back with a loss of power until [`Disk::sync_dir`].
    ///
    /// # Errors
    /// When the disk fails.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes removals durable.
    ///
    /// # Errors
    /// When the disk fails.
    fn sync_dir(&self) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Send + Sync + 'static {
    /// Writes all bytes or fails.
    ///
    /// # Errors
    /// When the disk fails; what the range holds is then unknown.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reads up to the length of `into`, and less only at the end of the file.
    ///
    /// # Errors
    /// When the disk fails.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// When the disk fails; what the file holds is then unknown.
    fn sync_data(&self) -> io::Result<()>;

    /// The size.
    ///
    /// # Errors
    /// When the disk fails.
    fn length(&self) -> io::Result<u64>;
}
