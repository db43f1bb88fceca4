//! Wallets, credits, refunds and thresholds.

use base::{AccountIndex, BudgetPeriod, Money, Timestamp};
use jiff::tz::TimeZone;

use super::table::check;
use crate::{AccountConfig, Alerts, Ledger};

#[test]
fn a_wallet_and_budgets_must_both_cover_a_call() {
    check(
        "limit T month 10.00
         wallet T 3.00
         reserve A1 T/K 2.00 ok
         reserve A2 T/K 2.00 short T usd wallet alone
         settle A1 complete 2.00
         reserve A2 T/K 1.01 short T usd wallet
         balance T wallet posted 2.00 held 0
         credit T 20.00 is 23.00
         reserve A2 T/K 8.01 short T usd month
         reserve A2 T/K 8.00 ok
         settle A2 complete 8.00
         advance 1 month                              # the budget comes back, the wallet does not
         reserve A3 T/K 10.00 ok
         settle A3 complete 10.00
         advance 1 month
         reserve A4 T/K 3.01 short T usd wallet
         available T/K 3.00
         limit T total 22.00                          # now the budget on all time is the tighter one
         reserve A4 T/K 2.01 short T usd total
         balance T wallet posted 20.00 held 0
         limit T total 24.00
         reserve A4 T/K 3.01 short T usd wallet",
    );
}

#[test]
fn a_wallet_that_opens_later_owes_nothing_for_the_past() {
    check(
        "reserve A1 T 7.00 ok
         settle A1 complete 7.00
         credit T 2.00 is 9.00
         reserve A2 T 2.01 short T usd wallet
         reserve A2 T 2.00 ok
         wallet T none
         reserve A3 T 100.00 ok
         settle A3 refused",
    );
}

#[test]
fn a_wallet_is_empty_at_zero_and_what_is_free_passes() {
    check(
        "wallet T 0.00
         reserve A1 T 0.000000001 short T usd wallet
         reserve A1 T 0.00+5 ok",
    );
}

#[test]
fn a_refund_is_usable_again_in_the_period_of_the_grant() {
    check(
        "limit T month 10.00
         limit K month 10.00
         clock 2026-01-31T23:00:00Z
         reserve A1 T/K 6.00+10 ok
         settle A1 complete 6.00+10
         reserve A2 T/K 1.00 ok
         refund A1 2.00+4
         balance T month posted 4.00+6 held 1.00
         balance K total posted 4.00+6 held 1.00
         reserve A3 T/K 5.01 short T usd month alone
         clock 2026-02-01T00:00:00Z
         reserve A4 T/K 10.00 ok
         refund A1 1.00
         earlier T month posted 3.00+6 held 1.00      # kept, because an attempt is open in it
         balance T month posted 0 held 10.00          # February has nothing of it
         balance T year posted 3.00+6 held 11.00
         settle A2 refused
         refund A1 3.00
         balance T total posted 0+6 held 10.00
         refund A1 1.00                               # too much: nothing falls below zero
         balance T total posted 0+6 held 10.00",
    );
}

#[test]
fn thresholds_are_told_once_per_period() {
    check(
        "limit T month 10.00
         limit T tokens 100
         alerts T 80 50 100
         reserve A1 T 4.99 ok
         crossed none
         settle A1 complete 4.99
         crossed none
         reserve A2 T 5.00+49 ok
         crossed none                                 # a hold is not spent
         settle A2 complete 0.01+49
         crossed T usd month 50
         crossed none
         reserve A3 T 5.00+51 ok
         settle A3 complete 5.00+51
         crossed T usd month 80 T usd month 100 T tokens month 50 T tokens month 80 T tokens month 100
         refund A3 5.00
         reserve A4 T 5.00 ok
         settle A4 complete 5.00
         crossed none                                 # once per period
         limit T month 20.00
         crossed none
         reserve A5 T 6.00 ok
         settle A5 complete 6.00
         crossed T usd month 50 T usd month 80        # a new limit is a new budget
         advance 1 month
         reserve A6 T 10.00 ok
         settle A6 complete 10.00
         crossed T usd month 50",
    );
}

#[test]
fn nobody_is_told_again_after_a_restart() {
    check(
        "limit T month 10.00
         alerts T 50 80
         restore T month 6.00
         reserve A1 T 1.00 ok
         settle A1 complete 1.00
         crossed none
         reserve A2 T 1.00 ok
         settle A2 complete 1.00
         crossed T usd month 80",
    );
}

#[test]
fn a_wallet_warns_as_a_budget_does() {
    check(
        "wallet T 10.00
         alerts T 90
         reserve A1 T 9.00 ok
         settle A1 complete 9.00
         crossed T usd wallet 90
         credit T 10.00 is 20.00
         reserve A2 T 10.00 ok
         settle A2 complete 10.00
         crossed T usd wallet 90",
    );
}

#[test]
fn thresholds_are_percents() {
    assert_eq!(Alerts::new(&[]), Some(Alerts::NONE));
    assert_eq!(Alerts::new(&[80, 50]), Alerts::new(&[50, 80]));
    for wrong in [&[0][..], &[101], &[1, 2, 3, 4, 5]] {
        assert_eq!(Alerts::new(wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_credit_may_be_applied_twice_and_late() {
    let account = AccountIndex(1);
    let wallet = |ledger: &Ledger| ledger.balances(account, Timestamp::EPOCH).of(BudgetPeriod::Wallet).usd_limit;
    let config = AccountConfig::unlimited(TimeZone::UTC);
    let mut ledger = Ledger::new();
    ledger.configure(account, &config);
    let entries = [5, 3].map(|dollars| ledger.credit(account, Money::from_usd(dollars)));
    let mut again = Ledger::new();
    again.configure(account, &config);
    for entry in [entries[1], entries[0], entries[1]] {
        again.apply(&entry);
        assert_eq!(wallet(&again), Some(Money::from_usd(8)));
    }
    assert_eq!(wallet(&again), wallet(&ledger));
    // What is configured binds, also when it is less.
    again.configure(account, &AccountConfig { wallet: Some(Money::from_usd(1)), ..config });
    assert_eq!(wallet(&again), Some(Money::from_usd(1)));
}
