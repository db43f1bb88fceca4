//! The data directory: made for its owner alone, and claimed by at most one serving process.

use core::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::StoreError;

/// Held by the process that serves.
const LOCK_NAME: &str = "serving.lock";

/// Makes the directory where it is missing, readable by its owner alone.
pub(crate) fn create(data_dir: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
    made.map_err(|error| StoreError::file(data_dir, error))
}

/// Opens a file for reading and writing, made where it is missing, readable by its owner alone.
pub(crate) fn open_private(path: &Path) -> Result<File, StoreError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    file.map_err(|error| StoreError::file(path, error))
}

/// Proof that this process is the one that serves from the data directory; dropped, the claim ends. The operating
/// system ends it too when the process dies, however it dies.
#[derive(Debug)]
pub struct ServingGuard {
    _lock: File,
}

/// The data directory is served already, or the claim could not be made.
#[derive(Debug, Error)]
pub enum AlreadyServing {
    /// Another process serves.
    #[error(
        "the data directory {data_dir} is already served by process {process}; stop it first, or use another data_dir"
    )]
    Other {
        /// The data directory.
        data_dir: PathBuf,
        /// The other's process id, as it wrote it.
        process: ProcessId,
    },
    /// The claim could not be made.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A process id, where it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessId(pub Option<u32>);

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, "{id}"),
            None => f.write_str("(unknown id)"),
        }
    }
}

/// Claims the data directory for serving.
pub(crate) fn claim(data_dir: &Path) -> Result<ServingGuard, AlreadyServing> {
    let path = data_dir.join(LOCK_NAME);
    let mut lock = open_private(&path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let process = read_process(&mut lock);
            return Err(AlreadyServing::Other { data_dir: data_dir.to_owned(), process });
        }
        Err(std::fs::TryLockError::Error(error)) => return Err(StoreError::file(path, error).into()),
    }
    let written = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| write!(lock, "{}", std::process::id()));
    written.map_err(|error| StoreError::file(path, error))?;
    Ok(ServingGuard { _lock: lock })
}

/// The process that serves from the data directory now, if one does.
pub(crate) fn serving_process(data_dir: &Path) -> Result<Option<ProcessId>, StoreError> {
    let path = data_dir.join(LOCK_NAME);
    let mut lock = match OpenOptions::new().read(true).open(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::file(path, error)),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(std::fs::TryLockError::WouldBlock) => Ok(Some(read_process(&mut lock))),
        Err(std::fs::TryLockError::Error(error)) => Err(StoreError::file(path, error)),
    }
}

fn read_process(lock: &mut File) -> ProcessId {
    let mut text = String::new();
    let read = lock.take(16).read_to_string(&mut text);
    ProcessId(read.ok().and_then(|_| text.trim().parse().ok()))
}
