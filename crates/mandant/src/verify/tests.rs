//! A journal and a store that tell different stories, each of them sound by itself.

use base::{AttemptId, BudgetPeriod, KeyId, ModelId, Money, RequestId, TenantId, Timestamp, UpstreamId};
use journal::{BootId, Driver, Journal, Options, Position};
use ledger::{Amounts, Resource};
use store::{Ending, IntentRecord, LeaseRecord, ProjectPath, Record, ResolvedRecord, Store, UsageRecord};

use super::{Report, Verification};

const WORST: Amounts = Amounts { usd: Money::from_nanos(1_000), tokens: 50 };

fn id(sequence: u64) -> AttemptId {
    AttemptId { epoch: 1, sequence }
}

fn intent(sequence: u64) -> IntentRecord {
    IntentRecord {
        attempt: id(sequence),
        request_id: RequestId::from_bits(sequence.into()),
        at: Timestamp::from_seconds(1_800_000_000),
        tenant: TenantId::new("acme").unwrap(),
        project: ProjectPath::parse("main").unwrap(),
        key: KeyId::new("ci").unwrap(),
        end_user: None,
        model: ModelId::new("m").unwrap(),
        upstream: UpstreamId::new("up").unwrap(),
        endpoint: wire::Endpoint::ChatCompletions,
        stream: false,
        worst: WORST,
        price_version: 1,
        idempotency: None,
    }
}

fn end(sequence: u64, ending: Ending, nanos: i64) -> UsageRecord {
    let begun = intent(sequence);
    UsageRecord {
        attempt: begun.attempt,
        request_id: begun.request_id,
        at: begun.at,
        tenant: begun.tenant,
        project: begun.project,
        key: begun.key,
        end_user: None,
        model: begun.model,
        upstream: begun.upstream,
        endpoint: begun.endpoint,
        stream: false,
        status: 200,
        ending,
        usage: wire::Usage { input: 3, output: 4, ..wire::Usage::default() },
        held: WORST.usd,
        held_tokens: WORST.tokens,
        charged: Money::from_nanos(nanos),
        variance: Money::ZERO,
        price_version: 1,
        upstream_response_id: None,
        first_byte_ms: 1,
        total_ms: 2,
    }
}

fn began(sequence: u64) -> Record {
    Record::Intent(intent(sequence))
}

fn settled(sequence: u64, nanos: i64) -> Record {
    Record::Settled(end(sequence, Ending::Complete, nanos))
}

fn unknown(sequence: u64) -> Record {
    Record::Settled(end(sequence, Ending::Unknown, 0))
}

fn resolved(sequence: u64, nanos: i64) -> Record {
    let charged = Amounts { usd: Money::from_nanos(nanos), tokens: 0 };
    Record::Resolved(ResolvedRecord { attempt: id(sequence), at: Timestamp::EPOCH, charged, reason: String::new() })
}

fn leased(up_to: u64, lost: Option<u64>) -> Record {
    Record::Leased(LeaseRecord {
        tenant: TenantId::new("acme").unwrap(),
        project: None,
        key: None,
        period: BudgetPeriod::Month,
        starts: Timestamp::from_seconds(1_799_000_000),
        resource: Resource::Usd,
        up_to,
        lost,
    })
}

/// A folder whose journal has `written`, and whose store was given `applied` as the first of them.
fn verified(written: &[Record], applied: &[Record], count: usize, is_live: bool) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = Store::open(&data).unwrap();
    let epoch = store.next_epoch().unwrap();
    let options = Options { driver: Driver::Caller, ..Options::new(epoch, BootId([1; 16])) };
    let (journal, _) = Journal::open_folder(&data.join("journal"), options, Position::START).unwrap();
    let mut reached = Position::START;
    for (place, record) in written.iter().enumerate() {
        let mut payload = Vec::new();
        let kind = record.encode(&mut payload);
        let position = journal.append(kind, &payload).unwrap();
        if place < count {
            reached = position;
        }
    }
    journal.close().unwrap();
    store.apply_records(applied.iter().cloned(), reached.get()).unwrap();
    let other = is_live.then(|| store.claim_serving().unwrap());
    let report = Verification::begin(&store).unwrap().run(&mut |_, _, _| {});
    drop(other);
    report
}

