//! A disk in memory that fails where it is told to, the same way each time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

/// What a loss of power takes or leaves as a whole.
const SECTOR_BYTES: usize = 512;

/// What happens at one I/O.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Everything stops. A write has been done up to some sector, another operation wholly or not at all; whatever is
    /// asked afterwards fails, until [`FaultDisk::restart`].
    Crash,
    /// The operation fails and does nothing. A sync that fails loses what it was to make durable, and the next one
    /// succeeds, as it is with real systems.
    Error,
    /// A write does some of its sectors and fails; other operations fail as with [`Fault::Error`].
    ShortWrite,
    /// The operation fails for want of space.
    NoSpace,
}

/// What is lost in a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing: the process was killed.
    Nothing,
    /// All that was not synced.
    Unsynced,
    /// A random part of what was not synced, by sectors and names.
    Torn,
}

/// The disk. Clones are the same one.
#[derive(Clone)]
pub struct FaultDisk {
    shelf: Arc<Mutex<Shelf>>,
    is_locked: Arc<AtomicBool>,
}

struct Shelf {
    files: BTreeMap<String, Arc<Mutex<Content>>>,
    /// The names that a loss of power leaves.
    durable: BTreeMap<String, Arc<Mutex<Content>>>,
    ios: u64,
    faults: BTreeMap<u64, Fault>,
    is_down: bool,
    is_full: bool,
    chance: fastrand::Rng,
}

#[derive(Clone)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors that differ, by number.
    dirty: BTreeSet<usize>,
}

/// A file of a [`FaultDisk`].
pub struct FaultFile {
    disk: FaultDisk,
    content: Arc<Mutex<Content>>,
}

/// The lock of a [`FaultDisk`].
pub struct FaultLock(Arc<AtomicBool>);

impl FaultDisk {
    /// An empty disk. All its chances follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> FaultDisk {
        FaultDisk::with(BTreeMap::new(), fastrand::Rng::with_seed(seed))
    }

    fn with(files: BTreeMap<String, Arc<Mutex<Content>>>, chance: fastrand::Rng) -> FaultDisk {
        let shelf = Shelf {
            durable: files.clone(),
            files,
            ios: 0,
            faults: BTreeMap::new(),
            is_down: false,
            is_full: false,
            chance,
        };
        FaultDisk { shelf: Arc::new(Mutex::new(shelf)), is_locked: Arc::default() }
    }

    /// How many I/Os there were: writes, syncs, creations and removals. Reads do not count.
    #[must_use]
    pub fn ios(&self) -> u64 {
        self.shelf().ios
    }

    /// Lets the I/O after `ios` others fail.
    pub fn fail_at(&self, ios: u64, fault: Fault) {
        self.shelf().faults.insert(ios, fault);
    }

    /// Lets every creation fail for want of space, or no longer.
    pub fn set_full(&self, is_full: bool) {
        self.shelf().is_full = is_full;
    }

    /// True once [`Fault::Crash`] has happened.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.shelf().is_down
    }

    /// The disk as the next process finds it, without faults. This one is of no use any more.
    #[must_use]
    pub fn restart(&self, loss: Loss) -> FaultDisk {
        let mut shelf = self.shelf();
        shelf.is_down = true;
        let mut chance = shelf.chance.fork();
        let mut files = BTreeMap::new();
        let names: BTreeSet<&String> = shelf.files.keys().chain(shelf.durable.keys()).collect();
        for name in names {
            let (now, durable) = (shelf.files.get(name), shelf.durable.get(name));
            let kept = match loss {
                Loss::Nothing => now,
                Loss::Unsynced => durable,
                Loss::Torn if chance.bool() => now,
                Loss::Torn => durable,
            };
            if let Some(content) = kept {
                let content = lock(content).after(loss, &mut chance);
                files.insert(name.clone(), Arc::new(Mutex::new(content)));
            }
        }
        FaultDisk::with(files, chance)
    }

    /// Changes one bit of a file, as a failing disk or an editor does.
    ///
    /// # Panics
    /// When there is no such bit.
    pub fn flip(&self, name: &str, bit: usize) {
        let shelf = self.shelf();
        let mut content = lock(shelf.files.get(name).expect("the file is there"));
        for bytes in [0, 1] {
            let copy = if bytes == 0 { &mut content.bytes } else { &mut content.durable };
            copy[bit / 8] ^= 1 << (bit % 8);
        }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.shelf)
    }

    /// Counts an I/O. With an error, `Some` says how much of it happens nevertheless, from 0 to 1,000.
    fn count(&self) -> Result<(), (io::Error, u32)> {
        let mut shelf = self.shelf();
        if shelf.is_down {
            return Err((io::Error::other("the machine is down"), 0));
        }
        let number = shelf.ios;
        shelf.ios += 1;
        match shelf.faults.remove(&number) {
            None => Ok(()),
            Some(Fault::Crash) => {
                shelf.is_down = true;
                let share = [0, 1_000, shelf.chance.u32(0..1_000)];
                let share = shelf.chance.choice(share).unwrap_or(0);
                Err((io::Error::other("the machine went down"), share))
            }
            Some(Fault::Error) => Err((io::Error::from_raw_os_error(5), 0)),
            Some(Fault::ShortWrite) => Err((io::ErrorKind::WriteZero.into(), shelf.chance.u32(0..1_000))),
            Some(Fault::NoSpace) => Err((io::ErrorKind::StorageFull.into(), 0)),
        }
    }

    /// Counts an operation that happens wholly or not at all.
    fn run(&self, work: impl FnOnce(&mut Shelf)) -> io::Result<()> {
        let counted = self.count();
        if counted.as_ref().map_or_else(|(_, share)| *share == 1_000, |()| true) {
            work(&mut self.shelf());
        }
        counted.map_err(|(error, _)| error)
    }

    fn file(&self, content: &Arc<Mutex<Content>>) -> FaultFile {
        FaultFile { disk: self.clone(), content: Arc::clone(content) }
    }
}

