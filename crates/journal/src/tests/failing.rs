//! A failed write or sync ends all writing; a full disk refuses what begins and ends what began.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{BOOT, NEXT_BOOT, driven, open, records};
use crate::{Fault, FaultDisk, Journal, Loss, NoRoom, Options, Position};

#[test]
fn a_failed_write_or_sync_poisons_and_is_never_tried_again() {
    for (fault, is_sync) in [(Fault::Error, false), (Fault::ShortWrite, false), (Fault::Error, true)] {
        let disk = FaultDisk::new(1);
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let options = Options {
            on_poison: Some(Arc::new(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            })),
            ..driven(1, BOOT)
        };
        let (journal, _) = Journal::open(disk.clone(), options, Position::START).unwrap();
        let room = journal.begin(1, b"one").unwrap();
        let kept = room.position();
        let other = journal.begin(1, b"two").unwrap();
        if is_sync {
            journal.drive().unwrap();
            journal.append(2, b"three").unwrap();
            disk.fail_at(disk.ios(), fault);
            journal.sync().unwrap_err();
        } else {
            disk.fail_at(disk.ios(), fault);
            assert!(matches!(journal.append(2, b"three"), Err(NoRoom::Poisoned(_))));
        }
        let ios = disk.ios();
        let end = room.finish(3, b"lost");
        drop(other);
        assert!(end > journal.durable());
        journal.wait_durable_blocking(end).unwrap_err();
        assert!(matches!(journal.begin(1, b"four"), Err(NoRoom::Poisoned(_))));
        journal.sync().unwrap_err();
        let _ = journal.drive();
        journal.clone().close().unwrap_err();
        assert_eq!((disk.ios(), told.load(Ordering::SeqCst)), (ios, 1), "{fault:?}: nothing is tried again");
        drop(journal);
        let (_, recovered) = Journal::open(disk.restart(Loss::Nothing), driven(2, BOOT), Position::START).unwrap();
        assert!(records(&recovered).iter().any(|record| record.0 == kept), "{fault:?}");
    }
}

#[test]
fn what_a_failed_sync_lost_is_written_again_by_the_next_process() {
    let disk = FaultDisk::new(2);
    let (journal, _) = open(&disk, 1);
    let end = journal.append(1, b"shown but not on the disk").unwrap();
    disk.fail_at(disk.ios(), Fault::Error);
    journal.sync().unwrap_err();
    drop(journal);
    let disk = disk.restart(Loss::Nothing);
    let (journal, recovered) = open(&disk, 2);
    assert_eq!((records(&recovered).len(), journal.durable()), (1, end));
    drop(journal);
    let (_, recovered) = Journal::open(disk.restart(Loss::Unsynced), driven(3, NEXT_BOOT), Position::START).unwrap();
    assert_eq!(records(&recovered).len(), 1, "the system took its page for clean");
}

#[test]
fn on_a_full_disk_what_began_can_end_and_nothing_begins() {
    for seed in 0..50 {
        let mut chance = fastrand::Rng::with_seed(seed);
        let disk = FaultDisk::new(seed);
        let (journal, _) = open(&disk, 1);
        let mut rooms = Vec::new();
        let full_at = chance.usize(0..60);
        let refused = loop {
            disk.set_full(rooms.len() >= full_at);
            match journal.begin(1, &vec![1; chance.usize(0..=2_048)]) {
                Ok(room) => rooms.push(room),
                Err(error) => break error,
            }
            if chance.u8(0..4) == 0 {
                let _ = journal.append(2, &vec![2; chance.usize(0..=2_048)]);
            }
        };
        assert_eq!(refused, NoRoom::Full);
        assert!(rooms.len() > 4, "{} rooms", rooms.len());
        chance.shuffle(&mut rooms);
        let given_back = rooms.len() / 4;
        rooms.truncate(rooms.len() - given_back);
        let last = rooms.into_iter().map(|room| room.finish(3, &[3; 2_048])).last();
        journal.wait_durable_blocking(last.unwrap()).unwrap();
        // The files of what is applied go, and with space on the disk there is room again.
        let end = journal.sync().unwrap();
        disk.set_full(false);
        journal.applied(end);
        journal.drive().unwrap();
        drop(journal.begin(1, &[1; 2_048]).unwrap());
        journal.close().unwrap();
        crate::verify(&disk).unwrap();
    }
}

#[test]
fn the_mark_of_a_clean_stop_has_its_space_on_a_full_disk() {
    let disk = FaultDisk::new(3);
    let (journal, _) = open(&disk, 1);
    disk.set_full(true);
    while journal.append(1, &[1; 2_048]).is_ok() {}
    while journal.append(1, &[]).is_ok() {}
    journal.close().unwrap();
    assert!(crate::verify(&disk).unwrap().is_clean);
}

#[test]
fn threads_make_spares_again_when_there_is_space() {
    let disk = FaultDisk::new(4);
    let options = Options { segment_bytes: 0, ..Options::new(1, BOOT) };
    let (journal, _) = Journal::open(disk.clone(), options, Position::START).unwrap();
    disk.set_full(true);
    while journal.append(1, &[1; 2_048]).is_ok() {}
    disk.set_full(false);
    let end = journal.sync().unwrap();
    journal.applied(end);
    // Deletion wakes the thread at once, else it tries again every second.
    let mut attempts = 0;
    while journal.append(1, &[1; 2_048]).is_err() {
        attempts += 1;
        assert!(attempts < 5_000, "no spare came");
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    journal.close().unwrap();
}

#[test]
fn a_clean_stop_whose_sync_failed_is_written_again_by_the_next_process() {
    let disk = FaultDisk::new(5);
    let (journal, _) = open(&disk, 1);
    journal.append(1, b"kept").unwrap();
    let end = journal.sync().unwrap();
    // The mark is written, and its sync fails: the system shows it, and the disk does not have it.
    disk.fail_at(disk.ios() + 1, Fault::Error);
    journal.close().unwrap_err();
    let disk = disk.restart(Loss::Nothing);
    let (journal, recovered) = open(&disk, 2);
    assert!(recovered.clean() && recovered.end > end);
    journal.append(1, b"more").unwrap();
    journal.sync().unwrap();
    drop(journal);
    let (_, recovered) = Journal::open(disk.restart(Loss::Unsynced), driven(3, NEXT_BOOT), Position::START).unwrap();
    assert_eq!(records(&recovered).len(), 2);
}
