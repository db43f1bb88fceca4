//! What a restart must not change: the periods of old holds, the time, and what a loss of power may have spent.

use base::{AccountIndex, AttemptId, BudgetPeriod, Budgets, Money, Timestamp};
use jiff::tz::TimeZone;

use crate::{AccountConfig, AccountPath, Amounts, Ending, Entry, Lease, LeasePolicy, Ledger, PostedBalance, Resource};

const ACCOUNT: AccountIndex = AccountIndex(0);
const DAY: i64 = 86_400;

fn usd(nanos: i64) -> Amounts {
    Amounts { usd: Money::from_nanos(nanos), tokens: 0 }
}

fn at(day: i64) -> Timestamp {
    Timestamp::from_seconds(day * DAY + 60)
}

fn id(sequence: u64) -> AttemptId {
    AttemptId { epoch: 1, sequence }
}

fn ledger(policy: Option<LeasePolicy>) -> Ledger {
    let mut ledger = policy.map_or_else(Ledger::new, Ledger::with_leases);
    let budgets = Budgets { per_day: Some(Money::from_nanos(100)), ..Budgets::default() };
    ledger.configure(ACCOUNT, &AccountConfig { budgets, ..AccountConfig::unlimited(TimeZone::UTC) });
    ledger
}

fn posted(day: i64, nanos: i64) -> [PostedBalance; 1] {
    [PostedBalance { period: BudgetPeriod::Day, starts: at(day), amounts: usd(nanos) }]
}

fn held(sequence: u64, day: i64, nanos: i64) -> Entry {
    Entry::Held { attempt: id(sequence), path: AccountPath::new(&[ACCOUNT]), worst: usd(nanos), granted_at: at(day) }
}

fn today(ledger: &Ledger) -> (i64, i64) {
    let balances = ledger.balances(ACCOUNT, at(0));
    let day = balances.of(BudgetPeriod::Day);
    (day.posted.usd.nanos(), day.held.usd.nanos())
}

#[test]
fn a_hold_of_yesterday_that_is_replayed_after_the_sums_of_today_is_one_of_yesterday() {
    let mut ledger = ledger(None);
    ledger.restore(ACCOUNT, &posted(12, 30));
    ledger.apply(&held(1, 11, 70));
    ledger.apply(&held(2, 9, 5));
    ledger.apply(&held(3, 11, 2));
    ledger.apply(&held(4, 12, 10));
    ledger.assert_invariants();
    assert_eq!(today(&ledger), (30, 10));
    let earlier = ledger.balances(ACCOUNT, at(12)).earlier;
    let days: Vec<_> =
        earlier.iter().filter(|one| one.period == BudgetPeriod::Day).map(|one| one.held.usd.nanos()).collect();
    assert_eq!(days, [5, 72]);
    let month = ledger.balances(ACCOUNT, at(12));
    assert_eq!(month.of(BudgetPeriod::Month).held, usd(87), "the month is the same");
    // A day goes by with all of them open, and they end in any order.
    let hold = ledger.reserve(&[ACCOUNT], id(5), usd(1), at(13)).unwrap();
    for sequence in [4, 1, 3, 2] {
        ledger.resolve(id(sequence), Ending::Complete(usd(1))).unwrap();
        ledger.assert_invariants();
    }
    ledger.settle(hold, Ending::Refused);
    assert_eq!(today(&ledger), (0, 0));
    assert!(ledger.balances(ACCOUNT, at(13)).earlier.is_empty());
}

#[test]
fn a_clock_behind_the_books_grants_nothing_of_a_past_day() {
    let mut ledger = ledger(None);
    ledger.begin_at(at(12));
    ledger.restore(ACCOUNT, &posted(12, 95));
    let refused = ledger.reserve(&[ACCOUNT], id(1), usd(6), at(11)).unwrap_err();
    assert_eq!(refused.shortage().unwrap().posted, 95);
    let hold = ledger.reserve(&[ACCOUNT], id(2), usd(5), at(11)).unwrap();
    assert_eq!(hold.granted_at(), at(12));
    ledger.settle(hold, Ending::Refused);
}

#[test]
fn what_a_survivor_of_a_loss_releases_stays_lost() {
    let mut ledger = ledger(Some(LeasePolicy { parts: 64 }));
    let starts = Timestamp::from_seconds(12 * DAY);
    let lease = Lease { account: ACCOUNT, period: BudgetPeriod::Day, starts, resource: Resource::Usd, up_to: 100 };
    ledger.restore_lease(&lease);
    // Before the loss it ended at 8, and 92 went to others: the disk has neither.
    ledger.apply(&held(1, 12, 100));
    assert!(ledger.lose_unused_leases().is_empty(), "all that was leased is held");
    let lost = ledger.lost_by_resolving(id(1), Ending::Complete(usd(8)));
    assert_eq!(lost.iter().map(|one| one.amount).collect::<Vec<_>>(), [92]);
    ledger.resolve(id(1), Ending::Complete(usd(8))).unwrap();
    ledger.reserve(&[ACCOUNT], id(2), usd(1), at(12)).unwrap_err();
    ledger.release_lost(ACCOUNT, BudgetPeriod::Day, Resource::Usd).unwrap();
    let hold = ledger.reserve(&[ACCOUNT], id(2), usd(92), at(12)).unwrap();
    ledger.settle(hold, Ending::Refused);
    ledger.assert_invariants();
}
