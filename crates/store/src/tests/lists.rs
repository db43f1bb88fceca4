//! The lists that find a tenant's calls, and rows that are written many at a time.

use std::collections::BTreeSet;

use base::{AttemptId, TenantId, Timestamp};
use rusqlite::Connection;

use super::Bench;
use super::entries::sound;
use super::usage::{START, many, record};
use crate::{UsageRecord, database};

/// What the migration made of a database without lists.
const MIGRATION: &str = include_str!("../../migrations/V4__usage_list.sql");

/// Makes all lists anew, as archiving does it.
pub(super) fn renew(database: &Connection) {
    let transaction = database.unchecked_transaction().unwrap();
    let spans: BTreeSet<i64> = {
        let mut statement = transaction.prepare("SELECT DISTINCT attempt >> 14 FROM usage").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    crate::entries::lists::renew(&transaction, &spans).unwrap();
    transaction.commit().unwrap();
}

fn database(bench: &Bench) -> Connection {
    Connection::open(database::path(bench.dir.path())).unwrap()
}

fn lists(bench: &Bench) -> Vec<(i64, i64, i64, Vec<u8>)> {
    let database = database(bench);
    let mut statement =
        database.prepare("SELECT span, tenant, block, attempts FROM usage_list ORDER BY 1, 2, 3").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

/// Attempts of several spans and epochs, given in batches that overlap in both.
fn spread() -> (Bench, Vec<UsageRecord>) {
    let bench = Bench::new();
    bench.store.next_epoch().unwrap();
    bench.store.next_epoch().unwrap();
    let mut records = many(900);
    for (place, record) in records.iter_mut().enumerate() {
        let (epoch, sequence) = (1 + place as u64 / 600, place as u64 * 7_919 % 50_000);
        record.attempt = AttemptId { epoch, sequence };
        record.at = Timestamp::from_seconds(START + place as i64);
    }
    for some in records.chunks(50) {
        bench.record_usage(some);
    }
    (bench, records)
}

fn calls(bench: &Bench, tenant: &str, limit: usize) -> Vec<AttemptId> {
    let (tenant, mut before, mut calls) = (TenantId::new(tenant).unwrap(), None, Vec::new());
    loop {
        let page = bench.store.calls(&tenant, Timestamp::EPOCH, limit, before).unwrap();
        before = page.last().map(|record| record.attempt);
        let is_last = page.len() < limit;
        calls.extend(page.into_iter().map(|record| record.attempt));
        if is_last {
            return calls;
        }
    }
}

#[test]
fn the_calls_of_a_tenant_are_found_page_by_page_across_spans() {
    let (bench, records) = spread();
    for tenant in ["acme", "beta", "gamma"] {
        let of_tenant = records.iter().filter(|record| record.tenant.as_str() == tenant);
        let mut wanted: Vec<AttemptId> = of_tenant.map(|record| record.attempt).collect();
        wanted.sort_by(|one, other| other.cmp(one));
        assert!(wanted.len() > 200);
        for limit in [7, 64, 10_000] {
            assert_eq!(calls(&bench, tenant, limit), wanted, "{tenant} by {limit}");
        }
    }
    sound(&bench);
}

#[test]
fn a_database_of_before_gets_the_lists_that_it_would_have_been_written_with() {
    let (bench, _) = spread();
    let written = lists(&bench);
    assert!(written.len() > 100, "{}", written.len());
    let before: Vec<_> = ["acme", "beta", "gamma"].map(|tenant| calls(&bench, tenant, 10)).into();
    let old = database(&bench);
    old.execute_batch(
        "DROP TABLE usage_list; DROP TABLE batch; CREATE INDEX usage_by_tenant ON usage (attempt >> 14, tenant);",
    )
    .unwrap();
    assert_eq!(old.execute("DELETE FROM refinery_schema_history WHERE version >= 4", []).unwrap(), 2);
    drop(old);
    assert!(MIGRATION.contains("DROP INDEX usage_by_tenant"));
    let bench = Bench { store: bench.reopen(), dir: bench.dir };
    assert_eq!(lists(&bench), written);
    let after: Vec<_> = ["acme", "beta", "gamma"].map(|tenant| calls(&bench, tenant, 10)).into();
    assert_eq!(after, before);
    sound(&bench);
}

#[test]
fn archiving_makes_the_lists_that_the_rows_left_would_have() {
    let (bench, records) = spread();
    let mut from = Some(i64::MIN);
    while let Some(begin) = from {
        from = bench.store.archive_calls(records[700].at, begin, 90).unwrap();
    }
    let left = lists(&bench);
    assert!(!left.is_empty());
    renew(&database(&bench));
    assert_eq!(lists(&bench), left);
    sound(&bench);
}

#[test]
fn of_rows_written_together_those_that_were_there_before_count_once() {
    for old in [1_usize, 2, 3, 7, 16, 40] {
        let bench = Bench::new();
        bench.store.next_epoch().unwrap();
        let records: Vec<UsageRecord> = (1..=50).map(|sequence| record(sequence, START)).collect();
        let before: Vec<UsageRecord> = records.iter().step_by(old).cloned().collect();
        bench.record_usage(&before);
        bench.record_usage(&records);
        bench.record_usage(&records);
        assert_eq!(calls(&bench, "acme", 9).len(), 50, "every {old} was there");
        // The sums and the chain are those of each row once.
        sound(&bench);
    }
}
