//! A crash at every I/O of a workload, and at every I/O of the recovery after it: what was durable is there, the order
//! is kept, nothing is invented, and a killed process loses nothing.

use super::{BOOT, NEXT_BOOT, Record, driven, records};
use crate::{BootId, Disk, DiskFile, Fault, FaultDisk, Journal, Loss, Position, header, segment, verify};

/// Written after a recovery.
const GOES_ON: (u8, &[u8]) = (9, b"goes on");

/// What the workload knows when it ends, however it ends.
#[derive(Default)]
struct Seen {
    /// Records of which the journal said that they are written.
    written: Vec<Record>,
    /// The record that was being written when it ended.
    pending: Option<(u8, Vec<u8>)>,
    durable: Position,
    /// As the applier stored it.
    applied: Position,
}

impl Seen {
    fn write<E>(&mut self, kind: u8, payload: Vec<u8>, write: impl FnOnce(u8, &[u8]) -> Result<Position, E>) -> bool {
        match write(kind, &payload) {
            Ok(end) => self.written.push((end, kind, payload)),
            Err(_) => self.pending = Some((kind, payload)),
        }
        self.pending.is_none()
    }
}

/// Intents, their ends, other records, syncs, an applier and rotations, until something fails.
fn work(disk: &FaultDisk, seed: u64) -> Seen {
    let mut seen = Seen::default();
    let Ok((journal, _)) = Journal::open(disk.clone(), driven(1, BOOT), Position::START) else { return seen };
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut rooms = Vec::new();
    for number in 0..90_u8 {
        let payload = vec![number; chance.usize(0..2_048)];
        let is_written = match number % 5 {
            0 | 1 => seen.write(1, payload, |kind, payload| {
                let room = journal.begin(kind, payload)?;
                let position = room.position();
                rooms.push(room);
                Ok::<_, crate::NoRoom>(position)
            }),
            2 | 3 if !rooms.is_empty() => {
                let room = rooms.swap_remove(chance.usize(0..rooms.len()));
                seen.write(2, payload, |kind, payload| {
                    let end = room.finish(kind, payload);
                    journal.poisoned().map_or(Ok(end), Err)
                })
            }
            _ => seen.write(3, payload, |kind, payload| journal.append(kind, payload)),
        };
        let is_alive = is_written && (number % 7 != 3 || journal.sync().is_ok());
        if is_alive && number % 20 == 19 {
            seen.applied = journal.read(seen.applied, 40_000, &mut |_, _, _| ()).unwrap();
            journal.applied(seen.applied);
        }
        seen.durable = journal.durable();
        if !is_alive || journal.drive().is_err() {
            seen.durable = journal.durable();
            return seen;
        }
    }
    let _ = journal.close();
    seen
}

/// Compares what was recovered with what the workload knows.
fn judge(disk: &FaultDisk, seen: &Seen, loss: Loss, epoch: u64, boot: BootId, case: &str) -> bool {
    let opened = Journal::open(disk.clone(), driven(epoch, boot), seen.applied);
    let (journal, recovered) = match opened {
        Ok(opened) => opened,
        Err(_) if disk.is_down() => return false,
        Err(error) => panic!("{case}: {error}"),
    };
    let mut found = records(&recovered);
    // What an opening before this one added when it had recovered.
    found.pop_if(|record| epoch > 2 && (record.1, record.2.as_slice()) == GOES_ON);
    let expected: Vec<&Record> = seen.written.iter().filter(|record| record.0 > seen.applied).collect();
    for (index, record) in found.iter().enumerate() {
        match expected.get(index) {
            Some(expected) => assert_eq!(record, *expected, "{case}: record {index}"),
            None => {
                let pending = seen.pending.as_ref().map(|(kind, payload)| (*kind, payload));
                assert_eq!(Some((record.1, &record.2)), pending, "{case}: an invented record");
                assert_eq!(index, expected.len(), "{case}: an invented record");
            }
        }
    }
    let must = expected.iter().filter(|record| loss == Loss::Nothing || record.0 <= seen.durable).count();
    assert!(found.len() >= must, "{case}: {} of {must} records", found.len());
    let next = journal.append(GOES_ON.0, GOES_ON.1);
    let is_closed = next.is_ok() && journal.close().is_ok();
    if !is_closed {
        assert!(disk.is_down(), "{case}: {next:?}");
        return false;
    }
    let report = verify(disk).unwrap_or_else(|doubt| panic!("{case}: {doubt}"));
    assert!(report.is_clean, "{case}");
    true
}

fn boot_after(loss: Loss, before: BootId) -> BootId {
    if loss == Loss::Nothing { before } else { BootId([before.0[0] + 1; 16]) }
}

#[test]
fn a_crash_at_every_io_and_again_in_the_recovery_loses_nothing_durable() {
    let losses = [Loss::Nothing, Loss::Unsynced, Loss::Torn];
    let mut runs = 0;
    for at in 0.. {
        let mut is_over = false;
        for loss in losses {
            let disk = FaultDisk::new(at);
            disk.fail_at(at, Fault::Crash);
            let seen = work(&disk, 1);
            is_over |= !disk.is_down();
            let boot = boot_after(loss, BOOT);
            for (second, again) in (0..).zip(losses.into_iter().cycle()) {
                let next = disk.restart(loss);
                next.fail_at(second, Fault::Crash);
                let case = format!("crash {at} {loss:?}, then {second} {again:?}");
                runs += 1;
                if judge(&next, &seen, loss, 2, boot, &case) {
                    break;
                }
                let worse = if loss == Loss::Nothing { again } else { loss };
                judge(&next.restart(again), &seen, worse, 3, boot_after(again, boot), &case);
            }
        }
        if is_over {
            break;
        }
    }
    println!("{runs} runs");
    assert!(runs > 1_000, "{runs}");
}

#[test]
fn a_torn_sector_of_every_pattern_is_cut_and_not_refused() {
    for seed in 0..400 {
        let disk = FaultDisk::new(seed);
        disk.fail_at(20 + seed % 120, Fault::Crash);
        let seen = work(&disk, seed);
        judge(&disk.restart(Loss::Torn), &seen, Loss::Torn, 2, NEXT_BOOT, &format!("seed {seed}"));
    }
}

#[test]
fn a_crash_while_files_behind_the_tail_are_removed_leaves_no_gap() {
    for seed in 0..200 {
        let disk = FaultDisk::new(seed);
        let (journal, _) = super::open(&disk, 1);
        let end = journal.append(1, b"kept").unwrap();
        journal.sync().unwrap();
        drop(journal);
        for number in 2..=5 {
            let file = disk.create(&segment::name(number), 40_000, &|| ()).unwrap();
            file.write_at(b"lost", header::BYTES).unwrap();
        }
        let disk = disk.restart(Loss::Nothing);
        disk.fail_at(seed % 16, Fault::Crash);
        drop(Journal::open(disk.clone(), driven(2, NEXT_BOOT), Position::START));
        let (_, recovered) = Journal::open(disk.restart(Loss::Torn), driven(3, NEXT_BOOT), Position::START).unwrap();
        assert_eq!(records(&recovered), [(end, 1, b"kept".to_vec())], "seed {seed}");
    }
}
