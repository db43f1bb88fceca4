//! The full check of a ledger: for tests, and for an operator who doubts. It visits every account and every hold.

use std::collections::HashMap;

use crate::account::Account;
use crate::counter::Counter;
use crate::ledger::Ledger;
use crate::slot::{Slot, place};

impl Ledger {
    /// Checks on everything that is here: posted, held, lost and unused leases are within the limit (I1); held is the
    /// sum of the open holds, the unknown ones included, so that nothing is freed twice or forgotten (I4, I5, I7); and
    /// periods follow each other (I8).
    ///
    /// # Panics
    /// When one of them does not hold.
    pub fn assert_invariants(&self) {
        let mut held: HashMap<*const Slot, [u64; 2]> = HashMap::new();
        for open in self.open.values() {
            let worst = open.worst.numbers();
            for (level, place) in open.places.iter().enumerate() {
                for slot in self.accounts[place].slots_of(open.when(level)) {
                    let sum = held.entry(core::ptr::from_ref(slot)).or_default();
                    *sum = [sum[0] + worst[0], sum[1] + worst[1]];
                }
            }
        }
        for account in &self.accounts {
            for slot in account.slots.iter().chain(&account.earlier) {
                let held = held.get(&core::ptr::from_ref(slot)).copied().unwrap_or_default();
                let on_slot = [slot.counters[0].held, slot.counters[1].held];
                assert_eq!(on_slot, held, "held is the sum of the open holds (I7): {account:?}");
            }
            for slot in &account.slots {
                let fits = |counter: &Counter| {
                    let used = counter.posted + counter.held + counter.lost;
                    // An unused lease is within the limit as far as it can be used.
                    let unused = counter.leased.min(counter.limit).saturating_sub(used);
                    let is_leased = counter.lease().is_none_or(|leased| used <= leased);
                    is_leased && used + unused <= counter.limit
                };
                let fits = slot.counters.iter().all(fits);
                assert!(fits || slot.is_over_limit, "what is used is within limit and lease (I1): {account:?}");
                slot.counters.iter().for_each(Counter::assert_sound);
            }
            account.assert_periods();
        }
    }
}

impl Account {
    /// I8: of each kind every kept period is older than the next, and no hold is younger than the account.
    fn assert_periods(&self) {
        let mut last: [Option<&Slot>; 5] = [None; 5];
        for slot in self.earlier.iter().chain(&self.slots) {
            let before = last[place(slot.period)].replace(slot);
            let follows =
                before.is_none_or(|old| old.date < slot.date && old.first_generation <= slot.first_generation);
            assert!(follows && slot.first_generation <= self.generation, "periods never go back (I8): {self:?}");
        }
    }
}
