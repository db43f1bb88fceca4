//! Limits that are only watched, as far as they are the ledger's: budgets, and tokens per month. And how often the log
//! is told of what any limit that is only watched would have refused.
//!
//! A budget that is watched is compared with what the ledger has charged: what it would have refused was charged and
//! counts, since money does not come back as windows do.

use core::time::Duration;

use base::{AccountIndex, AccountLimits, AccountMap, BudgetPeriod, Budgets, Moment, Money, Timestamp};
use ledger::{Amounts, Ledger, Resource};
use store::status::{ShadowLimit, budget_field};

/// The log is told of one account at most so often.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Budgets that can be watched, then tokens per month.
const KINDS: usize = BudgetPeriod::ALL.len() + 1;
const TOKENS: usize = KINDS - 1;

/// What the accounts of one shard only watch.
#[derive(Default)]
pub(crate) struct Shadows {
    accounts: AccountMap<Box<Watched>>,
    /// When the log was told of an account.
    told: AccountMap<Moment>,
    /// How many calls would have been refused, by anything.
    pub(crate) refused: u64,
}

struct Watched {
    budgets: Budgets,
    tokens_per_month: Option<u64>,
    refused: [u64; KINDS],
}

impl Shadows {
    /// Takes an account's limits; most watch nothing here, and cost nothing.
    pub(crate) fn configure(&mut self, account: AccountIndex, limits: &AccountLimits) {
        let more = limits.more.as_deref();
        let budgets = more.and_then(|more| more.shadow_budgets);
        let tokens_per_month = more.and_then(|more| more.shadow?.tokens_per_month);
        if budgets.is_none() && tokens_per_month.is_none() {
            self.accounts.remove(&account);
            return;
        }
        let budgets = budgets.unwrap_or_default();
        let fresh = || Box::new(Watched { budgets, tokens_per_month, refused: [0; KINDS] });
        let watched = self.accounts.entry(account).or_insert_with(fresh);
        (watched.budgets, watched.tokens_per_month) = (budgets, tokens_per_month);
    }

    /// Looks at a call whose worst case was just held: which budgets would not have covered it even alone. Says the first
    /// account that has such a one.
    pub(crate) fn watch(
        &mut self,
        ledger: &Ledger,
        path: &[AccountIndex],
        worst: Amounts,
        now: Timestamp,
    ) -> Option<AccountIndex> {
        if self.accounts.is_empty() {
            return None;
        }
        let mut first = None;
        for account in path {
            let Some(watched) = self.accounts.get_mut(account) else { continue };
            let found = ledger.beyond(*account, &watched.budgets, watched.tokens_per_month, worst, now);
            for (period, resource) in found {
                watched.refused[kind(period, resource)] += 1;
                first = first.or(Some(*account));
            }
        }
        self.refused += u64::from(first.is_some());
        first
    }

    /// Whether the log has not been told of this account for a while; then it is now.
    pub(crate) fn is_news(&mut self, account: AccountIndex, now: Moment) -> bool {
        let told = self.told.get(&account).copied();
        if told.is_some_and(|told| now.saturating_since(told) < TOLD_EVERY) {
            return false;
        }
        self.told.insert(account, now);
        true
    }

    /// What an account watches here.
    pub(crate) fn figures(&self, ledger: &Ledger, account: AccountIndex, now: Timestamp) -> Vec<WatchedFigure> {
        let Some(watched) = self.accounts.get(&account) else { return Vec::new() };
        let balances = ledger.balances(account, now);
        let used = |period| balances.of(period).posted.saturating_add(balances.of(period).lost);
        let budgets = BudgetPeriod::ALL.iter().enumerate().filter_map(|(place, &period)| {
            let (limit_name, refused) = (budget_field(period), watched.refused[place]);
            let limit = watched.budgets.cap(period)?.nanos().unsigned_abs();
            let used = used(period).usd.nanos().unsigned_abs();
            Some(WatchedFigure { limit_name, is_tokens: false, limit, used, refused })
        });
        let tokens = watched.tokens_per_month.map(|limit| WatchedFigure {
            limit_name: "tokens_per_month",
            is_tokens: true,
            limit,
            used: used(BudgetPeriod::Month).tokens,
            refused: watched.refused[TOKENS],
        });
        budgets.chain(tokens).collect()
    }
}

/// One budget, or the tokens per month, that is only watched: in nano-dollars, or in tokens.
pub(crate) struct WatchedFigure {
    pub(crate) limit_name: &'static str,
    is_tokens: bool,
    limit: u64,
    used: u64,
    refused: u64,
}

impl WatchedFigure {
    /// An amount as people read it.
    fn text(&self, amount: u64) -> String {
        if self.is_tokens {
            return amount.to_string();
        }
        Money::from_nanos(i64::try_from(amount).unwrap_or(i64::MAX)).to_string()
    }

    /// For a call with this worst case: the limit, what is used and left of it, what the call takes, and whether that is
    /// too much.
    pub(crate) fn asked(&self, worst: Amounts) -> ([String; 4], bool) {
        let needs = if self.is_tokens { worst.tokens } else { worst.usd.nanos().unsigned_abs() };
        let left = self.limit.saturating_sub(self.used);
        ([self.limit, self.used, left, needs].map(|amount| self.text(amount)), needs > left)
    }

    pub(crate) fn status(&self) -> ShadowLimit {
        ShadowLimit {
            model: None,
            per_end_user: false,
            limit_name: self.limit_name.into(),
            limit: self.text(self.limit),
            used: Some(self.text(self.used)),
            would_have_refused: self.refused,
        }
    }
}

/// The place of what is watched among the counts.
fn kind(period: BudgetPeriod, resource: Resource) -> usize {
    match resource {
        Resource::Usd => BudgetPeriod::ALL.iter().position(|&one| one == period).expect("a wallet is never watched"),
        Resource::Tokens => TOKENS,
    }
}
