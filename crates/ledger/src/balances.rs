//! Balances as data: what an account reports, and what it is given back at start-up.

use base::{BudgetPeriod, Timestamp};

use crate::amounts::Amounts;

/// The sum of what was charged in one period, as the store knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostedBalance {
    /// Which period.
    pub period: BudgetPeriod,
    /// When it began; any time within it will do.
    pub starts: Timestamp,
    /// What was charged.
    pub amounts: Amounts,
}

/// One account's sums in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodBalance {
    /// Which period.
    pub period: BudgetPeriod,
    /// When it began.
    pub starts: Timestamp,
    /// When it ends; `None` when it never does.
    pub resets_at: Option<Timestamp>,
    /// The limit on money, where there is one.
    pub usd_limit: Option<base::Money>,
    /// The limit on tokens, where there is one.
    pub tokens_limit: Option<u64>,
    /// Charged in this period.
    pub posted: Amounts,
    /// Held by open attempts of this period.
    pub held: Amounts,
    /// Leased before a power loss and perhaps spent: counts like held until it is released.
    pub lost: Amounts,
    /// Up to where money is leased, where a lease is needed.
    pub usd_leased: Option<base::Money>,
    /// Up to where tokens are leased, where a lease is needed.
    pub tokens_leased: Option<u64>,
}

impl PeriodBalance {
    /// Everything that is neither charged nor free.
    #[must_use]
    pub fn held_in_all(&self) -> Amounts {
        self.held.saturating_add(self.lost)
    }
}

/// All sums of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountBalances {
    /// The current periods, in the order of [`BudgetPeriod::ALL`].
    pub current: [PeriodBalance; 5],
    /// The wallet, where there is one: its limit is what was credited in all.
    pub wallet: Option<PeriodBalance>,
    /// Past periods in which attempts are still open, oldest first; limits no longer matter there and are `None`.
    pub earlier: Vec<PeriodBalance>,
}

impl AccountBalances {
    /// The current period of one kind.
    ///
    /// # Panics
    /// When the wallet is asked for and there is none.
    #[must_use]
    pub fn of(&self, period: BudgetPeriod) -> &PeriodBalance {
        let found = self.current.iter().chain(&self.wallet).find(|balance| balance.period == period);
        found.expect("every period is listed, and the wallet where there is one")
    }
}
