//! The archive: old calls move out, and whoever asks finds them where they are.

use base::{TenantId, Timestamp};
use rusqlite::Connection;

use super::entries::sound;
use super::usage::{START, many};
use super::{Bench, SMALL};
use crate::{Ending, UsageRecord, database};

/// Calls of five months, of two tenants, some of unknown cost.
fn bench() -> (Bench, Vec<UsageRecord>) {
    let bench = Bench::new();
    bench.store.next_epoch().unwrap();
    bench.apply(SMALL);
    let mut records = many(600);
    for (place, record) in records.iter_mut().enumerate() {
        record.at = Timestamp::from_seconds(START + place as i64 * 6 * 3_600);
    }
    for some in records.chunks(40) {
        bench.record_usage(some);
    }
    sound(&bench);
    (bench, records)
}

/// In steps of so many rows, to the end.
fn archive(bench: &Bench, before: Timestamp, rows: usize) {
    let mut from = Some(i64::MIN);
    while let Some(begin) = from {
        from = bench.store.archive_calls(before, begin, rows).unwrap();
    }
}

fn rows(bench: &Bench) -> i64 {
    let database = Connection::open(database::path(bench.dir.path())).unwrap();
    database.query_row("SELECT count(*) FROM usage", [], |row| row.get(0)).unwrap()
}

fn files(bench: &Bench) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(bench.dir.path().join("archive"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "db"))
        .collect();
    files.sort();
    files
}

fn all(bench: &Bench) -> Vec<UsageRecord> {
    let mut all = Vec::new();
    bench.store.visit_calls(&mut |record| all.push(record.clone())).unwrap();
    all
}

/// Everything of a tenant, page by page.
fn pages(bench: &Bench, tenant: &str, limit: usize) -> Vec<UsageRecord> {
    let (tenant, mut before, mut calls) = (TenantId::new(tenant).unwrap(), None, Vec::new());
    loop {
        let page = bench.store.calls(&tenant, Timestamp::EPOCH, limit, before).unwrap();
        before = page.last().map(|record| record.attempt);
        let is_last = page.len() < limit;
        calls.extend(page);
        if is_last {
            return calls;
        }
    }
}

#[test]
fn old_calls_move_out_and_every_answer_stays_the_same() {
    let (bench, records) = bench();
    let cutoff = records[400].at;
    let tenant = records[0].tenant.to_string();
    let (calls_before, all_before) = (pages(&bench, &tenant, 37), all(&bench));
    let unknown = records[..400].iter().filter(|record| record.ending == Ending::Unknown).count();
    assert!(unknown > 0 && calls_before.len() > 100);
    archive(&bench, cutoff, 33);
    assert_eq!(rows(&bench) as usize, 200 + unknown, "what is young or unknown stays");
    assert!(files(&bench).len() >= 3, "a file a month: {:?}", files(&bench));
    assert_eq!(pages(&bench, &tenant, 37), calls_before);
    assert_eq!(all(&bench), all_before);
    sound(&bench);
    // Again, and further.
    archive(&bench, cutoff, 1_000);
    archive(&bench, records[500].at, 7);
    assert_eq!(all(&bench), all_before);
    sound(&bench);
}

#[test]
fn a_step_that_ended_between_copy_and_removal_changes_nothing() {
    let (bench, records) = bench();
    let all_before = all(&bench);
    archive(&bench, records[100].at, 50);
    // As if the rows had been copied and not removed: they are in both places.
    let database = Connection::open(database::path(bench.dir.path())).unwrap();
    database.execute("ATTACH ?1 AS old", [files(&bench)[0].to_str().unwrap()]).unwrap();
    let copied = database.execute("INSERT INTO main.usage SELECT * FROM old.usage LIMIT 20 OFFSET 5", []).unwrap();
    assert_eq!(copied, 20);
    super::lists::renew(&database);
    drop(database);
    assert_eq!(all(&bench), all_before);
    sound(&bench);
    archive(&bench, records[100].at, 50);
    assert_eq!(all(&bench), all_before);
}

#[test]
fn whatever_is_changed_or_missing_in_the_archive_is_found() {
    let (bench, records) = bench();
    archive(&bench, records[500].at, 100);
    let file = files(&bench)[1].clone();
    let archive = Connection::open(&file).unwrap();
    let victims: Vec<i64> = {
        let mut statement = archive.prepare("SELECT attempt FROM usage ORDER BY attempt LIMIT 30").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for attempt in victims {
        let (block, tenant, record): (i64, i64, Vec<u8>) = archive
            .query_row("SELECT block, tenant, record FROM usage WHERE attempt = ?1", [attempt], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .unwrap();
        let mut changed = record.clone();
        changed[attempt as usize % record.len()] ^= 1 << (attempt % 8);
        archive.execute("UPDATE usage SET record = ?2 WHERE attempt = ?1", (attempt, changed)).unwrap();
        assert!(!bench.store.verify(&mut |_, _| {}).unwrap().is_empty(), "a changed record of {attempt}");
        archive.execute("DELETE FROM usage WHERE attempt = ?1", [attempt]).unwrap();
        assert!(!bench.store.verify(&mut |_, _| {}).unwrap().is_empty(), "a deleted row of {attempt}");
        let row = (attempt, block, tenant, record);
        archive.execute("INSERT INTO usage VALUES (?1, ?2, ?3, ?4)", row).unwrap();
    }
    sound(&bench);
    drop(archive);
    std::fs::rename(&file, file.with_extension("elsewhere")).unwrap();
    let doubts = bench.store.verify(&mut |_, _| {}).unwrap();
    assert_eq!(doubts.len(), 1, "{doubts:?}");
    assert_eq!((doubts[0].table, doubts[0].row.as_str()), ("archive", file.file_name().unwrap().to_str().unwrap()));
}
