//! Leases: durable permission to use money, given ahead, so that a loss of power loses no money.

use base::{AccountIndex, BudgetPeriod, Timestamp};
use smallvec::SmallVec;

use crate::amounts::Resource;
use crate::ledger::Ledger;

/// How far ahead leases are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeasePolicy {
    /// A lease is extended by the limit's share of so many, or by what a few large calls need.
    pub parts: u32,
}

/// An account may use up to so much of a resource in one period: posted, held and lost together.
///
/// Made by [`Ledger::leases_wanted`] or [`Ledger::refills_due`], written down, and given to [`Ledger::extend`] when it
/// is durable. Limits on all time and wallets share one lease, of [`BudgetPeriod::Total`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Whose.
    pub account: AccountIndex,
    /// For which period.
    pub period: BudgetPeriod,
    /// When the period began.
    pub starts: Timestamp,
    /// Of what.
    pub resource: Resource,
    /// How much in all since the period began.
    pub up_to: u64,
}

/// What was leased and unused when the power went. It may have been spent, so that it counts as held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Whose.
    pub account: AccountIndex,
    /// In which period.
    pub period: BudgetPeriod,
    /// When the period began.
    pub starts: Timestamp,
    /// Of what.
    pub resource: Resource,
    /// How much is lost in this period now; nothing once it was released.
    pub amount: u64,
}

/// Leases of one path: seldom more than a handful.
pub type Leases = SmallVec<[Lease; 8]>;

impl Ledger {
    /// The extensions after which a reservation of `worst` on `path` is not in want of a lease: what is missing and
    /// some calls ahead, never above a limit. None at all when the leases go far enough.
    #[must_use]
    pub fn leases_wanted(&self, path: &[AccountIndex], worst: crate::Amounts, now: Timestamp) -> Leases {
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
        up_to: impl Fn(usize, &crate::counter::Counter, u32) -> Option<u64>,
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
    pub fn extend(&mut self, lease: &Lease) {
        let place = self.place(lease.account);
        self.accounts[place].extend(lease);
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
        for account in &mut self.accounts {
            if account.lose_unused_leases() {
                lost.extend(account.lost());
            }
        }
        lost
    }

    /// The same for one account.
    pub fn lose_unused_leases_of(&mut self, account: AccountIndex) -> Vec<Lost> {
        let place = self.place(account);
        let account = &mut self.accounts[place];
        if account.lose_unused_leases() { account.lost().collect() } else { Vec::new() }
    }

    /// Everything that is lost in current periods.
    pub fn lost(&self) -> impl Iterator<Item = Lost> {
        self.accounts.iter().flat_map(crate::account::Account::lost)
    }

    /// Frees what was lost, because somebody knows better or has waited long enough. `None` when nothing is lost there;
    /// else what was, which the log then says with an amount of zero: see [`crate::Entry::Lost`].
    pub fn release_lost(&mut self, account: AccountIndex, period: BudgetPeriod, resource: Resource) -> Option<Lost> {
        let place = self.place(account);
        let found = self.accounts[place]
            .lost()
            .find(|lost| lost.resource == resource && crate::slot::place(lost.period) == crate::slot::place(period))?;
        self.accounts[place].set_lost(&Lost { amount: 0, ..found });
        Some(found)
    }
}
