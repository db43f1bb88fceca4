//! Records come back, in order, after each way to stop; spaces and positions are given once.

use core::time::Duration;

use super::{BOOT, NEXT_BOOT, driven, open, records};
use crate::{Driver, Durability, FaultDisk, Journal, Loss, NoRoom, OpenError, Options, Position, Stop, verify};

#[test]
fn records_come_back_after_a_kill_and_after_a_clean_stop() {
    let disk = FaultDisk::new(1);
    let (journal, recovered) = open(&disk, 1);
    assert_eq!((recovered.after, recovered.end), (Stop::First, Position::START));
    let room = journal.begin(7, b"intent").unwrap();
    let begun = room.position();
    let lease = journal.append(8, b"").unwrap();
    let ended = room.finish(9, &[9; 2_048]);
    assert_eq!(journal.end(), ended);
    let disk = disk.restart(Loss::Nothing);
    let (journal, recovered) = open(&disk, 2);
    let expected = vec![(begun, 7, b"intent".to_vec()), (lease, 8, vec![]), (ended, 9, vec![9; 2_048])];
    assert_eq!(records(&recovered), expected);
    assert_eq!((recovered.after, recovered.torn_bytes), (Stop::Killed, 0));
    let end = journal.close().unwrap();
    let report = verify(&disk).unwrap();
    assert!(report.is_clean && report.records == 3 && report.end == end, "{report:?}");
    let disk = disk.restart(Loss::Unsynced);
    let (_, recovered) = Journal::open(disk, driven(3, NEXT_BOOT), begun).unwrap();
    assert_eq!(records(&recovered), expected[1..]);
    assert!(recovered.clean() && !recovered.power_lost());
    assert_eq!(recovered.openings.iter().map(|opening| opening.epoch).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_loss_of_power_takes_what_was_not_synced_and_is_told() {
    let disk = FaultDisk::new(2);
    let (journal, _) = open(&disk, 1);
    let kept = journal.append(1, b"kept").unwrap();
    assert_eq!(journal.sync().unwrap(), kept);
    journal.append(2, b"lost").unwrap();
    let disk = disk.restart(Loss::Unsynced);
    let (journal, recovered) = Journal::open(disk.clone(), driven(2, NEXT_BOOT), Position::START).unwrap();
    assert_eq!(records(&recovered), [(kept, 1, b"kept".to_vec())]);
    assert!(recovered.power_lost());
    drop((journal, recovered));
    // Killed before it wrote anything, it tells the next one; later ones find it among the openings.
    let (journal, recovered) = Journal::open(disk.clone(), driven(3, NEXT_BOOT), Position::START).unwrap();
    assert!(recovered.power_lost());
    journal.append(3, b"handled").unwrap();
    drop((journal, recovered));
    let (_, recovered) = Journal::open(disk, driven(4, NEXT_BOOT), Position::START).unwrap();
    let after: Vec<Stop> = recovered.openings.iter().map(|opening| opening.after).collect();
    assert_eq!(after, [Stop::First, Stop::PowerLost, Stop::Killed]);
}

#[test]
fn a_process_that_cannot_start_does_not_fill_the_disk() {
    let mut disk = FaultDisk::new(3);
    for epoch in 1..20 {
        drop(open(&disk, epoch));
        disk = disk.restart(Loss::Nothing);
    }
    assert_eq!(crate::Disk::list(&disk).unwrap().len(), 1);
}

#[test]
fn the_applier_reads_what_is_durable_and_gives_segments_back() {
    let disk = FaultDisk::new(4);
    let (journal, _) = open(&disk, 1);
    let mut written = Vec::new();
    for number in 0..200_u8 {
        let payload = vec![number; 1_000];
        written.push((journal.append(number, &payload).unwrap(), number, payload));
    }
    let mut read = Vec::new();
    let mut visit = |end, kind, payload: &[u8]| read.push((end, kind, payload.to_vec()));
    assert_eq!(journal.read(Position::START, 10_000, &mut visit).unwrap(), Position::START);
    let end = journal.sync().unwrap();
    let mut at = Position::START;
    while at < end {
        let next = journal.read(at, 10_000, &mut visit).unwrap();
        assert!(next > at && next.get() - at.get() <= 12_000, "{at} {next}");
        at = next;
    }
    assert_eq!(read, written);
    let files = crate::Disk::list(&disk).unwrap().len();
    journal.applied(written[150].0);
    journal.drive().unwrap();
    assert!(crate::Disk::list(&disk).unwrap().len() + 3 <= files, "four of six segments go");
    assert!(journal.read(Position::START, 1, &mut |_, _, _| ()).is_err());
    assert!(journal.read(written[150].0, 1, &mut |_, _, _| ()).is_ok());
    drop(journal);
    let disk = disk.restart(Loss::Unsynced);
    verify(&disk).unwrap();
    let behind = Journal::open(disk.clone(), driven(2, BOOT), written[2].0).map(drop);
    assert!(matches!(behind, Err(OpenError::Gone { applied, .. }) if applied == written[2].0), "{behind:?}");
    let (_, recovered) = Journal::open(disk, driven(2, BOOT), written[150].0).unwrap();
    assert_eq!(records(&recovered), written[151..]);
}

#[test]
fn what_does_not_fit_together_does_not_open() {
    let disk = FaultDisk::new(5);
    let (journal, _) = open(&disk, 5);
    let end = journal.append(1, b"a").unwrap();
    let again = Journal::open(disk.clone(), driven(6, BOOT), Position::START);
    assert!(matches!(again, Err(OpenError::Locked)));
    journal.close().unwrap();
    let open = |epoch, applied| Journal::open(disk.restart(Loss::Nothing), driven(epoch, BOOT), applied).map(drop);
    assert!(matches!(open(5, end), Err(OpenError::Epoch { given: 5, last: 5 })));
    let beyond = Position::new(end.get() + 1_000);
    assert!(matches!(open(6, beyond), Err(OpenError::Beyond { .. })));
    open(6, end).unwrap();
    let lost = Journal::open(FaultDisk::new(6), driven(6, BOOT), end).map(drop);
    assert!(matches!(lost, Err(OpenError::Beyond { .. })));
    let options = Options { accept_lost: true, ..driven(6, BOOT) };
    let (journal, recovered) = Journal::open(FaultDisk::new(6), options, end).unwrap();
    assert!(recovered.power_lost() && journal.end() == end);
}

#[test]
fn threads_make_records_durable_on_a_real_disk() {
    let folder = tempfile::tempdir().unwrap();
    for (epoch, durability) in [(1, Durability::Power), (2, Durability::Process)] {
        let options = Options { durability, segment_bytes: 1 << 20, ..Options::new(epoch, BOOT) };
        assert_eq!(options.driver, Driver::Threads);
        let (journal, _) = Journal::open_folder(folder.path(), options.clone(), Position::START).unwrap();
        let other = Journal::open_folder(folder.path(), options, Position::START);
        assert!(matches!(other, Err(OpenError::Locked)));
        let mut ends = Vec::new();
        for number in 0..5_000 {
            let room = begin(&journal);
            ends.push(if number % 2 == 0 { room.finish(2, &[2; 300]) } else { room.position() });
        }
        journal.wait_durable_blocking(ends[9]).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(journal.wait_durable(*ends.last().unwrap())).unwrap();
        assert!(journal.durable() >= ends[4_999]);
        crate::verify_folder(folder.path()).unwrap();
        journal.clone().close().unwrap();
        assert!(matches!(journal.begin(1, b""), Err(NoRoom::Poisoned(_))));
    }
    let report = crate::verify_folder(folder.path()).unwrap();
    assert_eq!((report.records, report.is_clean), (15_000, true));
    let mut seen = 0;
    crate::read_folder(folder.path(), Position::START, &mut |_, _, _| seen += 1).unwrap();
    assert_eq!(seen, 15_000);
}

#[test]
fn a_sync_comes_at_once_for_whoever_waits_and_soon_for_nobody() {
    let open = |epoch, linger| {
        let options = Options { durability: Durability::Power, linger, ..Options::new(epoch, BOOT) };
        Journal::open(FaultDisk::new(epoch), options, Position::START).unwrap().0
    };
    let patient = open(1, Duration::from_secs(3_600));
    let first = patient.append(1, b"first").unwrap();
    std::thread::park_timeout(Duration::from_millis(50));
    assert!(patient.durable() < first, "nobody waits for it");
    patient.wait_durable_blocking(first).unwrap();
    // The thread that syncs is between two syncs now, and a call waits as one does.
    let second = patient.append(1, b"second").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(patient.wait_durable(second)).unwrap();
    assert!(patient.durable() >= second);
    patient.close().unwrap();

    let prompt = open(2, Duration::from_millis(5));
    let end = prompt.append(1, b"nobody waits").unwrap();
    let mut looks = 0;
    while prompt.durable() < end {
        looks += 1;
        assert!(looks < 2_000, "a record is synced though nobody waits");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    prompt.close().unwrap();
}

/// These segments are so small that a slow disk does not keep up with making them.
fn begin(journal: &Journal) -> crate::Room<crate::RealDisk> {
    for _ in 0..1_000 {
        match journal.begin(1, &[1; 300]) {
            Err(NoRoom::Full) => {}
            begun => return begun.unwrap(),
        }
    }
    panic!("no spare came in 20 seconds");
}
