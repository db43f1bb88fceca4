//! A spare that is made ahead leaves the core to others between its pieces; one that somebody waits for does not.
#![expect(clippy::disallowed_methods, reason = "the time that passes is what is looked at")]

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{BOOT, driven};
use crate::{Disk, Driver, FaultDisk, Journal, NoRoom, Options, Position, RUN_BYTES, RealDisk};

/// Pieces of a file: half a minute, where each rests.
const PIECES: usize = 30_000;

/// A disk whose files are made of many pieces.
struct Pieces {
    disk: FaultDisk,
    rests: Arc<AtomicUsize>,
    /// How long the first three rests of a spare took.
    first_rests: Arc<Mutex<Option<Duration>>>,
}

impl Disk for Pieces {
    type File = <FaultDisk as Disk>::File;
    type Lock = <FaultDisk as Disk>::Lock;

    fn create(&self, name: &str, bytes: u64, rest: &dyn Fn()) -> io::Result<Self::File> {
        let started = Instant::now();
        for piece in 1..=PIECES {
            rest();
            self.rests.fetch_add(1, Ordering::SeqCst);
            // The first file is the one to begin with.
            if piece == 3 && self.rests.load(Ordering::SeqCst) > PIECES {
                self.first_rests.lock().unwrap().get_or_insert_with(|| started.elapsed());
            }
        }
        self.disk.create(name, bytes, rest)
    }

    fn lock(&self) -> io::Result<Self::Lock> {
        self.disk.lock()
    }

    fn is_locked(&self) -> io::Result<bool> {
        self.disk.is_locked()
    }

    fn open(&self, name: &str) -> io::Result<Self::File> {
        self.disk.open(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.disk.sync_dir()
    }
}

#[test]
fn a_spare_rests_between_its_pieces_until_a_record_waits_for_it() {
    let disk = Pieces { disk: FaultDisk::new(1), rests: Arc::default(), first_rests: Arc::default() };
    let (rests, first_rests) = (Arc::clone(&disk.rests), Arc::clone(&disk.first_rests));
    let options = Options { driver: Driver::Threads, ..driven(1, BOOT) };
    let (journal, _) = Journal::open(disk, options, Position::START).unwrap();
    assert_eq!(rests.load(Ordering::SeqCst) / PIECES, 1, "the first file is made when it is asked for, without a rest");
    while first_rests.lock().unwrap().is_none() {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let took = first_rests.lock().unwrap().unwrap();
    assert!(took >= Duration::from_millis(1), "three rests took {took:?}");
    // More than the first segment has, and each wait is of 20 ms at most: far less than the rests would take.
    let mut refused = 0;
    for _ in 0..30 {
        while let Err(error) = journal.append(1, &[1; 2_048]) {
            assert_eq!(error, NoRoom::Full);
            refused += 1;
            assert!(refused < 200, "a record waits while the spare rests");
        }
    }
    journal.close().unwrap();
}

#[test]
fn a_real_disk_rests_after_every_piece() {
    let folder = tempfile::tempdir().unwrap();
    let rests = AtomicUsize::new(0);
    let rest = || {
        rests.fetch_add(1, Ordering::SeqCst);
    };
    let file = RealDisk::new(folder.path()).create("spare", 4 * RUN_BYTES + 1, &rest).unwrap();
    assert_eq!((rests.into_inner(), file.metadata().unwrap().len()), (4, 4 * RUN_BYTES + 1));
}
