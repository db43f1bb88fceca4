//! Applying the journal: each attempt ends once, what nobody knows stays held, and the sums say so.

use base::{AttemptId, BudgetPeriod, Money, TenantId, Timestamp};
use ledger::{Amounts, Resource};

use super::usage::{START, many, record};
use super::{Bench, SMALL};
use crate::{
    AppliedRecords, Directory, Ending, HoldState, IntentRecord, LeaseRecord, Record, ResolvedRecord, UsageQuery,
    UsageRecord, UsageSums,
};

fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

pub(super) fn unknown(sequence: u64) -> UsageRecord {
    let usage = wire::Usage::default();
    UsageRecord { ending: Ending::Unknown, charged: Money::ZERO, usage, ..record(sequence, START) }
}

fn intent(sequence: u64) -> Record {
    Record::Intent(IntentRecord::of(&record(sequence, START)))
}

pub(super) fn resolved(sequence: u64, nanos: i64) -> Record {
    Record::Resolved(ResolvedRecord {
        attempt: AttemptId { epoch: 1, sequence },
        at: Timestamp::from_seconds(START + 86_400),
        charged: Amounts { usd: Money::from_nanos(nanos), tokens: 50 },
        reason: "the provider's bill has it".into(),
    })
}

fn void(sequence: u64) -> Record {
    Record::Void(AttemptId { epoch: 1, sequence })
}

fn sums(bench: &Bench) -> UsageSums {
    let (from, to) = (Timestamp::from_seconds(START), Timestamp::from_seconds(START + 900));
    bench.store.usage(&UsageQuery { tenant: acme(), from, to, by: None }).unwrap().totals
}

fn held(bench: &Bench) -> Vec<(u64, HoldState)> {
    let holds = bench.store.open_holds().unwrap();
    holds.iter().map(|hold| (hold.intent.attempt.sequence, hold.state)).collect()
}

/// Nothing of what was written is in doubt.
pub(super) fn sound(bench: &Bench) {
    assert_eq!(bench.store.verify(&mut |_, _| {}).unwrap(), []);
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.store.next_epoch().unwrap();
    bench
}

#[test]
fn what_begins_and_ends_within_a_batch_is_never_held() {
    let bench = bench();
    let batch = [intent(1), intent(2), intent(3), Record::Settled(record(2, START)), void(3)];
    let done = bench.store.apply_records(batch, 7).unwrap();
    assert_eq!(done, AppliedRecords { settled: 1, opened: 1, resolved: 0 });
    assert_eq!(held(&bench), [(1, HoldState::Open)]);
    assert_eq!((bench.store.applied().unwrap(), bench.reopen().applied().unwrap()), (7, 7));
    bench.store.apply_records([Record::Settled(record(1, START))], 8).unwrap();
    assert_eq!(held(&bench), []);
    assert_eq!((sums(&bench).calls, sums(&bench).charged.nanos()), (2, 2_468));
    sound(&bench);
}

#[test]
fn an_intent_given_again_after_its_end_is_not_held() {
    let bench = bench();
    for record in [intent(1), Record::Settled(record(1, START)), intent(1)] {
        bench.store.apply_records([record], 1).unwrap();
    }
    assert_eq!((held(&bench), sums(&bench).calls), (vec![], 1));
    sound(&bench);
}

#[test]
fn a_void_drops_an_intent_but_never_what_may_have_cost_something() {
    let bench = bench();
    bench.store.apply_records([intent(1), intent(2)], 1).unwrap();
    bench.store.apply_records([Record::Settled(unknown(2))], 2).unwrap();
    bench.store.apply_records([void(1), void(2), void(9)], 3).unwrap();
    assert_eq!(held(&bench), [(2, HoldState::Unknown)]);
    sound(&bench);
}

