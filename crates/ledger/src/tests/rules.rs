//! What reserving, settling and resolving do, as tables.

use base::{AccountIndex, AttemptId, Money, Timestamp};
use jiff::tz::TimeZone;

use super::table::{amounts, check, time};
use crate::{AccountConfig, Amounts, Ending, Ledger};

#[test]
fn all_levels_pay_or_none() {
    check(
        "limit T month 10.00
         limit P month 5.00
         limit K day 3.00
         reserve A1 T/P/K 2.00+100 ok
         reserve A2 T/P/K 2.00 short K usd day alone
         balance T month posted 0 held 2.00+100
         balance P month posted 0 held 2.00+100
         reserve A3 T/P/K2 3.00 ok                    # P is now full
         reserve A4 T/P/K2 0.000000001 short P usd month alone
         reserve A5 T/Q/K3 5.00 ok
         balance T month posted 0 held 10.00+100
         settle A1 complete 1.50+70 charged 1.50+70 released 0.50+30 variance 0
         balance K day posted 1.50+70 held 0
         balance T total posted 1.50+70 held 8.00
         available T/P/K 0.50
         reserve A6 T/P/K 0.50 ok",
    );
}

#[test]
fn each_ending_splits_the_hold_once() {
    check(
        "limit T month 10.00
         reserve A1 T 4.00+10 ok
         settle A1 complete 1.00+4 charged 1.00+4 released 3.00+6 held 0 variance 0
         reserve A2 T 4.00+10 ok
         settle A2 cut 2.00+5 charged 2.00+5 released 2.00+5 held 0 variance 0
         reserve A3 T 4.00+10 ok
         settle A3 refused charged 0 released 4.00+10 held 0 variance 0
         reserve A4 T 4.00+10 ok
         settle A4 unknown charged 0 released 0 held 4.00+10 variance 0
         balance T month posted 3.00+9 held 4.00+10",
    );
}

#[test]
fn an_excess_is_never_the_tenants() {
    check(
        "limit T month 10.00
         limit T tokens 100
         reserve A1 T 10.00+100 ok
         settle A1 complete 11.50+130 charged 10.00+100 released 0 variance 1.50+30
         balance T month posted 10.00+100 held 0
         reserve A2 T 0.000000001 short T usd month
         reserve A3 T 0+1 short T tokens month",
    );
}

#[test]
fn an_unknown_attempt_stays_held_until_evidence_comes() {
    check(
        "limit T month 10.00
         reserve A1 T 8.00 ok
         settle A1 unknown held 8.00
         advance 23 hours
         reserve A2 T 3.00 short T usd month alone
         resolve A1 unknown held 8.00
         resolve A1 complete 2.00 charged 2.00 released 6.00
         resolve A1 complete 2.00 none                # evidence twice counts once
         balance T month posted 2.00 held 0
         reserve A2 T 8.00 ok
         resolve A2 refused none                      # under way, not unknown
         settle A2 refused released 8.00",
    );
}

#[test]
fn unresolved_attempts_are_listed_with_what_they_hold() {
    let mut ledger = Ledger::new();
    let (tenant, key) = (AccountIndex(4), AccountIndex(9));
    let config = AccountConfig::unlimited(TimeZone::UTC);
    ledger.configure(tenant, &config);
    ledger.configure(key, &config);
    let attempt = AttemptId { epoch: 3, sequence: 1 };
    let now = time("2026-01-01T00:00:00Z");
    let hold = ledger.reserve(&[tenant, key], attempt, amounts("1.00+5"), now).unwrap();
    assert_eq!((ledger.unresolved().count(), ledger.open_holds()), (0, 1));
    let _ = ledger.settle(hold, Ending::Unknown);
    let found: Vec<_> = ledger.unresolved().collect();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].attempt, found[0].worst, found[0].granted_at), (attempt, amounts("1.00+5"), now));
    assert_eq!(found[0].path.accounts(), [tenant, key]);
}

#[test]
fn a_lowered_limit_stops_new_holds_at_once_and_keeps_the_old_ones() {
    check(
        "limit T month 10.00
         reserve A1 T 4.00 ok
         limit T month 3.00
         balance T month posted 0 held 4.00
         reserve A2 T 0.01 short T usd month alone
         reserve A3 T 0.00 ok                         # what costs nothing is never refused
         settle A1 complete 3.50 charged 3.50         # the hold was granted: it is charged
         reserve A4 T 0.01 short T usd month
         limit T month 4.00
         reserve A5 T 0.50 ok
         limit T month none
         reserve A6 T 1000000.00 ok",
    );
}

#[test]
fn money_and_tokens_are_one_primitive() {
    check(
        "limit T tokens 1000
         limit T month 1.00
         reserve A1 T 0.10+900 ok
         reserve A2 T 0.10+101 short T tokens month alone
         reserve A3 T 0.91+1 short T usd month alone
         reserve A4 T 0.10+1001 short T tokens month
         settle A1 complete 0.10+900
         reserve A5 T 0.10+100 ok
         advance 1 month
         reserve A6 T 1.00+1000 ok",
    );
}

