//! Measurements at full size, run by hand in a release build.
//!
//! `cargo test --release -p mandant-store -- --ignored --nocapture --test-threads 1 measures`

#![allow(clippy::print_stdout)]

use core::time::Duration;
use std::fmt::Write;
use std::time::Instant;

use base::{AttemptId, KeyId, TenantId, Timestamp};

use super::usage::{START, record};
use super::{Bench, parse};
use crate::resource::TenantStatus;
use crate::{ApplyOptions, Directory, IntentRecord, ProjectPath, Record, UsageRecord};

/// Processor time that this thread used.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// Records of `keys` keys spread over `tenants` tenants.
fn batch(first: u64, count: u64, tenants: u64, keys: u64) -> Vec<UsageRecord> {
    let one = |sequence: u64| {
        let key = sequence * 7_919 % keys;
        UsageRecord {
            attempt: AttemptId { epoch: 1, sequence },
            tenant: TenantId::new(&format!("tenant-{}", key % tenants)).unwrap(),
            project: ProjectPath::parse("main").unwrap(),
            key: KeyId::new(&format!("key-{key}")).unwrap(),
            ..record(sequence, START + i64::try_from(sequence / 500).unwrap())
        }
    };
    (first..first + count).map(one).collect()
}

/// What the journal has of whole attempts: their intents, then their ends.
fn attempts(records: &[UsageRecord]) -> Vec<Record> {
    let intents = records.iter().map(|record| Record::Intent(IntentRecord::of(record)));
    intents.chain(records.iter().cloned().map(Record::Settled)).collect()
}

