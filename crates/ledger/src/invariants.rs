//! The full check of a ledger: for tests, and for an operator who doubts. It visits every account and every hold.

use std::collections::HashMap;

use crate::account::Slot;
use crate::ledger::Ledger;

impl Ledger {
    /// Checks I1 (authority), I4 and I7 (what is held is the sum of the open holds) on everything that is here.
    ///
    /// # Panics
    /// When one of them does not hold.
    pub fn assert_invariants(&self) {
        let mut held: HashMap<*const Slot, [u64; 2]> = HashMap::new();
        for open in self.open.values() {
            let worst = open.worst.numbers();
            for (place, generation) in open.places.iter().zip(open.generations) {
                for slot in self.accounts[place].slots_of(generation) {
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
                let fits = slot.counters.iter().all(|counter| counter.posted + counter.held <= counter.limit);
                assert!(fits || slot.is_over_limit, "posted + held is within the limit (I1): {account:?}");
            }
        }
    }
}
