//! What the hot path and recovery cost. Run with `--release -- --ignored --nocapture --test-threads 1`.

use std::hint::black_box;

use super::BOOT;
use crate::{Disk, DiskFile, Durability, Journal, Options, Position, RealDisk};

const RECORDS: usize = 1_000_000;

#[test]
#[ignore = "measures; only a release build says something"]
#[expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
fn an_intent_costs_little_more_than_its_write() {
    for durability in [Durability::Process, Durability::Power] {
        let folder = tempfile::tempdir().unwrap();
        let bare = RealDisk::new(folder.path()).create("bare", 64 << 20, &|| ()).unwrap();
        let options = Options { durability, ..Options::new(1, BOOT) };
        let (journal, _) = Journal::open_folder(folder.path(), options, Position::START).unwrap();
        let mut open = std::collections::VecDeque::new();
        let mut times = [const { Vec::new() }; 3];
        let mut measure = |what: usize, work: &mut dyn FnMut()| {
            let start = std::time::Instant::now();
            work();
            times[what].push(start.elapsed().as_nanos());
        };
        for number in 0..200_000_u64 {
            let payload = [number as u8; 250];
            // The same in the same moment, without the journal: what this machine takes for a write.
            measure(0, &mut || DiskFile::write_at(&bare, &[number as u8; 262], number * 262).unwrap());
            measure(1, &mut || open.push_back(journal.begin(1, black_box(&payload)).unwrap()));
            if open.len() > 1_000 {
                let mut room = open.pop_front();
                measure(2, &mut || {
                    black_box(room.take().map(|room| room.finish(2, &payload)));
                });
            }
            // Some 100,000 records a second, which is far above what the relay does.
            if number % 100 == 0 {
                std::thread::park_timeout(std::time::Duration::from_millis(1));
            }
        }
        for (name, times) in ["bare write", "begin", "finish"].iter().zip(&mut times) {
            times.sort_unstable();
            let at = |share: usize| times[times.len() * share / 1_000];
            println!("{durability:?}: {name} p50 {} ns, p99 {} ns, p99.9 {} ns", at(500), at(990), at(999));
        }
        let [bare, begin, _] = times.map(|times| times[times.len() / 2]);
        assert!(begin <= bare + 500, "begin takes {begin} ns, and a bare write {bare} ns");
    }
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