#[test]
#[ignore = "a measurement"]
fn measures_the_cost_of_a_usage_record() {
    for size in [500, 1_000, 4_000] {
        for (tenants, keys) in [(1, 1), (4, 20), (20, 100), (1_000, 10_000)] {
            let bench = Bench::new();
            let (mut used, mut wall, mut count) = (Duration::ZERO, Duration::ZERO, 0_u32);
            let rounds = 200_000 / size;
            for round in 0..rounds {
                let records = attempts(&batch(round * size + 1, size, tenants, keys));
                let (cpu_before, before) = (processor_time(), Instant::now());
                bench.store.apply_records(records, round + 1).unwrap();
                if round >= rounds / 10 {
                    used += processor_time() - cpu_before;
                    wall += before.elapsed();
                    count += u32::try_from(size).unwrap();
                }
            }
            let (used, wall) = (used / count, wall / count);
            println!("{size} a batch, {tenants} tenants, {keys} keys: {used:?} CPU, {wall:?} elapsed a record");
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn measures_a_start_with_a_million_records() {
    for (tenants, keys, seconds) in [(20, 100, 86_400), (1_000, 10_000, 3_600), (1_000, 10_000, 7 * 86_400)] {
        let bench = Bench::new();
        let mut text = String::new();
        for tenant in 0..tenants {
            write!(text, "[[tenant]]\nid = \"tenant-{tenant}\"\n[[tenant.project]]\nid = \"main\"\n").unwrap();
            for key in (0..keys).filter(|key| key % tenants == tenant) {
                write!(text, "[[tenant.project.key]]\nname = \"key-{key}\"\n").unwrap();
            }
        }
        bench.apply(&text);
        bench.store.next_epoch().unwrap();
        for round in 0..250 {
            let mut records = batch(round * 4_000 + 1, 4_000, tenants, keys);
            for record in &mut records {
                let spread = i64::try_from(record.attempt.sequence * seconds / 1_000_000).unwrap();
                record.at = Timestamp::from_seconds(START + spread);
            }
            bench.record_usage(&records);
        }
        let store = bench.reopen();
        let directory = Directory::load(store.clone()).unwrap();
        let start = Instant::now();
        let accounts = store.restored_accounts(&directory, Timestamp::from_seconds(START + 3_600)).unwrap();
        let (accounts, elapsed) = (accounts.len(), start.elapsed());
        println!("{tenants} tenants, {keys} keys, {seconds} s: {accounts} accounts in {elapsed:?}");
        let start = Instant::now();
        let uses = store.recent_uses(Timestamp::from_seconds(START + seconds.cast_signed() - 87_840)).unwrap();
        let moments: usize = uses.iter().map(|used| used.moments.len()).sum();
        println!("{} keys used, {moments} moments of windows in {:?}", uses.len(), start.elapsed());
        let start = Instant::now();
        let doubts = store.verify(&mut |_, _| {}).unwrap();
        println!("verify of 1,000,000 records: {:?}, {} doubts", start.elapsed(), doubts.len());
        let size = std::fs::metadata(bench.dir.path().join("mandant.db")).unwrap().len();
        println!("{} bytes a record", size / 1_000_000);
    }
}

#[test]
#[ignore = "a measurement"]
fn measures_the_calls_of_a_tenant_among_a_million() {
    let bench = Bench::new();
    bench.store.next_epoch().unwrap();
    for round in 0..500 {
        let mut records = batch(round * 2_000 + 1, 2_000, 1_000, 10_000);
        // One call in 10,000 is of somebody who is rarely there.
        for record in records.iter_mut().filter(|record| record.attempt.sequence.is_multiple_of(10_000)) {
            record.tenant = TenantId::new("rare").unwrap();
        }
        bench.record_usage(&records);
    }
    for (tenant, limit) in [("tenant-7", 100), ("tenant-7", 10_000), ("rare", 100), ("nobody", 100)] {
        let tenant = TenantId::new(tenant).unwrap();
        let start = Instant::now();
        let calls = bench.store.calls(&tenant, Timestamp::EPOCH, limit, None).unwrap();
        println!("{tenant}, at most {limit}: {} calls in {:?}", calls.len(), start.elapsed());
    }
    let size = std::fs::metadata(bench.dir.path().join("mandant.db")).unwrap().len();
    println!("{} bytes a record", size / 1_000_000);
}

#[test]
#[ignore = "a measurement"]
fn measures_a_million_keys() {
    let bench = Bench::new();
    let mut text = String::new();
    for tenant in 0..1_000 {
        write!(text, "[[tenant]]\nid = \"t{tenant}\"\n[[tenant.project]]\nid = \"p\"\n").unwrap();
        for key in 0..1_000 {
            write!(text, "[[tenant.project.key]]\nname = \"k{key}\"\nsecret = \"secret-{tenant}-{key}-0123456789\"\n")
                .unwrap();
        }
    }
    let resources = parse(&text);
    let start = Instant::now();
    bench.store.apply(&resources, ApplyOptions::default()).unwrap();
    println!("apply of 1,000,000 keys: {:?}", start.elapsed());
    drop(resources);
    let start = Instant::now();
    let directory = Directory::load(bench.store.clone()).unwrap();
    println!("load of {} keys: {:?}", directory.keys_count(), start.elapsed());

    let secrets: Vec<String> = (0..100_000).map(|n| format!("secret-{}-{}-0123456789", n % 1_000, n / 1_000)).collect();
    let start = Instant::now();
    let found = secrets.iter().filter(|secret| directory.find_key(secret.as_bytes()).is_some()).count();
    println!("find_key: {:?} each, {found} found", start.elapsed() / 100_000);

    let tenant = TenantId::new("t500").unwrap();
    let project = ProjectPath::parse("p").unwrap();
    let start = Instant::now();
    bench.store.revoke_key(&tenant, &project, &KeyId::new("k7").unwrap()).unwrap();
    let written = start.elapsed();
    let start = Instant::now();
    assert_eq!(directory.sync().unwrap(), 1);
    println!("revoke: written in {written:?}, sync of one change {:?}", start.elapsed());
}

#[test]
#[ignore = "a measurement"]
fn measures_how_soon_a_change_is_in_force() {
    let bench = Bench::new();
    bench.apply(super::SMALL);
    let directory = Directory::load(bench.store.clone()).unwrap();
    let _watch = directory.watch().unwrap();
    let other = bench.reopen();
    let account = directory.tenant("acme").unwrap().account.clone();
    let tenant = TenantId::new("acme").unwrap();
    for (name, store) in [("this process", &bench.store), ("another process", &other)] {
        let mut worst = Duration::ZERO;
        for round in 0..20 {
            let suspend = round % 2 == 0;
            let status = if suspend { TenantStatus::Suspended } else { TenantStatus::Active };
            store.set_tenant_status(&tenant, status).unwrap();
            let start = Instant::now();
            while account.settings().suspended != suspend {
                std::thread::yield_now();
            }
            worst = worst.max(start.elapsed());
            std::thread::park_timeout(Duration::from_millis(37));
        }
        println!("in force after a write of {name}: at most {worst:?}");
    }
}