#[test]
fn an_unknown_attempt_counts_as_unresolved_once_and_is_taken_out_when_resolved() {
    // In one batch and over several, with and without a report of its end.
    let reported = vec![intent(1), Record::Settled(unknown(1)), resolved(1, 4_000)];
    let silent = vec![intent(1), resolved(1, 4_000)];
    for records in [reported, silent] {
        for size in 1..=records.len() {
            let bench = bench();
            for (place, chunk) in (1..).zip(records.chunks(size)) {
                for _ in 0..2 {
                    bench.store.apply_records(chunk.to_vec(), place).unwrap();
                }
                let (sums, held) = (sums(&bench), held(&bench));
                let unresolved = if held == [(1, HoldState::Unknown)] { 5_000 } else { 0 };
                assert_eq!(sums.unresolved.nanos(), unresolved, "{held:?}");
                sound(&bench);
            }
            let sums = sums(&bench);
            assert_eq!((sums.calls, sums.charged.nanos(), sums.unresolved_tokens), (1, 4_000, 0));
            assert_eq!(held(&bench), []);
            let call = bench.store.calls(&acme(), Timestamp::EPOCH, 10, None).unwrap().remove(0);
            assert_eq!((call.ending, call.charged.nanos()), (Ending::Resolved, 4_000));
        }
    }
}

#[test]
fn a_resolution_never_charges_more_than_was_held_and_only_once() {
    let bench = bench();
    bench.store.apply_records([Record::Settled(unknown(1)), resolved(1, 9_000), resolved(1, 1)], 1).unwrap();
    bench.store.apply_records([resolved(1, 2), resolved(77, 5)], 2).unwrap();
    let sums = sums(&bench);
    assert_eq!((sums.charged.nanos(), sums.variance.nanos(), sums.unresolved.nanos()), (5_000, 4_000, 0));
    sound(&bench);
}

#[test]
fn any_cut_of_a_journal_into_batches_gives_the_same_books() {
    let mut random = fastrand::Rng::with_seed(9);
    let records = many(300);
    let mut journal: Vec<Record> = Vec::new();
    for record in &records {
        journal.push(Record::Intent(IntentRecord::of(record)));
        if record.attempt.sequence > 5 {
            let place = random.usize(journal.len().saturating_sub(40)..journal.len()) + 1;
            let own = journal.iter().rposition(|other| other.attempt() == Some(record.attempt)).unwrap();
            journal.insert(place.max(own + 1), Record::Settled(record.clone()));
        }
        if record.ending == Ending::Unknown && random.bool() {
            journal.push(resolved(record.attempt.sequence, 3_000));
        }
    }
    let apply = |sizes: &mut dyn FnMut() -> usize| {
        let bench = bench();
        let mut at = 0;
        while at < journal.len() {
            let end = (at + sizes()).min(journal.len());
            bench.store.apply_records(journal[at..end].to_vec(), end as u64).unwrap();
            if end.is_multiple_of(3) {
                // Given again, as after a crash before the journal was told.
                bench.store.apply_records(journal[at..end].to_vec(), end as u64).unwrap();
                bench.store.apply_records(journal[..at].to_vec(), at as u64).unwrap();
            }
            at = end;
        }
        sound(&bench);
        let calls = bench.store.calls(&acme(), Timestamp::EPOCH, 1_000, None).unwrap();
        (calls, bench.store.open_holds().unwrap(), bench.store.usage_since(&acme(), Timestamp::EPOCH).unwrap().totals)
    };
    let whole = apply(&mut || usize::MAX / 2);
    assert!(whole.1.len() > 5, "some are held");
    for _ in 0..5 {
        assert_eq!(apply(&mut || random.usize(1..60)), whole);
    }
    assert_eq!(apply(&mut || 1), whole);
}

