//! What the hot path and recovery cost. Run with `--release -- --ignored --nocapture --test-threads 1`.

use std::hint::black_box;

use super::BOOT;
use crate::{Disk, DiskFile, Durability, Journal, Options, Position, RealDisk};

const RECORDS: usize = 1_000_000;

#[test]
#[ignore = "measures; only a release build says something"]
#[expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
fn an_intent_costs_little_more_than_its_write() {
    let raw = raw_write();
    println!("a bare write of the same size: p50 {raw} ns");
    for durability in [Durability::Process, Durability::Power] {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { durability, ..Options::new(1, BOOT) };
        let (journal, _) = Journal::open_folder(folder.path(), options, Position::START).unwrap();
        let mut open = std::collections::VecDeque::new();
        let (mut begins, mut ends) = (Vec::new(), Vec::new());
        for number in 0..200_000_u64 {
            let start = std::time::Instant::now();
            let room = journal.begin(1, black_box(&[number as u8; 250])).unwrap();
            begins.push(start.elapsed().as_nanos());
            open.push_back(room);
            if open.len() > 1_000 {
                let room = open.pop_front().expect("a thousand are open");
                let start = std::time::Instant::now();
                black_box(room.finish(2, &[number as u8; 250]));
                ends.push(start.elapsed().as_nanos());
            }
            // About 100,000 records a second, which is far above what the relay does.
            if number % 100 == 0 {
                std::thread::park_timeout(std::time::Duration::from_millis(1));
            }
        }
        for (name, times) in [("begin", &mut begins), ("finish", &mut ends)] {
            times.sort_unstable();
            let at = |share: usize| times[times.len() * share / 1_000];
            println!("{durability:?}: {name} p50 {} ns, p99 {} ns, p99.9 {} ns", at(500), at(990), at(999));
        }
        let median = begins[begins.len() / 2];
        assert!(median <= raw + 500, "begin takes {median} ns, and a bare write {raw} ns");
    }
}

/// What the machine takes for one write of a record's size into space that is there.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
fn raw_write() -> u128 {
    let folder = tempfile::tempdir().unwrap();
    let file = RealDisk::new(folder.path()).create("raw", 32 << 20).unwrap();
    let mut times: Vec<u128> = (0..100_000)
        .map(|number| {
            let start = std::time::Instant::now();
            DiskFile::write_at(&file, black_box(&[number as u8; 262]), number * 262).unwrap();
            start.elapsed().as_nanos()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
#[ignore = "measures; only a release build says something"]
#[expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
fn a_million_records_are_recovered_in_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { durability: Durability::Process, ..Options::new(1, BOOT) };
    let (journal, _) = Journal::open_folder(folder.path(), options, Position::START).unwrap();
    for number in 0..RECORDS {
        let mut written = journal.append(1, &[number as u8; 300]);
        while written.is_err() {
            std::thread::yield_now();
            written = journal.append(1, &[number as u8; 300]);
        }
    }
    journal.sync().unwrap();
    drop(journal);
    let start = std::time::Instant::now();
    let (_journal, recovered) = Journal::open_folder(folder.path(), Options::new(2, BOOT), Position::START).unwrap();
    let opened = start.elapsed();
    let (mut seen, mut bytes) = (0, 0);
    recovered.visit(&mut |_, kind, payload| (seen, bytes) = (seen + usize::from(kind), bytes + payload.len())).unwrap();
    println!("opened in {opened:?}, visited {seen} records in {:?}", start.elapsed() - opened);
    assert_eq!((seen, bytes), (RECORDS, RECORDS * 300));
    let start = std::time::Instant::now();
    crate::verify_folder(folder.path()).unwrap();
    println!("verified in {:?}", start.elapsed());
}
