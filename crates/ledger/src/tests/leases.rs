//! Leases: what may be used before it is written down, and what a loss of power does to it.

use base::{AccountIndex, BudgetPeriod, Budgets, Money, Timestamp};
use jiff::tz::TimeZone;

use super::table::check;
use crate::{AccountConfig, Lease, LeasePolicy, Ledger, PostedBalance, Resource};

#[test]
fn nothing_with_a_limit_is_granted_beyond_its_lease() {
    check(
        "leases 10
         limit T month 100.00
         reserve A1 T/K 1.00 unleased
         extend T/K 1.00                              # ten more, or eight calls of that size: K needs none
         balance T month posted 0 held 0 leased 11.00
         reserve A1 T/K 1.00 ok
         reserve A2 T/K 10.00 ok
         reserve A3 T/K 0.01 unleased
         reserve A3 T/K 90.00 short T usd month alone # the limit is in the way, whatever is leased
         extend T/K 90.00 none                        # no lease would help
         extend T/K 0.01
         balance T month posted 0 held 11.00 leased 21.01
         settle A1 refused
         settle A2 complete 2.00                      # what is released stays leased
         balance T month posted 2.00 held 0 leased 21.01
         extend T/K 19.01 none
         reserve A3 T/K 19.01 ok
         reserve A4 T/K 0.00+500 ok                   # nothing limits tokens: no lease is needed
         settle A3 complete 1.00",
    );
}

#[test]
fn a_large_call_leases_for_some_of_its_size_and_never_above_the_limit() {
    check(
        "leases 10
         limit T month 100.00
         limit T tokens 1000
         limit T total 400.00
         extend T 5.00+60
         balance T month leased 45.00
         balance T total leased 45.00
         reserve A1 T 5.00+60 ok
         extend T 70.00+1
         balance T month leased 100.00                # not 75 and 560
         balance T total leased 400.00
         extend T 96.00 none                          # the limit does not let it: nothing to lease
         reserve A2 T 96.00 short T usd month alone
         reserve A2 T 95.00 ok
         settle A2 complete 95.00",
    );
}

#[test]
fn a_lease_is_refilled_when_half_of_its_last_extension_is_used() {
    check(
        "leases 10
         limit T month 100.00
         extend T 0.01
         balance T month leased 10.01
         reserve A1 T 5.00 ok
         refill T none
         reserve A2 T 0.01 ok
         refill T                                     # 5.01 of 10.01 are used
         balance T month leased 20.02
         refill T none
         settle A1 complete 5.00
         reserve A3 T 10.00 ok
         reserve A4 T 0.50 ok
         refill T
         balance T month leased 30.03
         limit T month 30.00                          # lowered: there is nothing to extend to
         reserve A5 T 14.00 ok
         refill T none",
    );
}

#[test]
fn a_hold_says_when_a_refill_is_due() {
    let mut ledger = leased(100, 10);
    let account = AccountIndex(1);
    let small = crate::Amounts { usd: Money::from_usd(2), tokens: 0 };
    for lease in ledger.leases_wanted(&[account], small, Timestamp::EPOCH) {
        ledger.extend(&lease);
    }
    // Eighteen are leased at once: two, and eight calls of two.
    let mut due = Vec::new();
    for sequence in 1..=9 {
        let attempt = base::AttemptId { epoch: 1, sequence };
        let hold = ledger.reserve(&[account], attempt, small, Timestamp::EPOCH).unwrap();
        due.push(hold.refill_due());
        let _ = ledger.settle(hold, crate::Ending::Complete(small));
    }
    assert_eq!(due, [false, false, false, false, true, true, true, true, true]);
}

#[test]
fn a_lowered_limit_binds_before_the_lease_does() {
    check(
        "leases 2
         limit T month 10.00
         extend T 1.00
         balance T month leased 9.00
         reserve A1 T 1.00 ok
         limit T month 3.00
         reserve A2 T 2.01 short T usd month alone
         reserve A3 T 2.00 ok
         limit T month 1.00
         reserve A4 T 0.01 short T usd month alone
         limit T month 20.00
         reserve A5 T 6.00 ok                         # the lease is still good for nine
         reserve A6 T 0.01 unleased
         limit T month none
         reserve A6 T 500.00 ok                       # no limit, no lease
         limit T month 600.00                         # what was used before is not leased after the fact
         reserve A7 T 0.01 unleased
         extend T 0.01
         reserve A7 T 0.01 ok",
    );
}