fn whole() -> Vec<Record> {
    vec![
        began(1),
        settled(1, 700),
        began(2),
        unknown(2),
        leased(5_000, None),
        began(3),
        Record::Void(id(3)),
        resolved(2, 400),
        began(4),
        leased(9_000, Some(10)),
        began(5),
        unknown(5),
    ]
}

#[test]
fn a_store_that_has_any_first_part_of_the_journal_is_sound() {
    let records = whole();
    for count in 0..=records.len() {
        for is_live in [false, true] {
            let report = verified(&records, &records[..count], count, is_live);
            assert!(report.sound, "{count} applied: {:#?}", report.doubts);
            assert_eq!((report.unapplied, report.records), ((records.len() - count) as u64, records.len() as u64));
            assert_eq!(report.left_out.is_empty(), !is_live);
        }
    }
}

#[test]
fn what_was_applied_otherwise_than_it_was_written_is_told() {
    let records = whole();
    let all = records.len();
    let without = |place: usize| {
        let mut kept = records.clone();
        kept.remove(place);
        kept
    };
    let with = |place: usize, record: Record| {
        let mut changed = records.clone();
        changed[place] = record;
        changed
    };
    let cases = [
        (with(1, settled(1, 701)), "another end of attempt 1-1", true),
        (without(1), "does not have the end of attempt 1-1", true),
        (with(6, settled(3, 0)), "attempt 1-3 never was", true),
        (without(7), "does not have the decision on attempt 1-2", true),
        (with(7, resolved(2, 300)), "attempt 1-2 was charged", true),
        (without(8), "attempt 1-4 began, and is neither held nor ended", false),
        (without(9), "does not have this lease", false),
        (with(9, leased(9_000, None)), "does not have this lease", false),
        (with(8, Record::Intent(IntentRecord { price_version: 2, ..intent(4) })), "held for attempt 1-4 is not", false),
    ];
    for (applied, told, also_live) in cases {
        for is_live in [false, true] {
            let report = verified(&records, &applied, all, is_live);
            let is_told = report.doubts.iter().any(|doubt| doubt.what.contains(told) && doubt.place == "journal");
            assert_eq!(is_told, !is_live || also_live, "{told}: {:#?}", report.doubts);
            assert_eq!(report.sound, report.doubts.is_empty());
        }
    }
}

#[test]
fn what_cannot_be_applied_is_told() {
    let over = Record::Settled(UsageRecord { charged: Money::from_nanos(1_001), ..end(1, Ending::Complete, 0) });
    let other = Record::Settled(UsageRecord { held: Money::from_nanos(2_000), ..end(1, Ending::Complete, 0) });
    let cases = [
        (vec![settled(1, 5)], 0, "ends that is not held: 1-1"),
        (vec![began(1), settled(1, 5), settled(1, 5)], 0, "ends that is not held: 1-1"),
        (vec![began(1), settled(1, 5), Record::Void(id(1))], 2, "ends that is not held: 1-1"),
        (vec![began(1), settled(1, 5), began(1)], 2, "attempt 1-1 began before"),
        (vec![began(1), began(1)], 1, "attempt 1-1 began before"),
        (vec![began(1), over], 1, "does not go with what is held"),
        (vec![began(1), other], 0, "does not go with what is held"),
        (vec![began(1), unknown(1), resolved(1, 1_001)], 1, "more is charged for attempt 1-1"),
        (vec![resolved(7, 1)], 0, "ends that is not held: 1-7"),
    ];
    for (records, count, told) in cases {
        let report = verified(&records, &records[..count], count, false);
        assert!(report.doubts.iter().any(|doubt| doubt.what.contains(told)), "{told}: {:#?}", report.doubts);
        // While a process serves, what it has not applied is not looked at.
        assert!(verified(&records, &records[..count], count, true).sound, "{told}");
    }
}

#[test]
fn a_store_beyond_its_journal_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = Store::open(&data).unwrap();
    let epoch = store.next_epoch().unwrap();
    let options = Options { driver: Driver::Caller, ..Options::new(epoch, BootId([1; 16])) };
    Journal::open_folder(&data.join("journal"), options, Position::START).unwrap().0.close().unwrap();
    store.apply_records([began(1), settled(1, 5)], 1 << 20).unwrap();
    let report = Verification::begin(&store).unwrap().run(&mut |_, _, _| {});
    assert!(report.doubts.iter().any(|doubt| doubt.what.contains("the journal has only")), "{:#?}", report.doubts);
}
