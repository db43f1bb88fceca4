//! Budgets and tokens per month of a replay, by the ledger that a serving relay has.
//!
//! What was charged before the replay begins stands, whatever the limits are. From then on each call takes what it held when
//! it was made; a relay would ask for less output first where a client left that to it, so that what is told here for the last
//! call of a budget may be too much by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{AccountIndex, AccountMap, AttemptId, BudgetPeriod, Budgets, Timestamp, Window};
use ledger::{AccountConfig, AccountPath, Amounts, Ending, Entry, Hold, Ledger, NoHold, Resource};
use store::Account;

use super::Limit;

/// A limit of an account that a worst case is beyond.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beyond {
    pub(super) account: AccountIndex,
    pub(super) limit: Limit,
    /// Only what other calls held was in the way.
    pub(super) beside_holds: bool,
}

/// What of the ledger's limits an account only watches.
struct Watched {
    budgets: Budgets,
    tokens_per_month: Option<u64>,
}

/// What all accounts have spent and hold.
#[derive(Default)]
pub(super) struct Money {
    ledger: Ledger,
    watched: AccountMap<Watched>,
    attempts: u64,
}

/// What was charged before the replay begins, by path and by day of the tenant's calendar: all that budgets know of it.
#[derive(Default)]
pub(super) struct Earlier {
    days: BTreeMap<(Timestamp, u32), Amounts>,
    /// What stays held, since nobody knows its cost.
    held: Vec<(Timestamp, u32, Amounts)>,
}

impl Earlier {
    /// Adds an attempt of the path with this number.
    pub(super) fn add(&mut self, number: u32, path: &[Arc<Account>], at: Timestamp, took: Took) {
        match took.ending {
            Ending::Unknown => self.held.push((at, number, took.worst)),
            Ending::Complete(used) | Ending::Cut(used) => {
                let day = ledger::bounds(BudgetPeriod::Day, &path[0].settings().zone, at).starts;
                let sum = self.days.entry((day, number)).or_default();
                *sum = sum.saturating_add(used);
            }
            Ending::Refused => {}
        }
    }
}

/// What a past attempt held, and how it ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Took {
    pub(super) worst: Amounts,
    pub(super) ending: Ending,
}

impl Money {
    /// Takes an account's limits.
    pub(super) fn configure(&mut self, account: &Account) {
        let settings = account.settings();
        let config = AccountConfig {
            budgets: settings.budgets,
            tokens_per_month: settings.limits.own.tokens_per_month,
            ..AccountConfig::unlimited(settings.zone.clone())
        };
        self.ledger.configure(account.index, &config);
        let more = settings.limits.more.as_deref();
        let budgets = more.and_then(|more| more.shadow_budgets);
        let tokens_per_month = more.and_then(|more| more.shadow?.tokens_per_month);
        if budgets.is_some() || tokens_per_month.is_some() {
            let watched = Watched { budgets: budgets.unwrap_or_default(), tokens_per_month };
            self.watched.insert(account.index, watched);
        }
    }

    /// Counts what was charged and held before; `path` says the accounts of a number.
    pub(super) fn begin(&mut self, earlier: Earlier, path: impl Fn(u32) -> Vec<AccountIndex>) {
        for ((at, number), charged) in earlier.days {
            let attempt = self.take(&path(number), charged, at);
            self.ledger.apply(&Entry::Settled { attempt, charged, variance: base::Money::ZERO });
        }
        for (at, number, worst) in earlier.held {
            self.take(&path(number), worst, at);
        }
    }

    /// Holds an amount whatever the limits are.
    fn take(&mut self, path: &[AccountIndex], worst: Amounts, granted_at: Timestamp) -> AttemptId {
        let attempt = self.next_attempt();
        self.ledger.apply(&Entry::Held { attempt, path: AccountPath::new(path), worst, granted_at });
        attempt
    }

    fn next_attempt(&mut self) -> AttemptId {
        self.attempts += 1;
        AttemptId { epoch: 1, sequence: self.attempts }
    }

    /// Takes the worst case of a call from every account of its path, or says what is in the way.
    pub(super) fn reserve(&mut self, path: &[AccountIndex], worst: Amounts, at: Timestamp) -> Result<Hold, Beyond> {
        let attempt = self.next_attempt();
        self.ledger.reserve(path, attempt, worst, at).map_err(|no_hold| {
            let NoHold::Short(short) = no_hold else { unreachable!("a ledger without leases never lacks one") };
            let limit = match short.resource {
                Resource::Usd => Limit::Budget(short.period, ledger::Shortage::as_usd(short.limit)),
                Resource::Tokens => Limit::Window(Window::TokensPerMonth, short.limit),
            };
            Beyond { account: short.account, limit, beside_holds: short.fits_alone }
        })
    }

    /// The first limit that is only watched and would not have covered a worst case that was just held.
    pub(super) fn watched(&self, path: &[AccountIndex], worst: Amounts, at: Timestamp) -> Option<Beyond> {
        path.iter().find_map(|&account| {
            let Watched { budgets, tokens_per_month } = self.watched.get(&account)?;
            let (period, resource) = self.ledger.beyond(account, budgets, *tokens_per_month, worst, at).next()?;
            let limit = match resource {
                Resource::Usd => Limit::Budget(period, budgets.cap(period)?),
                Resource::Tokens => Limit::Window(Window::TokensPerMonth, (*tokens_per_month)?),
            };
            Some(Beyond { account, limit, beside_holds: false })
        })
    }

    /// Ends a call.
    pub(super) fn settle(&mut self, hold: Hold, ending: Ending) {
        self.ledger.settle(hold, ending);
    }
}