#[test]
fn a_new_period_begins_without_a_lease() {
    check(
        "leases 4
         limit T month 10.00
         clock 2026-01-31T23:59:00Z
         extend T 1.00
         reserve A1 T 1.00 ok
         clock 2026-02-01T00:00:00Z
         reserve A2 T 1.00 unleased
         extend T 1.00
         balance T month posted 0 held 0 leased 9.00
         reserve A2 T 1.00 ok
         settle A1 complete 1.00
         balance T month posted 0 held 1.00 leased 9.00",
    );
}

#[test]
fn what_is_leased_and_unused_when_the_power_goes_counts_as_held() {
    check(
        "leases 4
         limit T month 10.00
         limit K day 8.00
         extend T/K 1.00
         reserve A1 T/K 1.00 ok
         reserve A2 T/K 2.00 ok
         settle A1 complete 0.50
         power loss T month usd 6.50 K day usd 5.50
         balance T month posted 0.50 held 2.00 lost 6.50 leased 9.00
         available T/K 0
         reserve A3 T/K 2.00 short T usd month alone  # A2 may give two back
         reserve A3 T/K 2.01 short K usd day          # no wait for holds brings back what is lost
         power loss none
         release T month tokens none
         release T month usd 6.50
         release T month usd none
         release K day usd 5.50
         reserve A3 T/K 5.00 ok
         settle A2 complete 2.00
         balance T month posted 2.50 held 5.00 lost 0 leased 9.00",
    );
}

#[test]
fn what_is_lost_leaves_with_its_period_and_with_the_wallet_never() {
    check(
        "leases 1
         limit T month 10.00
         wallet T 20.00
         extend T 1.00
         power loss T month usd 10.00 T total usd 20.00
         balance T wallet posted 0 lost 20.00 leased 20.00
         advance 1 month
         reserve A1 T 1.00 short T usd wallet
         balance T month lost 0
         release T wallet usd 20.00
         extend T 1.00
         reserve A1 T 1.00 ok",
    );
}

/// One account with so many dollars a month.
fn leased(dollars: u32, parts: u32) -> Ledger {
    let mut ledger = Ledger::with_leases(LeasePolicy { parts });
    let budgets = Budgets { per_month: Some(Money::from_usd(dollars)), ..Budgets::default() };
    ledger.configure(AccountIndex(1), &AccountConfig { budgets, ..AccountConfig::unlimited(TimeZone::UTC) });
    ledger
}

#[test]
fn restored_leases_count_in_their_period_and_never_above_the_limit() {
    let account = AccountIndex(1);
    let (march, april) = (super::table::time("2026-03-01T00:00:00Z"), super::table::time("2026-04-01T00:00:00Z"));
    let lease = |starts, dollars| Lease {
        account,
        period: BudgetPeriod::Month,
        starts,
        resource: Resource::Usd,
        up_to: Money::from_usd(dollars).nanos().unsigned_abs(),
    };
    let mut ledger = leased(100, 10);
    let amounts = super::table::amounts("40.00");
    ledger.restore(account, &[PostedBalance { period: BudgetPeriod::Month, starts: april, amounts }]);
    for lease in [lease(april, 60), lease(april, 50), lease(march, 90)] {
        ledger.restore_lease(&lease);
    }
    let month = *ledger.balances(account, april).of(BudgetPeriod::Month);
    assert_eq!((month.usd_leased, month.starts), (Some(Money::from_usd(60)), april), "the longest, of this month");
    let lost = ledger.lose_unused_leases_of(account);
    assert_eq!(lost.iter().map(|lost| lost.amount).collect::<Vec<_>>(), [20_000_000_000]);
    assert_eq!(ledger.lost().collect::<Vec<_>>(), lost);
    let month = *ledger.balances(account, april).of(BudgetPeriod::Month);
    assert_eq!((month.held, month.held_in_all()), (crate::Amounts::ZERO, super::table::amounts("20.00")));
    ledger.assert_invariants();
    // A lease that was written under a higher limit.
    let mut ledger = leased(100, 10);
    ledger.restore_lease(&lease(april, 4_000));
    let path = [account];
    let attempt = base::AttemptId { epoch: 1, sequence: 1 };
    let most = super::table::amounts("100.01");
    let refused = ledger.reserve(&path, attempt, most, april).unwrap_err();
    assert_eq!(refused.shortage().map(|shortage| shortage.limit), Some(100_000_000_000));
    assert!(ledger.reserve(&path, attempt, super::table::amounts("100.00"), april).is_ok());
    ledger.assert_invariants();
}
