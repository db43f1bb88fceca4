//! Leases as data: durable permission to use money, given ahead, so that a loss of power loses no money.

use base::{AccountIndex, BudgetPeriod, Timestamp};
use smallvec::SmallVec;

use crate::amounts::Resource;

/// How far ahead leases are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeasePolicy {
    /// A lease is extended by the limit's share of so many, or by what a few large calls need.
    pub parts: u32,
}

/// An account may use up to so much of a resource in one period: posted, held and lost together.
///
/// Made by [`crate::Ledger::leases_wanted`] or [`crate::Ledger::refills_due`], written down, and given to [`crate::Ledger::extend`] when it
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
