//! Whatever is changed in the files is found, and named.

use super::{BOOT, NEXT_BOOT, driven, open};
use crate::{Disk, DiskFile, FaultDisk, Journal, Loss, OpenError, Position, Wrong, header, segment, verify};

/// A journal of several segments and openings, with the used bytes of each file. Killed, not closed.
fn filled(seed: u64) -> (FaultDisk, Vec<(String, usize)>) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut disk = FaultDisk::new(seed);
    for epoch in 1..=3 {
        let (journal, _) = open(&disk, epoch);
        for _ in 0..40 {
            journal.append(chance.u8(..), &vec![chance.u8(..); chance.usize(0..2_048)]).unwrap();
        }
        journal.sync().unwrap();
        drop(journal);
        disk = disk.restart(Loss::Nothing);
    }
    let survey = crate::survey::survey(&disk, 0).unwrap();
    let used = |found: &crate::survey::Found<_>| {
        let segment: &segment::Segment<<FaultDisk as Disk>::File> = &found.segment;
        (segment.name(), segment.offset_of(found.end) as usize)
    };
    (disk, survey.found.iter().map(used).collect())
}

#[test]
fn each_of_a_thousand_flipped_bits_is_found_where_it_is() {
    let (disk, files) = filled(1);
    assert!(files.len() >= 5);
    verify(&disk).unwrap();
    let mut chance = fastrand::Rng::with_seed(2);
    let total: usize = files.iter().map(|file| file.1).sum();
    for round in 0..1_000 {
        // The bytes of heads and of the last records are few, so every fourth flip is in one of them.
        let (name, bit) = match round % 4 {
            0 => (&files[chance.usize(0..files.len())].0, chance.usize(0..128 * 8)),
            1 => files.last().map(|file| (&file.0, chance.usize((file.1 - 200) * 8..file.1 * 8))).unwrap(),
            _ => {
                let mut byte = chance.usize(0..total);
                let file = files
                    .iter()
                    .find(|file| {
                        byte < file.1 || {
                            byte -= file.1;
                            false
                        }
                    })
                    .unwrap();
                (&file.0, byte * 8 + chance.usize(0..8))
            }
        };
        let flipped = disk.restart(Loss::Nothing);
        flipped.flip(name, bit);
        let doubt = verify(&flipped).expect_err("a flipped bit");
        assert_eq!(doubt.file, *name, "bit {bit}: {doubt}");
        let far = (bit as u64 / 8).abs_diff(doubt.offset);
        assert!(far <= header::BYTES, "bit {bit}: {doubt}");
    }
}

#[test]
fn a_damaged_record_before_good_ones_does_not_open() {
    let (disk, files) = filled(2);
    for (index, (name, used)) in files.iter().enumerate() {
        for boot in [BOOT, NEXT_BOOT] {
            let flipped = disk.restart(Loss::Nothing);
            flipped.flip(name, 8 * (header::BYTES as usize + 11));
            // After a loss of power the last sync proves nothing of itself: the records of the last one are cut.
            let is_unproven = boot == NEXT_BOOT && index + 1 == files.len();
            let opened = Journal::open(flipped.clone(), driven(4, boot), Position::START).map(drop);
            match opened {
                Err(OpenError::Doubt(doubt)) => {
                    assert!(matches!(doubt.what, Wrong::Record), "{doubt}");
                    assert_eq!((&doubt.file, doubt.offset), (name, header::BYTES));
                }
                opened => assert!(is_unproven && opened.is_ok(), "{name} {used}: {opened:?}"),
            }
            assert_eq!(opened_files(&flipped), opened_files(&disk), "{name}: a refusal changes nothing");
        }
    }
}

fn opened_files(disk: &FaultDisk) -> usize {
    disk.list().unwrap().len()
}

#[test]
fn a_synced_record_is_not_cut_after_a_loss_of_power() {
    let disk = FaultDisk::new(3);
    let (journal, _) = open(&disk, 1);
    journal.append(1, b"synced").unwrap();
    journal.sync().unwrap();
    journal.append(1, b"says so").unwrap();
    drop(journal);
    let disk = disk.restart(Loss::Nothing);
    disk.flip(&segment::name(1), 8 * header::BYTES as usize);
    let opened = Journal::open(disk, driven(2, NEXT_BOOT), Position::START).map(drop);
    assert!(matches!(opened, Err(OpenError::Doubt(doubt)) if matches!(doubt.what, Wrong::Record)));
}

