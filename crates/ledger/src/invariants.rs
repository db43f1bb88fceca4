//! The full check of a ledger: for tests, and for an operator who doubts. It visits every account and every hold.

use std::collections::HashMap;

use jiff::civil::Date;

use crate::account::{Account, Home};
use crate::counter::Counter;
use crate::ledger::Ledger;
use crate::slot::place;

impl Ledger {
    /// Checks on everything that is here: posted, held, lost and unused leases are within the limit (I1); held is the
    /// sum of the open holds, the unknown ones included, so that nothing is freed twice or forgotten (I4, I5, I7); and
    /// periods follow each other (I8).
    ///
    /// # Panics
    /// When one of them does not hold.
    pub fn assert_invariants(&self) {
        let mut held: HashMap<(usize, Home), [u64; 2]> = HashMap::new();
        for open in self.open.values() {
            let worst = open.worst.numbers();
            for (level, place) in open.places.iter().enumerate() {
                for home in self.accounts[place].homes_of(open.when(level)) {
                    let sum = held.entry((place, home)).or_default();
                    *sum = [sum[0] + worst[0], sum[1] + worst[1]];
                }
            }
        }
        for (place, account) in self.accounts.iter().enumerate() {
            let current = account.slots().enumerate().map(|(at, slot)| (Home::Current(at), slot));
            let earlier = account.earlier().iter().cloned().enumerate().map(|(at, slot)| (Home::Earlier(at), slot));
            for (home, slot) in current.chain(earlier) {
                let held = held.get(&(place, home)).copied().unwrap_or_default();
                let on_slot = [slot.counters[0].held, slot.counters[1].held];
                assert_eq!(on_slot, held, "held is the sum of the open holds (I7): {account:?}");
            }
            for slot in account.slots() {
                let fits = |counter: &Counter| {
                    let used = counter.posted + counter.held + counter.terms.lost;
                    // An unused lease is within the limit as far as it can be used.
                    let unused = counter.terms.leased.min(counter.terms.limit).saturating_sub(used);
                    let is_leased = counter.terms.lease().is_none_or(|leased| used <= leased);
                    is_leased && used + unused <= counter.terms.limit
                };
                let fits = slot.counters.iter().all(fits);
                assert!(fits || slot.is_over_limit, "what is used is within limit and lease (I1): {account:?}");
                slot.counters.iter().for_each(|counter| counter.terms.assert_sound());
            }
            account.assert_periods();
        }
    }
}

impl Account {
    /// I8: of each kind every kept period is older than the next, and no hold is younger than the account.
    fn assert_periods(&self) {
        let mut last: [Option<(Date, u32)>; 5] = [None; 5];
        for slot in self.earlier().iter().cloned().chain(self.slots()) {
            let before = last[place(slot.period)].replace((slot.date, slot.first_generation));
            let follows = before.is_none_or(|(date, first)| date < slot.date && first <= slot.first_generation);
            assert!(follows && slot.first_generation <= self.generation, "periods never go back (I8): {self:?}");
        }
    }
}