#[test]
fn the_gravest_shortage_is_reported() {
    check(
        "limit T day 1.00
         limit T month 5.00
         limit K total 2.00
         reserve A1 T/K 1.00 ok
         reserve A2 T/K 1.00 short T usd day alone      # only the day is short
         reserve A3 T/K 1.50 short T usd day            # can never fit this day; K could after A1
         reserve A4 T/K 9.00 short K usd total          # the longest of those that cannot fit
         settle A1 complete 1.00
         reserve A5 T/K 1.00 short T usd day",
    );
}

#[test]
fn an_attempt_is_settled_in_the_period_of_its_grant() {
    check(
        "limit T month 10.00
         clock 2026-01-31T23:59:59Z
         reserve A1 T/K 6.00+60 ok
         reserve A2 T/K 4.00 ok
         clock 2026-02-01T00:00:00Z
         reserve A3 T/K 10.00 ok
         balance T month posted 0 held 10.00
         earlier T month posted 0 held 10.00+60
         settle A1 complete 5.00+50
         earlier T month posted 5.00+50 held 4.00
         balance T month posted 0 held 10.00
         balance T year posted 5.00+50 held 14.00
         settle A2 unknown
         earlier T month posted 5.00+50 held 4.00
         advance 1 month
         reserve A4 T/K 10.00 ok
         resolve A2 complete 4.00
         settle A3 refused
         earlier T none
         earlier K none
         balance T total posted 9.00+50 held 10.00",
    );
}

#[test]
fn a_period_never_goes_back() {
    check(
        "limit T month 10.00
         limit T day 5.00
         clock 2026-02-01T00:00:01Z
         reserve A1 T 5.00 ok
         clock 2026-01-31T23:00:00Z                   # the clock was set back an hour
         reserve A2 T 1.00 short T usd day alone
         balance T month starts 2026-02-01T00:00:00Z held 5.00 posted 0
         reserve A3 U/T2 1.00 ok                      # an account that never saw February is in January
         balance U month starts 2026-01-01T00:00:00Z
         reserve A4 U/T 0.00+1 ok                     # one grant has one time on all levels
         balance U month starts 2026-02-01T00:00:00Z
         clock 2026-02-02T00:00:00Z
         reserve A5 T 5.00 ok",
    );
}

#[test]
fn restored_sums_count_in_their_own_period_only() {
    check(
        "limit T month 10.00
         limit T day 5.00
         clock 2026-03-10T08:00:00Z
         restore T month 9.00+90
         restore T month 9.00+90                      # applied twice
         restore T day 1.00
         balance T month posted 9.00+90 held 0 starts 2026-03-01T00:00:00Z
         reserve A1 T 1.01 short T usd month
         reserve A2 T 1.00 ok
         clock 2026-02-10T08:00:00Z
         restore T month 2.00                         # older than the current one
         clock 2026-03-10T08:00:00Z
         balance T month posted 9.00+90 held 1.00
         limit U month 5.00
         restore U month 7.00                         # more than the limit of today
         restore U total 7.00
         reserve A3 U 0.01 short U usd month
         advance 1 month
         reserve A4 U 5.00 ok
         balance U total posted 7.00 held 5.00",
    );
}

#[test]
fn what_has_no_limit_is_counted_and_cannot_overflow() {
    let mut ledger = Ledger::new();
    let tenant = AccountIndex(1);
    ledger.configure(tenant, &AccountConfig::unlimited(TimeZone::UTC));
    let most = Amounts { usd: Money::MAX, tokens: i64::MAX as u64 };
    let hold = ledger.reserve(&[tenant], AttemptId { epoch: 1, sequence: 1 }, most, Timestamp::EPOCH).unwrap();
    let one = Amounts { usd: Money::from_nanos(1), tokens: 1 };
    let refused = ledger.reserve(&[tenant], AttemptId { epoch: 1, sequence: 2 }, one, Timestamp::EPOCH);
    assert!(refused.unwrap_err().shortage().unwrap().fits_alone);
    let too_many = Amounts { usd: Money::ZERO, tokens: u64::MAX };
    assert!(ledger.check(&[tenant], too_many, Timestamp::EPOCH).is_err());
    let settlement = ledger.settle(hold, Ending::Complete(Amounts { usd: Money::MAX, tokens: u64::MAX }));
    assert_eq!((settlement.charged, settlement.variance), (most, Money::ZERO));
    ledger.assert_invariants();
    let balance = *ledger.balances(tenant, Timestamp::MAX).of(base::BudgetPeriod::Total);
    assert_eq!((balance.posted, balance.usd_limit, balance.resets_at), (most, None, None));
}

#[test]
#[should_panic(expected = "an attempt has one hold (I4)")]
fn an_attempt_is_not_held_twice() {
    check("reserve A1 T 1.00 ok\n reserve A1 T 1.00 ok");
}

#[test]
#[should_panic(expected = "an account is once in its path")]
fn an_account_does_not_pay_twice_for_one_attempt() {
    check("reserve A1 T/K/T 1.00 ok");
}

#[test]
#[should_panic(expected = "an account is configured before it is used")]
fn an_unknown_account_is_not_one_without_limits() {
    let attempt = AttemptId { epoch: 1, sequence: 1 };
    let _ = Ledger::new().reserve(&[AccountIndex(5)], attempt, Amounts::ZERO, Timestamp::EPOCH);
}