#[test]
fn after_a_clean_stop_the_last_record_is_proven_too() {
    let disk = FaultDisk::new(4);
    let (journal, _) = open(&disk, 1);
    journal.append(1, b"the last one").unwrap();
    let end = journal.close().unwrap();
    for boot in [BOOT, NEXT_BOOT] {
        let behind = disk.restart(Loss::Nothing);
        behind.flip(&segment::name(1), 8 * (header::BYTES + end.get()) as usize + 90);
        let opened = Journal::open(behind, driven(2, boot), Position::START).map(drop);
        assert!(matches!(opened, Err(OpenError::Doubt(_))), "nothing comes after a clean stop: {opened:?}");
        let disk = disk.restart(Loss::Nothing);
        disk.flip(&segment::name(1), 8 * header::BYTES as usize + 100);
        let opened = Journal::open(disk, driven(2, boot), Position::START).map(drop);
        assert!(matches!(opened, Err(OpenError::Doubt(_))), "{opened:?}");
    }
}

#[test]
fn missing_foreign_and_misplaced_segments_are_named() {
    let (disk, files) = filled(5);
    let damaged = |damage: &dyn Fn(&FaultDisk)| {
        let disk = disk.restart(Loss::Nothing);
        damage(&disk);
        let verified = verify(&disk).expect_err("it is damaged");
        match Journal::open(disk, driven(9, BOOT), Position::START).map(drop) {
            Err(OpenError::Doubt(doubt)) => assert_eq!(doubt.to_string(), verified.to_string()),
            opened => panic!("{opened:?} against {verified}"),
        }
        verified
    };
    let write = |disk: &FaultDisk, number: u64, bytes: &[u8], offset: u64| {
        disk.open(&segment::name(number)).unwrap().write_at(bytes, offset).unwrap();
    };
    let doubt = damaged(&|disk| disk.remove(&segment::name(2)).unwrap());
    assert!(doubt.file == segment::name(2) && matches!(doubt.what, Wrong::Missing), "{doubt}");
    let doubt = damaged(&|disk| write(disk, 3, b"#!/bin/sh", 0));
    assert!(doubt.file == segment::name(3) && matches!(doubt.what, Wrong::Foreign), "{doubt}");
    let doubt = damaged(&|disk| write(disk, 3, &2_u32.to_le_bytes(), 8));
    assert!(matches!(doubt.what, Wrong::Version(2)), "{doubt}");
    let doubt = damaged(&|disk| write(disk, 2, &[0; header::BYTES as usize], 0));
    assert!(doubt.file == segment::name(2) && matches!(doubt.what, Wrong::Header), "{doubt}");
    let head = |disk: &FaultDisk, number: u64| {
        let mut bytes = vec![0; header::BYTES as usize];
        disk.open(&segment::name(number)).unwrap().read_at(&mut bytes, 0).unwrap();
        let header::Head::Header(header) = header::parse(&bytes) else { panic!("a head") };
        header
    };
    let doubt = damaged(&|disk| write(disk, 3, &header::encode(&head(disk, 2)), 0));
    assert!(matches!(doubt.what, Wrong::Header), "another segment's head: {doubt}");
    let last = files.len() as u64;
    let doubt = damaged(&|disk| {
        let before = header::Header { first: head(disk, last).first + 1, ..head(disk, last) };
        write(disk, last, &header::encode(&before), 0);
    });
    assert!(doubt.file == segment::name(last) && matches!(doubt.what, Wrong::Gap { .. }), "{doubt}");
    let doubt = damaged(&|disk| {
        let early = header::Header { epoch: 1, ..head(disk, last) };
        write(disk, last, &header::encode(&early), 0);
    });
    assert!(matches!(doubt.what, Wrong::Epoch { found: 1, .. }), "{doubt}");
}

#[test]
fn a_record_that_was_edited_with_its_checksum_breaks_the_chain() {
    let (disk, _) = filled(6);
    let survey = crate::survey::survey(&disk, 0).unwrap();
    let first = &survey.found[0].segment;
    let place = crate::frame::Place { start: 0, epoch: 1 };
    let mut scan = first.scan_all();
    let (mark, kind, payload, durable) = {
        let (_, frame) = scan.next().unwrap().unwrap();
        (frame.mark, frame.kind, frame.payload.to_vec(), frame.durable)
    };
    let mut bytes = Vec::new();
    crate::frame::encode(&mut bytes, place, durable, mark, kind ^ 1, &payload);
    first.file.write_at(&bytes, header::BYTES).unwrap();
    let doubt = verify(&disk).unwrap_err();
    assert!(doubt.file == segment::name(2) && matches!(doubt.what, Wrong::Chain), "{doubt}");
}
