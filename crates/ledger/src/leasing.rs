//! The operations on leases: what is wanted, what is given, what a loss of power makes of it.

use base::{AccountIndex, AttemptId, BudgetPeriod, Timestamp};

use crate::account::Account;
use crate::amounts::{Amounts, Resource};
use crate::counter::Counter;
use crate::hold::{Ending, Settlement};
use crate::lease::{Lease, Leases, Lost};
use crate::ledger::Ledger;
use crate::slot::place;

impl Ledger {
    /// The extensions after which a reservation of `worst` on `path` is not in want of a lease: what is missing and
    /// some calls ahead, never above a limit. None at all when the leases go far enough.
    #[must_use]
    pub fn leases_wanted(&self, path: &[AccountIndex], worst: Amounts, now: Timestamp) -> Leases {
        let needed = worst.numbers();
        self.leases_on(
            path,
            now,
            |place, counter, parts| {
                if needed[place] == 0 { None } else { counter.wanted(needed[place], parts) }
            },
        )
    }

    /// The extensions that are due because half of the last one is used. Ask when [`crate::Hold::refill_due`] says so.
    #[must_use]
    pub fn refills_due(&self, path: &[AccountIndex], now: Timestamp) -> Leases {
        self.leases_on(path, now, |_, counter, parts| counter.refill(parts))
    }

    fn leases_on(
        &self,
        path: &[AccountIndex],
        now: Timestamp,
        up_to: impl Fn(usize, &Counter, u32) -> Option<u64>,
    ) -> Leases {
        let Some(policy) = self.lease_policy else { return Leases::new() };
        let places = self.places_of(path);
        let at = self.time_on(&places, now);
        let mut leases = Leases::new();
        for place in places.iter() {
            let account = &self.accounts[place];
            for slot in account.slots_at(at) {
                for (place, counter) in slot.counters.iter().enumerate() {
                    if let Some(up_to) = up_to(place, counter, policy.parts) {
                        let resource = Resource::ALL[place];
                        let (period, starts) = (slot.period, slot.starts);
                        leases.push(Lease { account: account.index, period, starts, resource, up_to });
                    }
                }
            }
        }
        leases
    }

    /// Lets an account use what a lease says, once the lease is durable. Twice is as once, a shorter one changes
    /// nothing, and one of a past period is ignored. The limit at the time of use still binds.
    ///
    /// Who extends and reserves under one lock gets the money, unless others did the same first with the same lease:
    /// then the reservation says [`crate::NoHold::Unleased`] again, and the next lease is asked for.
    pub fn extend(&mut self, lease: &Lease) {
        let place = self.place(lease.account);
        self.change(place, |account| account.extend(lease));
    }

    /// Gives back a lease that was durable before this process started, after [`Ledger::restore`].
    pub fn restore_lease(&mut self, lease: &Lease) {
        self.extend(lease);
    }

    /// After a loss of power, once everything that is known was restored and replayed: whatever is leased and neither
    /// posted nor held may have been spent, and counts as held until [`Ledger::release_lost`]. A second time changes
    /// nothing. Says what each account concerned has lost now.
    pub fn lose_unused_leases(&mut self) -> Vec<Lost> {
        let mut lost = Vec::new();
        self.mark_survivors(u64::MAX);
        for account in self.accounts.iter_mut() {
            if account.lose_unused_leases() {
                lost.extend(account.lost());
            }
        }
        lost
    }

    /// Marks the open holds of attempts before `epoch` as those that were open when power was lost, as
    /// [`Ledger::lose_unused_leases`] does with all: for a restart after the one that counted the loss.
    pub fn mark_survivors(&mut self, epoch: u64) {
        for (_, open) in self.open.iter_mut().filter(|(attempt, _)| attempt.epoch < epoch) {
            open.survived_loss = true;
        }
    }

    /// What has to count as lost when an unresolved attempt ends so, to be written down before that end.
    ///
    /// A hold that was open when power was lost may have ended before: its end was not on the disk, nor was what took
    /// its money since. What its ending releases may be spent already, and stays counted like the unused leases.
    #[must_use]
    pub fn lost_by_resolving(&self, attempt: AttemptId, ending: Ending) -> Vec<Lost> {
        let mut lost = Vec::new();
        let Some(open) = self.open.get(&attempt).filter(|open| open.survived_loss) else { return lost };
        let settlement = Settlement::of(attempt, open.worst, ending);
        let (released, charged) = (settlement.released.numbers(), settlement.charged.numbers());
        for (level, place) in open.places.iter().enumerate() {
            lost.extend(self.accounts[place].lost_with(open.when(level), released, charged));
        }
        lost
    }

    /// The same for one account.
    pub fn lose_unused_leases_of(&mut self, account: AccountIndex) -> Vec<Lost> {
        let place = self.place(account);
        for open in self.open.values_mut().filter(|open| open.places.iter().any(|one| one == place)) {
            open.survived_loss = true;
        }
        let account = &mut self.accounts[place];
        if account.lose_unused_leases() { account.lost().collect() } else { Vec::new() }
    }

    /// Everything that is lost in current periods. An account that was not used since its period ended still lists what
    /// that one lost.
    pub fn lost(&self) -> impl Iterator<Item = Lost> {
        self.accounts.iter().flat_map(Account::lost)
    }

    /// Frees what was lost, because somebody knows better or has waited long enough. `None` when nothing is lost there;
    /// else what was, which the log then says with an amount of zero: see [`crate::Entry::Lost`].
    pub fn release_lost(&mut self, account: AccountIndex, period: BudgetPeriod, resource: Resource) -> Option<Lost> {
        let at = self.place(account);
        let is_meant = |lost: &Lost| lost.resource == resource && place(lost.period) == place(period);
        let found = self.accounts[at].lost().find(is_meant)?;
        self.change(at, |account| account.set_lost(&Lost { amount: 0, ..found }));
        Some(found)
    }
}
