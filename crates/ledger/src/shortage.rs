//! Why there is no hold.

use base::{AccountIndex, BudgetPeriod, Money, Timestamp};
use thiserror::Error;

use crate::amounts::{Resource, money};

/// The limit that stands in the way of a reservation. When several do, it is the one that does so longest.
///
/// Amounts are nano-USD or tokens, as `resource` says; [`Shortage::as_usd`] reads the former.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "{resource:?} per {period:?} of account {account:?}: limit {limit}, posted {posted}, held {held}, lost {lost}, needed {needed}"
)]
pub struct Shortage {
    /// Whose limit.
    pub account: AccountIndex,
    /// Of what.
    pub resource: Resource,
    /// Per which period.
    pub period: BudgetPeriod,
    /// The limit; the largest amount there is where none was set.
    pub limit: u64,
    /// Charged so far in this period.
    pub posted: u64,
    /// Held by open attempts of this period.
    pub held: u64,
    /// Lost with a lease: held until somebody releases it, and no wait helps.
    pub lost: u64,
    /// The worst case that was asked for.
    pub needed: u64,
    /// When this period ends; `None` when it never does.
    pub resets_at: Option<Timestamp>,
    /// Only other attempts' holds are in the way, on **every** account of the path: waiting for them may help.
    pub fits_alone: bool,
}

impl Shortage {
    /// An amount of this shortage as money. Meaningful when `resource` is [`Resource::Usd`].
    #[must_use]
    pub fn as_usd(amount: u64) -> Money {
        money(amount)
    }

    /// Everything that is neither charged nor free.
    #[must_use]
    pub const fn held_in_all(&self) -> u64 {
        self.held.saturating_add(self.lost)
    }

    /// Which of two shortages to report: one that waiting for holds cannot end, then the one that resets last.
    pub(crate) fn graver(self, other: Shortage) -> Shortage {
        let gravity = |one: &Shortage| (!one.fits_alone, one.resets_at.unwrap_or(Timestamp::MAX));
        if gravity(&other) > gravity(&self) { other } else { self }
    }
}

/// Why a reservation took nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoHold {
    /// A limit is in the way.
    #[error(transparent)]
    Short(#[from] Shortage),
    /// There is money, but no lease covers it yet: extend what [`crate::Ledger::leases_wanted`] says, and try again.
    #[error("a lease has to be extended first")]
    Unleased,
}

impl NoHold {
    /// The limit in the way, if it is one.
    #[must_use]
    pub const fn shortage(self) -> Option<Shortage> {
        match self {
            NoHold::Short(shortage) => Some(shortage),
            NoHold::Unleased => None,
        }
    }
}
