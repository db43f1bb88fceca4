//! A folder of the operating system.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Disk, DiskFile, RUN_BYTES};

/// Held by the process that writes.
const LOCK_NAME: &str = "journal.lock";
/// Zeros are written in pieces of this size, a page: a file system that keeps a larger piece as one looks at all of its
/// blocks with each record that is written into it, which costs more than the record.
const PIECE_BYTES: u64 = 4 << 10;

/// A folder of the operating system, made where it is missing and readable by its owner alone.
#[derive(Debug, Clone)]
pub struct RealDisk {
    folder: PathBuf,
}

impl RealDisk {
    /// The folder at this path; nothing is touched yet.
    #[must_use]
    pub fn new(folder: &Path) -> RealDisk {
        RealDisk { folder: folder.to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn fill(&self, name: &str, bytes: u64, rest: &dyn Fn()) -> io::Result<File> {
        let path = self.path(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        allocate(&file, bytes)?;
        // Extents that were never written cost a change of metadata at their first sync; zeros pay it here.
        let zeros = vec![0; usize::try_from(PIECE_BYTES.min(bytes)).unwrap_or_default()];
        let mut offset = 0;
        while offset < bytes {
            let piece = &zeros[..zeros.len().min(usize::try_from(bytes - offset).unwrap_or(usize::MAX))];
            file.write_all_at(piece, offset)?;
            offset += piece.len() as u64;
            if offset.is_multiple_of(RUN_BYTES) {
                rest();
            }
        }
        file.sync_all()?;
        self.sync_dir()?;
        Ok(file)
    }
}

/// Takes the space on the disk, so that a later write cannot run out of it.
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        // The zeros that follow take the space where the file system has no call for it.
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Disk for RealDisk {
    type File = File;
    type Lock = File;

    fn lock(&self) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let path = self.path(LOCK_NAME);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn is_locked(&self) -> io::Result<bool> {
        let file = match File::open(self.path(LOCK_NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn create(&self, name: &str, bytes: u64, rest: &dyn Fn()) -> io::Result<File> {
        let made = self.fill(name, bytes, rest);
        if made.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
            // A part of a file would keep space on a disk that is full; where it cannot go, the next opening removes it.
            let _ = self.remove(name);
        }
        made
    }

    fn open(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(self.path(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

impl DiskFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut filled = 0;
        while filled < into.len() {
            match FileExt::read_at(self, &mut into[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}
