//! One calendar period of an account, with its two counters.

use base::{BudgetPeriod, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::alerts::Alerts;
use crate::amounts::{Amounts, money};
use crate::balances::PeriodBalance;
use crate::calendar::{is_endless, period_at};
use crate::counter::Counter;
use crate::periods::Span;

/// Where the period without end stands in [`BudgetPeriod::ALL`].
pub(crate) const TOTAL: usize = 4;

/// One calendar period of an account, put together for whoever looks at all of it: an account keeps less.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) period: BudgetPeriod,
    pub(crate) starts: Timestamp,
    pub(crate) ends: Timestamp,
    /// The date on which it begins: its name, which a change of time zone leaves alone.
    pub(crate) date: Date,
    /// The account's generation when this slot began. A hold belongs to the newest slot that is not younger than it.
    pub(crate) first_generation: u32,
    /// A limit was lowered below what is posted and held, or a restored or replayed sum is above limit or lease. Nothing
    /// is granted there until it fits again.
    pub(crate) is_over_limit: bool,
    pub(crate) counters: [Counter; 2],
}

impl Slot {
    pub(crate) fn is_started(&self) -> bool {
        self.ends.micros() != i64::MIN
    }

    pub(crate) const fn span(&self) -> Span {
        Span { starts: self.starts, ends: self.ends, date: self.date }
    }

    /// The slot of the same kind around `at`, empty.
    pub(crate) fn next(&self, zone: &TimeZone, at: Timestamp, generation: u32, alerts: Alerts) -> Slot {
        let (bounds, date) = period_at(self.period, zone, at);
        assert!(!self.is_started() || date > self.date, "a period never goes back (I8)");
        Slot {
            period: self.period,
            starts: bounds.starts,
            ends: bounds.ends,
            date,
            first_generation: generation,
            is_over_limit: false,
            counters: self.counters.each_ref().map(|counter| counter.next(alerts)),
        }
    }

    pub(crate) fn set_limits(&mut self, limits: [u64; 2], alerts: Alerts) {
        for (counter, limit) in self.counters.iter_mut().zip(limits) {
            counter.set_limit(limit, alerts);
        }
        self.note_over_limit();
    }

    pub(crate) fn note_over_limit(&mut self) {
        self.is_over_limit = self.counters.iter().any(Counter::is_over);
    }

    /// Takes what a replayed hold takes, whatever the limits are.
    pub(crate) fn hold(&mut self, worst: [u64; 2]) {
        for (counter, amount) in self.counters.iter_mut().zip(worst) {
            counter.held = counter.held.checked_add(amount).expect("a sum of holds overflowed");
        }
        self.note_over_limit();
    }

    pub(crate) fn has_holds(&self) -> bool {
        self.counters.iter().any(|counter| counter.held > 0)
    }

    pub(crate) fn sums(&self, of: fn(&Counter) -> u64) -> Amounts {
        Amounts::from_numbers([of(&self.counters[0]), of(&self.counters[1])])
    }

    pub(crate) fn balance(&self) -> PeriodBalance {
        let limit = |counter: &Counter| counter.terms.is_limited().then_some(counter.terms.limit);
        let [usd, tokens] = &self.counters;
        PeriodBalance {
            period: self.period,
            starts: self.starts,
            resets_at: self.resets_at(),
            usd_limit: limit(usd).map(money),
            tokens_limit: limit(tokens),
            posted: self.sums(|counter| counter.posted),
            held: self.sums(|counter| counter.held),
            lost: self.sums(|counter| counter.terms.lost),
            usd_leased: usd.terms.lease().map(money),
            tokens_leased: tokens.terms.lease(),
        }
    }

    pub(crate) fn resets_at(&self) -> Option<Timestamp> {
        (self.ends != Timestamp::MAX).then_some(self.ends)
    }
}

/// Where a period stands in [`BudgetPeriod::ALL`]. A wallet is counted where all time is: both never end, and every
/// charge is in both.
pub(crate) fn place(period: BudgetPeriod) -> usize {
    if is_endless(period) {
        return TOTAL;
    }
    let found = BudgetPeriod::ALL.iter().position(|&one| one == period);
    found.expect("every period is listed")
}