impl Content {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(bytes);
        self.dirty.extend(offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    /// Takes what is dirty for durable; with `is_lost` only as a system does that could not write it.
    fn clean(&mut self, is_lost: bool) {
        let dirty = std::mem::take(&mut self.dirty);
        if !is_lost {
            dirty.into_iter().for_each(|sector| self.keep(sector));
        }
    }

    fn keep(&mut self, sector: usize) {
        let range = sector * SECTOR_BYTES..self.bytes.len().min((sector + 1) * SECTOR_BYTES);
        self.durable.resize(self.bytes.len(), 0);
        self.durable[range.clone()].copy_from_slice(&self.bytes[range]);
    }

    fn after(&self, loss: Loss, chance: &mut fastrand::Rng) -> Content {
        let mut next = self.clone();
        match loss {
            Loss::Nothing => return next,
            Loss::Unsynced => {}
            // Some losses are of few sectors and some of many.
            Loss::Torn => {
                let kept = chance.u8(..);
                for sector in std::mem::take(&mut next.dirty) {
                    if chance.u8(..) < kept {
                        next.keep(sector);
                    }
                }
            }
        }
        next.bytes.clone_from(&next.durable);
        next.dirty.clear();
        next
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for FaultDisk {
    type File = FaultFile;
    type Lock = FaultLock;

    fn lock(&self) -> io::Result<FaultLock> {
        if self.is_locked.swap(true, Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(FaultLock(Arc::clone(&self.is_locked)))
    }

    fn is_locked(&self) -> io::Result<bool> {
        Ok(self.is_locked.load(Ordering::SeqCst))
    }

    fn create(&self, name: &str, bytes: u64, _rest: &dyn Fn()) -> io::Result<FaultFile> {
        if self.shelf().is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let zeros = vec![0; usize::try_from(bytes).unwrap_or_default()];
        let content = Content { bytes: zeros.clone(), durable: zeros, dirty: BTreeSet::new() };
        let content = Arc::new(Mutex::new(content));
        self.run(|shelf| drop(shelf.files.insert(name.to_owned(), Arc::clone(&content))))?;
        self.run(|shelf| drop(shelf.durable.insert(name.to_owned(), Arc::clone(&content))))?;
        Ok(self.file(&content))
    }

    fn open(&self, name: &str) -> io::Result<FaultFile> {
        let shelf = self.shelf();
        shelf.files.get(name).map(|content| self.file(content)).ok_or_else(missing)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.shelf().files.keys().cloned().collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.shelf().files.contains_key(name) {
            return Err(missing());
        }
        self.run(|shelf| drop(shelf.files.remove(name)))
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.run(|shelf| shelf.durable = shelf.files.clone())
    }
}

impl DiskFile for FaultFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        match self.disk.count() {
            Ok(()) => {
                lock(&self.content).write(bytes, offset);
                Ok(())
            }
            Err((error, share)) => {
                let reached = offset + bytes.len() * share as usize / 1_000;
                // A system copies by pages and a disk writes by sectors: neither stops within one.
                let reached = if share == 1_000 { reached } else { reached / SECTOR_BYTES * SECTOR_BYTES };
                let done = reached.saturating_sub(offset);
                if done > 0 {
                    lock(&self.content).write(&bytes[..done], offset);
                }
                Err(error)
            }
        }
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = lock(&self.content);
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(content.bytes.len());
        let read = into.len().min(content.bytes.len() - offset);
        into[..read].copy_from_slice(&content.bytes[offset..offset + read]);
        Ok(read)
    }

    fn sync_data(&self) -> io::Result<()> {
        let counted = self.disk.count();
        let is_done = counted.as_ref().map_or_else(|(_, share)| *share == 1_000, |()| true);
        let is_crash = self.disk.is_down();
        if is_done || !is_crash {
            lock(&self.content).clean(!is_done);
        }
        counted.map_err(|(error, _)| error)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(lock(&self.content).bytes.len() as u64)
    }
}

impl Drop for FaultLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