#[test]
fn a_start_gets_charges_and_holds_apart() {
    let bench = bench();
    bench.apply(SMALL);
    bench.store.apply_records([Record::Settled(record(1, START)), Record::Settled(unknown(2)), intent(3)], 1).unwrap();
    let directory = Directory::load(bench.reopen()).unwrap();
    let now = Timestamp::from_seconds(START);
    let accounts = bench.store.restored_accounts(&directory, now).unwrap();
    let tenant = directory.tenant("acme").unwrap();
    assert_eq!(accounts.len(), 3, "tenant, project and key");
    for account in tenant.keys()[0].path() {
        let found = accounts.iter().find(|restored| restored.account == account.index).unwrap();
        assert_eq!(found.tenant, tenant.account.index);
        assert_eq!(found.posted.len(), BudgetPeriod::ALL.len());
        for posted in &found.posted {
            assert_eq!((posted.amounts.usd.nanos(), posted.amounts.tokens), (1_234, 110), "{posted:?}");
        }
    }
    assert_eq!(held(&bench), [(2, HoldState::Unknown), (3, HoldState::Open)]);
    let after = bench.store.restored_accounts(&directory, Timestamp::from_seconds(START + 400 * 86_400)).unwrap();
    assert!(after.iter().all(|account| account.posted.len() == 1), "only the total is left: {after:?}");
}

#[test]
fn all_tenants_at_once_are_what_they_are_one_by_one() {
    let bench = bench();
    let tenant = |id: &str, zone: &str| {
        format!(
            "[[tenant]]\nid = \"{id}\"\ntimezone = \"{zone}\"\n[[tenant.project]]\nid = \"search\"\n\
             [[tenant.project.key]]\nname = \"ci\"\n[[tenant.project.project]]\nid = \"inner\"\n\
             [[tenant.project.project.key]]\nname = \"app\"\n"
        )
    };
    bench.apply(&format!("{}{}", tenant("acme", "Asia/Kathmandu"), tenant("beta", "UTC")));
    let mut records = many(500);
    records.iter_mut().for_each(|record| record.ending = Ending::Complete);
    bench.record_usage(&records);
    let directory = Directory::load(bench.reopen()).unwrap();
    let now = Timestamp::from_seconds(START + 200_000);
    let mut accounts = bench.store.restored_accounts(&directory, now).unwrap();
    accounts.sort_by_key(|account| account.account);
    let mut one_by_one: Vec<_> = ["acme", "beta", "gamma"]
        .into_iter()
        .flat_map(|id| bench.store.restored_accounts_of(&TenantId::new(id).unwrap(), &directory, now).unwrap())
        .collect();
    one_by_one.sort_by_key(|account| account.account);
    assert_eq!(one_by_one, accounts);
    for id in ["acme", "beta"] {
        let tenant = directory.tenant(id).unwrap();
        let zone = tenant.account.settings().zone.clone();
        let sums = bench.store.posted_sums(tenant.id(), &zone, now).unwrap();
        for sum in sums.iter().filter(|sum| sum.project.is_none()) {
            let all = accounts.iter().find(|account| account.account == tenant.account.index).unwrap();
            assert!(all.posted.contains(&sum.posted), "{id}: {sum:?} is not in {all:?}");
        }
    }
}

#[test]
fn only_what_is_old_is_due() {
    let bench = bench();
    let old = UsageRecord { at: Timestamp::from_seconds(START - 86_401), ..unknown(1) };
    let other = UsageRecord { tenant: TenantId::new("beta").unwrap(), ..unknown(2) };
    bench.store.apply_records([Record::Settled(old), Record::Settled(other), intent(3)], 1).unwrap();
    let sequences =
        |holds: Vec<crate::OpenHold>| -> Vec<u64> { holds.iter().map(|hold| hold.intent.attempt.sequence).collect() };
    assert_eq!(sequences(bench.store.due_holds(Timestamp::from_seconds(START - 86_400)).unwrap()), [1]);
    assert_eq!(sequences(bench.store.holds(&acme()).unwrap()), [1, 3]);
    let hold = &bench.store.holds(&acme()).unwrap()[0];
    assert_eq!((hold.intent.worst.usd.nanos(), hold.intent.worst.tokens), (5_000, 500));
    assert_eq!((hold.intent.request_id, hold.intent.upstream.as_str()), (record(1, 0).request_id, "local"));
}

