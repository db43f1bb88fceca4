//! What happened, as data: the [`Entry`]s from which every balance can be recomputed.

use base::{AccountIndex, AttemptId, Money, PATH_LEVELS_MAX, Timestamp};

use crate::amounts::Amounts;
use crate::lease::{Lease, Lost};

/// The accounts that pay for one attempt, tenant first, key last; held inline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountPath {
    levels: [AccountIndex; PATH_LEVELS_MAX],
    length: u8,
}

impl AccountPath {
    /// Takes a path of one to [`PATH_LEVELS_MAX`] different accounts.
    ///
    /// # Panics
    /// When it is empty, too long, or names an account twice: that account would be charged twice.
    #[must_use]
    pub fn new(path: &[AccountIndex]) -> AccountPath {
        assert!((1..=PATH_LEVELS_MAX).contains(&path.len()), "a path has 1 to {PATH_LEVELS_MAX} accounts");
        let mut levels = [AccountIndex(u32::MAX); PATH_LEVELS_MAX];
        for (place, &account) in path.iter().enumerate() {
            assert!(!path[..place].contains(&account), "an account is once in its path");
            levels[place] = account;
        }
        AccountPath { levels, length: path.len() as u8 }
    }

    /// The accounts, tenant first.
    #[must_use]
    pub fn accounts(&self) -> &[AccountIndex] {
        &self.levels[..usize::from(self.length)]
    }
}

/// One immutable line of the ledger. A log of them, applied in order to a ledger of the same configuration, gives the
/// same balances (I7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// An attempt took its worst case: available → held.
    Held {
        /// The attempt.
        attempt: AttemptId,
        /// Who pays.
        path: AccountPath,
        /// How much, of each account.
        worst: Amounts,
        /// The time of the grant, which decides its periods; never before a period that has begun.
        granted_at: Timestamp,
    },
    /// An attempt ended: held → spent, the rest available again.
    Settled {
        /// The attempt.
        attempt: AttemptId,
        /// What every account of the path was charged; at most what was held.
        charged: Amounts,
        /// What the provider billed beyond the hold, at the operator's cost.
        variance: Money,
    },
    /// An account may use a resource up to there.
    Leased(Lease),
    /// So much of a lease is lost now, or nothing any more when the amount is zero.
    Lost(Lost),
    /// A wallet got more.
    Credited {
        /// Whose.
        account: AccountIndex,
        /// How much more.
        amount: Money,
        /// What was credited in all.
        in_all: Money,
    },
    /// A part of a charge was taken back: spent → available.
    Refunded {
        /// The attempt, which has ended.
        attempt: AttemptId,
        /// Who paid.
        path: AccountPath,
        /// How much, to each account.
        amounts: Amounts,
        /// The time of the grant, which says in which periods.
        granted_at: Timestamp,
    },
}