fn lease(key: Option<&str>, up_to: u64, lost: Option<u64>) -> LeaseRecord {
    LeaseRecord {
        tenant: acme(),
        project: key.map(|_| record(1, 0).project),
        key: key.map(|key| base::KeyId::new(key).unwrap()),
        period: BudgetPeriod::Month,
        starts: Timestamp::from_seconds(START),
        resource: Resource::Usd,
        up_to,
        lost,
    }
}

#[test]
fn the_longest_lease_of_each_account_counts() {
    let bench = bench();
    let batch = [lease(None, 1, None), lease(Some("ci"), 2, None), lease(None, 3, None)];
    bench.store.apply_records(batch.map(Record::Leased), 1).unwrap();
    let next = LeaseRecord { resource: Resource::Tokens, ..lease(None, 4, Some(0)) };
    bench.store.apply_records([lease(Some("ci"), 1, None), next.clone()].map(Record::Leased), 2).unwrap();
    let mut leases = bench.reopen().leases().unwrap();
    leases.sort_by_key(|lease| lease.up_to);
    assert_eq!(leases, [lease(Some("ci"), 2, Some(0)), lease(None, 3, Some(0)), next]);
    sound(&bench);
}

#[test]
fn what_is_lost_of_a_lease_stays_until_somebody_says_otherwise() {
    let bench = bench();
    let mut applied = 0;
    let mut then = |records: Vec<LeaseRecord>| {
        applied += 1;
        bench.store.apply_records(records.into_iter().map(Record::Leased), applied).unwrap();
        let leases = bench.store.leases().unwrap();
        let [lease] = &leases[..] else { panic!("{leases:?}") };
        (lease.up_to, lease.lost)
    };
    assert_eq!(then(vec![lease(None, 100, None)]), (100, Some(0)));
    assert_eq!(then(vec![lease(None, 0, Some(30))]), (100, Some(30)));
    assert_eq!(then(vec![lease(None, 150, None)]), (150, Some(30)), "an extension says nothing of it");
    assert_eq!(then(vec![lease(None, 0, Some(20)), lease(None, 160, None)]), (160, Some(20)), "nor within a batch");
    assert_eq!(then(vec![lease(None, 0, Some(0))]), (160, Some(0)), "released");
    let next = LeaseRecord { starts: Timestamp::from_seconds(START + 1), ..lease(None, 10, None) };
    assert_eq!(then(vec![lease(None, 0, Some(5)), next]), (10, Some(0)), "a period begins with nothing lost");
    sound(&bench);
}

#[test]
fn a_lease_of_a_period_that_is_over_takes_no_younger_one_away() {
    let bench = bench();
    let older = LeaseRecord { starts: Timestamp::from_seconds(START - 1), ..lease(None, 900, Some(7)) };
    bench.store.apply_records([lease(None, 10, None), older.clone()].map(Record::Leased), 1).unwrap();
    bench.store.apply_records([Record::Leased(older)], 2).unwrap();
    assert_eq!(bench.store.leases().unwrap(), [lease(None, 10, Some(0))]);
    sound(&bench);
}

#[test]
fn a_failed_batch_leaves_nothing_and_the_next_one_works() {
    let bench = bench();
    let impossible = void(1 << 40);
    let batch = vec![Record::Settled(record(1, START)), impossible];
    assert!(bench.store.apply_records(batch, 5).is_err());
    assert_eq!((bench.store.applied().unwrap(), sums(&bench).calls), (0, 0));
    bench.store.apply_records([Record::Settled(record(1, START))], 5).unwrap();
    assert_eq!((bench.store.applied().unwrap(), sums(&bench).calls), (5, 1));
    sound(&bench);
}
